"""What the server counts, for Prometheus."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

if TYPE_CHECKING:
    from agnews.schemas.monitor_reference import MonitorReport

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The counters of one server.

    Attributes:
        seconds: Histogram of the time from a request's headers to the last byte of its answer, by endpoint.
        requests: Answers, by endpoint and status code.
        refused: Requests turned away, by the limit that they hit.
        batch_rows: Histogram of the texts in a batch.
        batch_seconds: Histogram of the model's time for a batch.
        wait_seconds: Histogram of the time that a request waits for its last batch to begin.
        queue: Texts that wait now.
        version: 1 under the label of the version that is served.
        switches: Changes of version, by result.
        broken: 1 while the version that ought to be served cannot be loaded.
        pointer_age: Seconds since the last look at the pointer that found one; 0 where none is followed.
        logged_rows: Answered texts by what became of them: `logged`, `dropped` where a limit was reached, or `lost`
            with a server that was killed.
        answered_rows: Texts by version and by the class that was answered.
        shadow_rows: Texts that a second version was asked about, too, by the class that was answered and by what became
            of them: `same`, `different`, `failed`; `dropped` where it had no time.
        drift: Distances between the texts of the last day and the training rows, by feature, and the next two their
            intervals' lower ends and whether they are alarms.
        accuracy: Of the last day, by how it is known (`estimated`, `measured`) and whether it is the `value` or an end
            (`low`, `high`) of its interval.
        judged_rows: Texts that were looked at, and the next when, in seconds since 1970.
        lost_lines: Lines of the log that could not be written.
    """

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # Half of the page, and of no use where counters are scraped often.
        self._registry = CollectorRegistry()
        make: dict[str, Any] = {"registry": self._registry, "namespace": "agnews"}
        self.seconds = Histogram("request_seconds", "Time to answer a request", ["endpoint"], buckets=_SECONDS, **make)
        self.requests = Counter("requests", "Answers", ["endpoint", "code"], **make)
        self.refused = Counter("refused", "Requests turned away", ["limit"], **make)
        self.batch_rows = Histogram(
            "batch_rows", "Texts in a batch", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024), **make
        )
        self.batch_seconds = Histogram("batch_seconds", "Time of the model for a batch", buckets=_SECONDS, **make)
        self.wait_seconds = Histogram("wait_seconds", "Time of a request in the queue", buckets=_SECONDS, **make)
        self.queue = Gauge("queue_rows", "Texts that wait", **make)
        self.version = Gauge("model_info", "Version that is served", ["version"], **make)
        self.switches = Counter("model_switches", "Changes of version", ["result"], **make)
        self.broken = Gauge("model_broken", "1 while the version in production cannot be loaded", **make)
        self.pointer_age = Gauge("pointer_age_seconds", "Since the last good look at the pointer", **make)
        self.logged_rows = Counter("logged_rows", "Texts for the log of requests", ["outcome"], **make)
        self.answered_rows = Counter("answered_rows", "Texts by their answers", ["version", "label"], **make)
        self.shadow_rows = Counter("shadow_rows", "Texts for a second version", ["label", "outcome"], **make)
        self.drift = Gauge("drift_distance", "Of the texts of a day from the training rows", ["feature"], **make)
        self.drift_low = Gauge("drift_distance_low", "Lower end of its 95 % interval", ["feature"], **make)
        self.drift_alarm = Gauge("drift_alarm", "1 where it is beyond chance and tolerance", ["feature"], **make)
        self.accuracy = Gauge("accuracy", "Of the answers of a day", ["known", "end"], **make)
        self.judged_rows = Gauge("judged_rows", "Texts of the last look at a day", **make)
        self.judged_at = Gauge("judged_timestamp_seconds", "Of the last look", **make)
        self.lost_lines = Gauge("log_lines_lost", "Lines of the log that could not be written", **make)

    def set_version(self, version: str) -> None:
        """Notes which version is served now.

        Args:
            version: Its number.
        """
        self.version.clear()
        self.version.labels(version).set(1)

    def set_drift(self, report: MonitorReport) -> None:
        """Shows what a look at the requests of a day has found.

        Args:
            report: What was found.
        """
        self.judged_rows.set(report.rows)
        self.judged_at.set(time.time())
        for gauge in (self.drift, self.drift_low, self.drift_alarm, self.accuracy):
            gauge.clear()
        for each in report.features:
            self.drift.labels(each.feature).set(each.value)
            self.drift_low.labels(each.feature).set(each.low)
            self.drift_alarm.labels(each.feature).set(int(each.alarm))
        for known, estimate in (("estimated", report.estimated_accuracy), ("measured", report.measured_accuracy)):
            if estimate is not None:
                for end in ("value", "low", "high"):
                    self.accuracy.labels(known, end).set(getattr(estimate, end))

    def page(self) -> bytes:
        """Returns the text that Prometheus reads."""
        return generate_latest(self._registry)
