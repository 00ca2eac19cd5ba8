"""From a plan to the server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from agnews.kubeflow.client.compiled_pipeline import CompiledPipeline
from agnews.kubeflow.client.kfp_api import KfpApi
from agnews.kubeflow.client.upload_pipeline import upload_pipeline
from agnews.kubeflow.schedules.apply_schedule import apply_schedule
from agnews.kubeflow.schedules.next_step import Action, Step
from agnews.kubeflow.schedules.plan_schedules import NEW, Change, Kind, Plan
from agnews.kubeflow.schedules.schedule import Schedule


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
                api.delete_recurring_run(record.recurring_run_id)
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
