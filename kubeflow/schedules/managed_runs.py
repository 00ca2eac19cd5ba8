"""The recurring runs that were made from schedules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from agnews.kubeflow.client.recurring_run_record import RecurringRunRecord
from agnews.kubeflow.schedules.mark import Mark, digest

Snapshot = frozenset[tuple[str, bool, str]]


@dataclass(frozen=True)
class ManagedRuns:
    """The recurring runs on the server that were made from one schedule, the oldest first.

    There is one, or none; more only in the middle of an `apply`, or after one that was cut.

    Attributes:
        runs: Each with what we wrote into it.
    """

    runs: tuple[tuple[Mark, RecurringRunRecord], ...]

    @classmethod
    def of(cls, records: Iterable[RecurringRunRecord], name: str) -> ManagedRuns:
        """Picks those of one schedule.

        Args:
            records: All of the server.
            name: Name of the schedule.

        Returns:
            Those that carry our mark with this name.
        """
        marked = [(mark, record) for record in records if (mark := Mark.read(record)) and mark.name == name]
        long_ago = datetime.min.replace(tzinfo=UTC)
        marked.sort(key=lambda run: (run[1].created_at or long_ago, run[1].recurring_run_id))
        return cls(tuple(marked))

    @property
    def snapshot(self) -> Snapshot:
        """All that could change behind our back: what there is, whether it is enabled, what it holds."""
        return frozenset((record.recurring_run_id, record.enabled, digest(record)) for _, record in self.runs)

    @property
    def records(self) -> list[RecurringRunRecord]:
        """The recurring runs alone."""
        return [record for _, record in self.runs]

    @property
    def paused(self) -> bool:
        """Whether somebody paused it, other than by the file, and other than an `apply` that was cut in between."""
        if not self.runs or any(record.enabled for record in self.records):
            return False
        newest = self.runs[-1][0]
        return newest.enabled and not (len(self.runs) > 1 and newest.activate)

    def matching(self, wanted: RecurringRunRecord) -> tuple[Mark, RecurringRunRecord] | None:
        """Returns the one that is as it should be, an enabled one before others; None if there is none."""
        same = [
            (mark, record)
            for mark, record in self.runs
            if digest(record) == digest(wanted) and mark.enabled == wanted.enabled
        ]
        return next((run for run in same if run[1].enabled), same[0] if same else None)
