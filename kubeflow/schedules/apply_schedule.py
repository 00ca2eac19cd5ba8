"""Step by step to the schedule that the file asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from agnews.kubeflow.client.compiled_pipeline import CompiledPipeline
from agnews.kubeflow.client.kfp_api import KfpApi
from agnews.kubeflow.client.run_record import RecurringRunRecord
from agnews.kubeflow.client.submit_pipeline import upload_pipeline
from agnews.kubeflow.schedules.managed_runs import Action, ManagedRuns, Snapshot, Step, differences, digest, next_step
from agnews.kubeflow.schedules.plan_schedules import NEW, Change, Kind, Plan
from agnews.kubeflow.schedules.schedule_file import Schedule
from agnews.schemas.errors import AgnewsError, ExitCode

_STEPS = 50


def apply_schedule(
    api: KfpApi, wanted: RecurringRunRecord, planned: Snapshot, on_step: Callable[[Step], None] = lambda step: None
) -> int:
    """Makes the server have what is wanted. Cut anywhere and run again, it comes to the same end.

    Before every step it looks whether the server still is as it left it.

    Args:
        api: The server.
        wanted: What it should have.
        planned: What it had when this was planned.
        on_step: Is told each step before it is done.

    Returns:
        How many steps it took.

    Raises:
        AgnewsError: If somebody else changed the schedule meanwhile, or the server made something else of it.
        ServerError: If a request fails.
    """
    expected = planned
    created = disabled = ""
    for count in range(_STEPS):
        found = ManagedRuns.of(api.list_recurring_runs(), wanted.name)
        if found.snapshot != expected:
            _withdraw(api, found, created, disabled)
            raise AgnewsError(
                f"Somebody else has changed the schedule {wanted.name} meanwhile.",
                found=_difference(expected, found),
                fix="Look at it with agnews schedule plan, then apply again.",
                exit_code=ExitCode.FAILED,
            )
        step = next_step(wanted, found, datetime.now(UTC))
        if step is None:
            return count
        if step.action is Action.DELETE and has_doomed_run(api, step.record):
            on_step(Step(Action.KEEP, step.record))
            return count
        on_step(step)
        expected, made = _carry_out(api, step, expected)
        created = made or created
        if step.action is Action.DISABLE and wanted.enabled:
            disabled = step.record.recurring_run_id
    raise AssertionError(f"the schedule {wanted.name} does not settle")


def _carry_out(api: KfpApi, step: Step, before: Snapshot) -> tuple[Snapshot, str]:
    record = step.record
    if step.action is Action.CREATE:

        def find() -> RecurringRunRecord | None:
            known = {identifier for identifier, _, _ in before}
            return next(
                (
                    run
                    for run in api.list_recurring_runs()
                    if run.description == record.description and run.recurring_run_id not in known
                ),
                None,
            )

        made = api.create_recurring_run(record, find)
        _require_same(api, record, made)
        return before | {(made.recurring_run_id, made.enabled, digest(made))}, made.recurring_run_id
    identifier = record.recurring_run_id
    rest = frozenset(entry for entry in before if entry[0] != identifier)
    if step.action is Action.DELETE:
        api.delete_recurring_run(identifier)
        return rest, ""
    enabled = step.action is Action.ENABLE
    api.set_enabled(identifier, enabled)
    return rest | {(identifier, enabled, digest(record))}, ""


def _require_same(api: KfpApi, asked: RecurringRunRecord, made: RecurringRunRecord) -> None:
    """Takes back what is not as it was asked for: each further `apply` would make one more."""
    different = differences(asked, made)
    if not different:
        return
    api.delete_recurring_run(made.recurring_run_id)
    fix = "Leave out what the server does not keep, or upgrade it."
    if any(name == "service_account" for name, _, _ in different):
        fix = "Servers up to 2.16.1 take an account of their own: leave service_account out of the file, or upgrade."
    raise AgnewsError(
        f"The server made another schedule of {asked.name} than it was asked for; it was deleted again.",
        found="; ".join(f"{name}: {before} was asked for, {after} is there" for name, before, after in different),
        fix=fix,
        exit_code=ExitCode.FAILED,
    )


def has_doomed_run(api: KfpApi, record: RecurringRunRecord) -> bool:
    """Whether the deletion of a recurring run would end a run of it that goes on: so it is on servers before 2.16.

    Args:
        api: The server.
        record: The recurring run.
    """
    if api.keeps_runs:
        return False
    return any(not run.finished for run in api.list_runs(limit=100, recurring_run_id=record.recurring_run_id))


def delete_schedule(api: KfpApi, record: RecurringRunRecord) -> None:
    """Deletes a recurring run; a run of it that goes on, goes on.

    Args:
        api: The server.
        record: The recurring run.

    Raises:
        AgnewsError: If this server would end that run; nothing is deleted then.
    """
    if has_doomed_run(api, record):
        raise AgnewsError(
            f"A run of {record.name} goes on, and this server would end it together with the schedule.",
            found=f"server {api.server_version}, recurring run {record.recurring_run_id}",
            fix=f"Pause it (agnews schedule pause {record.name}), and delete it when the run has ended. "
            "Servers from 2.16 on let the run go on.",
            exit_code=ExitCode.FAILED,
        )
    api.delete_recurring_run(record.recurring_run_id)


def _withdraw(api: KfpApi, found: ManagedRuns, created: str, disabled: str) -> None:
    """Takes back what we created, unless it has become the one that counts, and what we have disabled for it."""
    active = [record.recurring_run_id for record in found.records if record.enabled]
    there = any(record.recurring_run_id == created for record in found.records)
    if not active and any(record.recurring_run_id == disabled for record in found.records):
        # Left disabled, it would look like one that somebody has paused, and stay so.
        api.set_enabled(disabled, True)
        active = [disabled]
    # Two that create the same at the same time both come here: the older one stays.
    if there and active and active[0] != created:
        api.delete_recurring_run(created)


def _difference(expected: Snapshot, found: ManagedRuns) -> str:
    before, now = {entry[0]: entry for entry in expected}, {entry[0]: entry for entry in found.snapshot}
    said = [f"{identifier} is gone" for identifier in before.keys() - now.keys()]
    said += [f"{identifier} is new" for identifier in now.keys() - before.keys()]
    for identifier in before.keys() & now.keys():
        if before[identifier] != now[identifier]:
            said.append(f"{identifier} is {'enabled' if now[identifier][1] else 'disabled'} now")
    return "; ".join(sorted(said))


def apply_plan(
    api: KfpApi,
    plan: Plan,
    *,
    pipeline: CompiledPipeline | None,
    commit: str,
    prune: bool = False,
    on_step: Callable[[Step], None] = lambda step: None,
) -> int:
    """Carries out a plan. Cut anywhere and run again, with a new plan, it comes to the same end.

    Args:
        api: The server.
        plan: What `plan_schedules` returned.
        pipeline: The compiled pipeline that the plan was made for, uploaded if it is missing; None: none was named.
        commit: Git commit that it was compiled from.
        prune: Whether to delete schedules that are not in the file any more.
        on_step: Is told each step before it is done.

    Returns:
        How many steps it took.

    Raises:
        AgnewsError: If somebody else changed a schedule meanwhile.
        ServerError: If a request fails.
    """
    steps = 0
    for change in plan.changes:
        if change.kind is Kind.LEFT and prune:
            for record in change.found.records:
                on_step(Step(Action.DELETE, record))
                delete_schedule(api, record)
                steps += 1
        elif change.schedule is not None and change.kind is not Kind.KEEP:
            steps += _apply(api, change, change.schedule, pipeline, commit, on_step)
    return steps


def _apply(
    api: KfpApi,
    change: Change,
    schedule: Schedule,
    pipeline: CompiledPipeline | None,
    commit: str,
    on_step: Callable[[Step], None],
) -> int:
    wanted = change.wanted
    if wanted is None:
        return 0
    if NEW in (wanted.pipeline_id, wanted.version_id) and pipeline is not None:
        version = upload_pipeline(api, pipeline, commit)
        wanted = replace(wanted, pipeline_id=version.pipeline_id, version_id=version.version_id)
    if wanted.experiment_id == NEW:
        experiment = api.find_experiment(schedule.experiment) or api.create_experiment(schedule.experiment)
        wanted = replace(wanted, experiment_id=experiment)
    return apply_schedule(api, wanted, change.found.snapshot, on_step)
