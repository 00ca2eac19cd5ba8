"""What would change on the server."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from agnews.kubeflow.client.compiled_pipeline import CompiledPipeline, Parameter, check_parameters, declared_parameters
from agnews.kubeflow.client.kfp_api import KfpApi
from agnews.kubeflow.client.run_record import RecurringRunRecord, VersionRecord
from agnews.kubeflow.client.server_error import ServerError
from agnews.kubeflow.client.submit_pipeline import version_name
from agnews.kubeflow.schedules.cron import Cron, server_cron
from agnews.kubeflow.schedules.managed_runs import ManagedRuns, Mark, digest, next_step
from agnews.kubeflow.schedules.schedule_file import Schedule, ScheduleFile
from agnews.kubeflow.schedules.server_walk import planned_starts, silent_years
from agnews.schemas.errors import AgnewsError


def desired_run(
    schedule: Schedule,
    *,
    pipeline_id: str,
    version_id: str,
    experiment_id: str,
    server_zone: ZoneInfo,
    now: datetime,
) -> RecurringRunRecord:
    """Translates a schedule.

    Args:
        schedule: From the file.
        pipeline_id: The pipeline.
        version_id: The version that its runs use.
        experiment_id: The experiment of its runs.
        server_zone: The time zone in which the server evaluates crons.
        now: The present.

    Returns:
        What the server should have; not created yet.

    Raises:
        AgnewsError: If the server cannot keep the cron in the schedule's time zone, or nothing would ever start.
    """
    begin, end = schedule.window
    cron = ""
    if schedule.cron is not None:
        cron = server_cron(Cron.parse(schedule.cron), schedule.zone, server_zone, now=now, end=end)
        _require_starts(schedule.name, cron, server_zone, max(begin, now) if begin else now, end)
    return RecurringRunRecord(
        name=schedule.name,
        pipeline_id=pipeline_id,
        version_id=version_id,
        experiment_id=experiment_id,
        cron=cron,
        interval_seconds=int(schedule.interval.total_seconds()),
        start=begin,
        end=end,
        parameters=dict(schedule.parameters),
        max_concurrency=schedule.max_concurrency,
        catch_up=schedule.catch_up,
        enabled=schedule.enabled,
        service_account=schedule.service_account,
    )


def _require_starts(name: str, cron: str, zone: ZoneInfo, after: datetime, end: datetime | None) -> None:
    silent = silent_years(
        Cron.parse(cron.partition(" ")[2]), after.astimezone(zone).date(), end.astimezone(zone).date() if end else None
    )
    if silent is not None:
        first, next_one = silent
        raise AgnewsError(
            f"The cron of the schedule {name} starts nothing for more than five years.",
            found=f"no start from {first} " + (f"up to {next_one}" if next_one else "on") + f" ({cron[2:]})",
            fix="Correct the days and months (30 February does not exist). The server's controller looks five years "
            "ahead; where it finds nothing it fails for all schedules of the cluster.",
        )


@dataclass(frozen=True)
class Target:
    """A version.

    Attributes:
        pipeline_id: The pipeline; empty if the server does not have it yet.
        version_id: The version; empty if the server does not have it yet.
        version_name: Our name for it.
        parameters: What its runs take.
    """

    pipeline_id: str
    version_id: str
    version_name: str
    parameters: Mapping[str, Parameter]

    @classmethod
    def of_pipeline(cls, api: KfpApi, pipeline: CompiledPipeline) -> Target:
        """Looks for the version of a compiled pipeline, without uploading it.

        Args:
            api: The server.
            pipeline: The compiled pipeline.

        Returns:
            The version, with empty identifiers if it is not there.
        """
        name = version_name(pipeline)
        pipeline_id = api.find_pipeline(pipeline.name) or ""
        version = api.find_version(pipeline_id, name) if pipeline_id else None
        return cls(pipeline_id, version.version_id if version else "", name, pipeline.parameters)

    @classmethod
    def of_version(cls, api: KfpApi, pipeline: str, name: str) -> Target:
        """Looks for a version by its name.

        Args:
            api: The server.
            pipeline: Name of the pipeline.
            name: Name of the version.

        Returns:
            The version.

        Raises:
            AgnewsError: If the server does not have it.
        """
        pipeline_id = api.find_pipeline(pipeline)
        version = api.find_version(pipeline_id, name) if pipeline_id else None
        if pipeline_id is None or version is None:
            raise AgnewsError(
                f"The server has no version {name} of the pipeline {pipeline}.",
                fix="agnews runs list shows the versions of runs; agnews submit uploads one.",
            )
        full = api.get_version(pipeline_id, version.version_id)
        return cls(pipeline_id, version.version_id, name, declared_parameters(full.spec or {}))


_FIRE_TIMES = 5
_FEW = 3
_MANY = 1000
_LOOK_AHEAD = timedelta(days=366)
# Stands for what `apply` will create: no server gives such an identifier.
NEW = "(new)"


class Kind(StrEnum):
    """What would be done about a schedule."""

    KEEP = "as it is"
    CREATE = "create"
    REPLACE = "replace"
    FINISH = "finish what was cut"
    DISABLE = "disable"
    LEFT = "not in the file"


@dataclass(frozen=True)
class Change:
    """What would be done about one schedule.

    Attributes:
        name: Name of the schedule.
        kind: What would be done.
        schedule: As it stands in the file; None if it is not there any more.
        wanted: What the server should have.
        found: What it has.
        differences: Field, old and new value, for REPLACE.
        notes: What else a reader should know.
        fire_times: The next starts, in UTC.
    """

    name: str
    kind: Kind
    schedule: Schedule | None
    wanted: RecurringRunRecord | None
    found: ManagedRuns
    differences: tuple[tuple[str, str, str], ...] = ()
    notes: tuple[str, ...] = ()
    fire_times: tuple[datetime, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What would be done about all schedules.

    Attributes:
        changes: One for each schedule.
    """

    changes: tuple[Change, ...]

    @property
    def digest(self) -> str:
        """Changes if the server or what is wanted of it changes: `apply --plan` compares it."""
        content = [
            (change.name, sorted(change.found.snapshot), digest(change.wanted) if change.wanted else "", change.kind)
            for change in self.changes
        ]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]


