"""A step of a run as the server knows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class StepRecord:
    """A step of a run.

    Attributes:
        task_id: The server's name for it.
        name: The node of the pipeline.
        state: As of a run.
        started_at: When it was started.
        ended_at: When it ended.
        error: What the server says went wrong.
        pods: Names that its pod may have, the likeliest first.
    """

    task_id: str
    name: str
    state: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: str = ""
    pods: tuple[str, ...] = ()

    def duration(self, now: datetime) -> timedelta | None:
        """Returns how long it has taken, until now if it still goes on; None before its start."""
        if self.started_at is None:
            return None
        return (self.ended_at or now) - self.started_at
