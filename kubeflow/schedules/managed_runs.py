"""The recurring runs that were made from schedules."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from enum import StrEnum

from agnews.kubeflow.client.run_record import RecurringRunRecord
from agnews.kubeflow.schedules.server_walk import start_to_send
from agnews.schemas.json_text import read_json

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
        start: The start in the file, if another one was sent since that one had passed.
    """

    name: str
    digest: str
    enabled: bool
    activate: bool
    start: str | None = None

    def write(self) -> str:
        """Returns the description."""
        content = {key: value for key, value in vars(self).items() if value is not None}
        return (
            "Made by `agnews schedule apply`: change schedules.yaml, not this.\n"
            f"{_PREFIX}{json.dumps(content, sort_keys=True)}"
        )

    @classmethod
    def read(cls, record: RecurringRunRecord) -> Mark | None:
        """Returns the mark of a recurring run, None if we did not make it."""
        for line in record.description.splitlines():
            if line.startswith(_PREFIX):
                try:
                    content = read_json(line.removeprefix(_PREFIX))
                    # A later version may write more.
                    return cls(**{each.name: content[each.name] for each in fields(cls) if each.name in content})
                except (ValueError, TypeError):
                    return None
        return None

    def asked(self, record: RecurringRunRecord) -> RecurringRunRecord:
        """Returns the recurring run with the start that the file had when it was created."""
        return record if self.start is None else replace(record, start=_parsed(self.start))

    def describes(self, record: RecurringRunRecord) -> bool:
        """Whether the recurring run still is what was asked for, but for what the server fills in."""
        asked = self.asked(record)
        return self.digest in {digest(asked), digest(replace(asked, service_account=""))}


def _parsed(time: str) -> datetime | None:
    return datetime.fromisoformat(time) if time else None


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


def differences(asked: RecurringRunRecord, made: RecurringRunRecord) -> list[tuple[str, object, object]]:
    """Compares a recurring run of the server with what it was asked for.

    Args:
        asked: What was asked for.
        made: What the server has.

    Returns:
        Name of the field, what was asked for, what there is. What the server decides is left out: identifier, state,
        times of its own, and the service account where none was asked for.
    """
    names = ["name", "pipeline_id", "version_id", "experiment_id", "cron", "interval_seconds", "start", "end"]
    names += ["parameters", "max_concurrency", "catch_up"] + ["service_account"] * bool(asked.service_account)
    pairs = [(name, getattr(asked, name), getattr(made, name)) for name in names]
    return [(name, before, after) for name, before, after in pairs if _plain(before) != _plain(after)]


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

    def first_start(self, wanted: RecurringRunRecord, now: datetime) -> datetime | None:
        """Says which start has to be sent if this is created now, in the place of what there is.

        Args:
            wanted: What the server should have, with the start of the file.
            now: The present.

        Returns:
            The start. What is new and wants to catch up gets that of the file; everything else one that makes the
            server start nothing for times that have passed, least of all at each replacement again.
        """
        if not self.runs and wanted.catch_up:
            return wanted.start
        origin = None
        if self.runs and self.records[-1].interval_seconds == wanted.interval_seconds:
            origin = self.records[-1].start or self.records[-1].created_at
        return start_to_send(wanted, now, origin if origin is not None and origin <= now else None)

    def matching(self, wanted: RecurringRunRecord) -> tuple[Mark, RecurringRunRecord] | None:
        """Returns the one that is as it should be, an enabled one before others; None if there is none."""
        same = [
            (mark, record)
            for mark, record in self.runs
            if mark.digest == digest(wanted)
            and mark.enabled == wanted.enabled
            # Which start was sent depends on when; the digest knows which one was meant.
            and not differences(wanted, replace(record, start=wanted.start))
        ]
        return next((run for run in same if run[1].enabled), same[0] if same else None)


class Action(StrEnum):
    """What is done to a recurring run."""

    CREATE = "create"
    KEEP = "leave, disabled, until its run has ended (apply again then):"
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


def next_step(wanted: RecurringRunRecord, found: ManagedRuns, now: datetime) -> Step | None:
    """Says what to do next, from what is there alone, so that it does not matter where an earlier `apply` was cut.

    In this order: create the new one, disabled; disable the old one; enable the new one; delete the old one. At no
    time are two enabled, and none is enabled only between the third request and the second. A start that falls
    into this moment is made up for, because the new one counts from its creation. What was paused on the server stays
    paused.

    Args:
        wanted: What the server should have.
        found: What it has.
        now: The present.

    Returns:
        The next step, None if all is as it should be.
    """
    match = found.matching(wanted)
    if match is None:
        activate = wanted.enabled and not found.paused
        start = found.first_start(wanted, now)
        meant = None if start == wanted.start else wanted.start.isoformat() if wanted.start else ""
        mark = Mark(wanted.name, digest(wanted), enabled=wanted.enabled, activate=activate, start=meant)
        made = replace(wanted, start=start, enabled=activate and not found.runs, description=mark.write())
        return Step(Action.CREATE, made)
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