def plan_schedules(api: KfpApi, file: ScheduleFile, target: Target | None, now: datetime) -> Plan:
    """Compares the file with the server. Changes nothing.

    Args:
        api: The server.
        file: The schedules.
        target: The version that runs shall use; None: each schedule keeps the one it has.
        now: The present.

    Returns:
        What would be done.

    Raises:
        AgnewsError: If a schedule cannot be kept by this server, or its parameters do not fit the pipeline.
    """
    records, look_up = api.list_recurring_runs(), _LookUp(cache(api.find_experiment), cache(api.get_version))
    zone = ZoneInfo(file.server_time_zone)
    changes = [_change(look_up, schedule, records, target, zone, now) for schedule in file.schedules]
    names = {schedule.name for schedule in file.schedules}
    left = sorted({mark.name for record in records if (mark := Mark.read(record)) and mark.name not in names})
    changes += [Change(name, Kind.LEFT, None, None, ManagedRuns.of(records, name)) for name in left]
    return Plan(tuple(changes))


@dataclass(frozen=True)
class _LookUp:
    """Asks the server once for what many schedules have in common."""

    find_experiment: Callable[[str], str | None]
    get_version: Callable[[str, str], VersionRecord]


def _change(
    look_up: _LookUp,
    schedule: Schedule,
    records: Sequence[RecurringRunRecord],
    target: Target | None,
    server_zone: ZoneInfo,
    now: datetime,
) -> Change:
    found = ManagedRuns.of(records, schedule.name)
    foreign = [run for run in records if run.name == schedule.name and Mark.read(run) is None and run.enabled]
    if foreign:
        raise AgnewsError(
            f"The server has a recurring run {schedule.name} that was not made by agnews schedule.",
            found=foreign[0].recurring_run_id,
            fix="Both would start runs: delete or disable it in the UI, or rename the schedule.",
        )
    target = target or _kept(look_up, schedule.name, found)
    _check_parameters(schedule, target)
    wanted = desired_run(
        schedule,
        pipeline_id=target.pipeline_id or NEW,
        version_id=target.version_id or NEW,
        experiment_id=look_up.find_experiment(schedule.experiment) or NEW,
        server_zone=server_zone,
        now=now,
    )
    record, created = _expected(wanted, found, now)
    return Change(
        name=schedule.name,
        kind=_kind(wanted, found, now),
        schedule=schedule,
        wanted=wanted,
        found=found,
        differences=tuple(_differences(found, wanted, schedule, target)),
        notes=(*_notes(found, wanted), *_notes_about_times(schedule, record, server_zone, now)),
        fire_times=tuple(islice(planned_starts(record, server_zone, now, created), _FIRE_TIMES))
        if schedule.enabled
        else (),
    )


def _check_parameters(schedule: Schedule, target: Target) -> None:
    try:
        check_parameters(target.parameters, schedule.parameters)
    except AgnewsError as error:
        problem = f"The schedule {schedule.name}: {error.problem}"
        raise AgnewsError(problem, found=error.found, fix=error.fix, exit_code=error.exit_code) from error


