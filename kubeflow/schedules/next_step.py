"""One step towards the schedule that the file asks for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from agnews.kubeflow.client.recurring_run_record import RecurringRunRecord
from agnews.kubeflow.schedules.managed_runs import ManagedRuns
from agnews.kubeflow.schedules.mark import Mark, digest


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
