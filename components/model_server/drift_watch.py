"""Looks at the log again and again while the server runs, and puts what it finds into the counters."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from agnews.components.drift.measure_texts import Alphabet
from agnews.components.model_server.metrics import Metrics
from agnews.components.model_server.model_host import ModelHost
from agnews.components.monitoring.monitor_requests import monitor_requests, read_reference
from agnews.components.request_log.places import Places
from agnews.schemas.monitor_reference import MonitorReference, MonitorReport

LOOK_SECONDS = 3600.0
_FIRST_SECONDS = 30.0
_WINDOW = timedelta(days=1)


class DriftWatch:
    """Judges the requests of the last day once an hour.

    Args:
        host: Knows the version that answers.
        places: Of the log.
        metrics: Where what was found can be read.
        tell: Receives a line when an alarm begins or ends.
        look_seconds: Between two looks.
    """

    def __init__(
        self,
        host: ModelHost,
        places: Places,
        metrics: Metrics,
        tell: Callable[[str], None],
        *,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._host = host
        self._places = places
        self._metrics = metrics
        self._tell = tell
        self._look_seconds = look_seconds
        self._known: tuple[str, MonitorReference | None, Alphabet] = ("", None, Alphabet(""))
        self._state = ""

    def alphabet(self) -> Alphabet:
        """Returns the characters that the vocabulary of the version that answers has pieces for."""
        return self._reference()[1]

    async def watch(self) -> None:
        """Looks for ever."""
        await asyncio.sleep(min(_FIRST_SECONDS, self._look_seconds))
        while True:
            try:
                await asyncio.to_thread(self.look)
            except Exception as error:  # noqa: BLE001 - the next look may succeed
                self._tell(f"the log of requests could not be judged: {type(error).__name__}: {error}")
            await asyncio.sleep(self._look_seconds)

    def look(self) -> MonitorReport | None:
        """Judges the last day now.

        Returns:
            What was found; None where the version was pushed without a reference.
        """
        reference, _ = self._reference()
        if reference is None:
            return None
        now = datetime.now(UTC)
        looks = max(1, round(_WINDOW.total_seconds() / max(self._look_seconds, LOOK_SECONDS)))
        report = monitor_requests(self._places, reference, self._host.version, now - _WINDOW, now, looks=looks)
        self._metrics.set_drift(report)
        if report.state != self._state and "alarm" in (report.state, self._state):
            self._tell(f"drift: {report.state}; {'; '.join(report.reasons) or 'what is asked fits the model again'}")
        self._state = report.state
        return report

    def _reference(self) -> tuple[MonitorReference | None, Alphabet]:
        version, reference, alphabet = self._known
        current = self._host.current
        if current.record.version != version:
            reference = read_reference(current.folder)
            alphabet = Alphabet(reference.alphabet if reference else "")
            self._known = (current.record.version, reference, alphabet)
        return reference, alphabet
