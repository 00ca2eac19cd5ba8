"""What we write into a recurring run's description, so that we know it again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from agnews.kubeflow.client.recurring_run_record import RecurringRunRecord

_PREFIX = "agnews-schedule: "


@dataclass(frozen=True)
class Mark:
    """Says that a recurring run was made from a schedule, and what was meant by it.

    Attributes:
        name: Name of the schedule.
        digest: Of what was asked for.
        enabled: Whether the file says `enabled`.
        activate: Whether it was to be enabled once it has taken the place of the one before. An `apply` that finds
            it in the middle of that goes on accordingly.
    """

    name: str
    digest: str
    enabled: bool
    activate: bool

    def write(self) -> str:
        """Returns the description."""
        return (
            "Made by `agnews schedule apply`: change schedules.yaml, not this.\n"
            f"{_PREFIX}{json.dumps(vars(self), sort_keys=True)}"
        )

    @classmethod
    def read(cls, record: RecurringRunRecord) -> Mark | None:
        """Returns the mark of a recurring run, None if we did not make it."""
        for line in record.description.splitlines():
            if line.startswith(_PREFIX):
                try:
                    return cls(**json.loads(line.removeprefix(_PREFIX)))
                except (ValueError, TypeError):
                    return None
        return None


def digest(record: RecurringRunRecord) -> str:
    """Returns a digest of all that matters of a recurring run: not of its state, its identifier, its description."""
    content = [
        record.name,
        record.pipeline_id,
        record.version_id,
        record.experiment_id,
        record.cron,
        record.interval_seconds,
        str(record.start),
        str(record.end),
        _plain(record.parameters),
        record.max_concurrency,
        record.catch_up,
        record.service_account,
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _plain(value: object) -> object:
    # The server keeps numbers as floats: 3 comes back as 3 or as 3.0.
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
