"""The recurring runs that were made from schedules."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from agnews.kubeflow.client.run_record import RecurringRunRecord

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


class Action(StrEnum):
    """What is done to a recurring run."""

    CREATE = "create"
    DISABLE = "disable"
    ENABLE = "enable"
    DELETE = "delete"


@dataclass(frozen=True)
class Step:
    """One request to the server.

    Attributes:
        action: What is done.
        record: What it is done to; for CREATE what is to be created, with its description.
    """

    action: Action
    record: RecurringRunRecord


def next_step(wanted: RecurringRunRecord, found: ManagedRuns) -> Step | None:
    """Says what to do next, from what is there alone, so that it does not matter where an earlier `apply` was cut.

    In this order: create the new one, disabled; disable the old one; enable the new one; delete the old one. At no
    time are two enabled, and none is enabled only between the third request and the second. A start that falls
    into this moment is made up for, because the new one counts from its creation. What was paused on the server stays
    paused.

    Args:
        wanted: What the server should have.
        found: What it has.

    Returns:
        The next step, None if all is as it should be.
    """
    match = found.matching(wanted)
    if match is None:
        activate = wanted.enabled and not found.paused
        mark = Mark(wanted.name, digest(wanted), enabled=wanted.enabled, activate=activate)
        first = not found.runs
        return Step(Action.CREATE, replace(wanted, enabled=activate and first, description=mark.write()))
    mark, keep = match
    others = [record for record in found.records if record.recurring_run_id != keep.recurring_run_id]
    for record in others:
        if record.enabled:
            return Step(Action.DISABLE, record)
    if others and mark.activate and not keep.enabled:
        return Step(Action.ENABLE, keep)
    if keep.enabled and not wanted.enabled:
        return Step(Action.DISABLE, keep)
    return Step(Action.DELETE, others[0]) if others else None