def _expected(wanted: RecurringRunRecord, found: ManagedRuns, now: datetime) -> tuple[RecurringRunRecord, datetime]:
    """What the server will have, and when it was created."""
    match = found.matching(wanted)
    if match is not None:
        return match[1], match[1].created_at or now
    return replace(wanted, start=found.first_start(wanted, now)), now


def _notes_about_times(schedule: Schedule, record: RecurringRunRecord, zone: ZoneInfo, now: datetime) -> Iterator[str]:
    if not schedule.enabled:
        return
    if not record.recurring_run_id and record.start is not None and record.start <= now:
        missed = list(islice(_up_to(now, planned_starts(record, zone, record.start, now)), _MANY))
        if missed:
            count = f"{_MANY} and more" if len(missed) == _MANY else str(len(missed))
            yield (
                f"starts {count} at once, one after the other, for {missed[0]:%Y-%m-%d %H:%M} UTC and later: "
                "catch_up makes up for all since `start`"
            )
    if schedule.cron is None:
        return
    asked = list(islice(_up_to(now + _LOOK_AHEAD, schedule.fire_times(now)), _MANY))
    given = set(islice(_up_to(now + _LOOK_AHEAD, planned_starts(record, zone, now, now)), _MANY))
    horizon = min(asked[-1], max(given)) if len(asked) == _MANY and given else now + _LOOK_AHEAD
    for time in [time for time in asked if time not in given and time <= horizon][:_FEW]:
        yield (
            f"the server leaves out {time.astimezone(schedule.zone):%a %Y-%m-%d %H:%M} {schedule.time_zone}: its clock "
            "changes then"
        )
    for time in sorted(given - set(asked))[:_FEW]:
        if time <= horizon:
            yield f"the server starts one more at {time:%a %Y-%m-%d %H:%M} UTC: its clock changes then"


def _up_to(last: datetime, times: Iterator[datetime]) -> Iterator[datetime]:
    return takewhile(lambda time: time <= last, times)


def _kept(look_up: _LookUp, name: str, found: ManagedRuns) -> Target:
    if not found.runs:
        raise AgnewsError(
            f"The schedule {name} is new, and it is not said which version of the pipeline it shall run.",
            fix="Name the compiled pipeline: agnews schedule plan PIPELINE.yaml, or a version: --version NAME.",
        )
    newest = found.records[-1]
    try:
        version = look_up.get_version(newest.pipeline_id, newest.version_id)
    except ServerError as error:
        if error.status != 404:
            raise
        raise AgnewsError(
            f"The version of the pipeline that the schedule {name} runs was deleted: its starts fail.",
            found=error.found,
            fix="Name the compiled pipeline: agnews schedule plan PIPELINE.yaml, or another version: --version NAME.",
        ) from error
    return Target(newest.pipeline_id, newest.version_id, version.name, declared_parameters(version.spec or {}))


def _kind(wanted: RecurringRunRecord, found: ManagedRuns, now: datetime) -> Kind:
    if not found.runs:
        return Kind.CREATE
    if found.matching(wanted) is None:
        return Kind.REPLACE
    if len(found.runs) > 1:
        return Kind.FINISH
    return Kind.KEEP if next_step(wanted, found, now) is None else Kind.DISABLE


def _differences(
    found: ManagedRuns, wanted: RecurringRunRecord, schedule: Schedule, target: Target
) -> Iterator[tuple[str, str, str]]:
    if not found.runs or found.matching(wanted) is not None:
        return
    mark, old = found.runs[-1]
    if mark.enabled != wanted.enabled:
        yield "enabled", str(mark.enabled).lower(), str(wanted.enabled).lower()
    if old.version_id != wanted.version_id:
        yield "version", old.version_id, f"{target.version_name} ({wanted.version_id})"
    for field in (
        "pipeline_id",
        "cron",
        "interval_seconds",
        "start",
        "end",
        "parameters",
        "max_concurrency",
        "catch_up",
    ):
        before, after = getattr(mark.asked(old), field), getattr(wanted, field)
        if before != after:
            yield field, str(before), str(after)
    if old.experiment_id != wanted.experiment_id:
        yield "experiment", old.experiment_id, schedule.experiment
    asked_none = mark.digest == digest(replace(mark.asked(old), service_account=""))
    if old.service_account != wanted.service_account and not (asked_none and not wanted.service_account):
        yield "service_account", old.service_account, wanted.service_account or "the server's own"


def _notes(found: ManagedRuns, wanted: RecurringRunRecord) -> Iterator[str]:
    if found.paused:
        yield f"paused on the server, and stays so until: agnews schedule resume {wanted.name}"
    if not wanted.enabled:
        yield "enabled: false in the file"
    for mark, record in found.runs:
        if not mark.describes(record):
            yield f"{record.recurring_run_id} was changed by somebody else after it was created"
