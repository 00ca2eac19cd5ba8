"""Tells who wants to know how a run on a cluster ended, from the command that waits for it."""

from __future__ import annotations

from agnews.kubeflow.client.run_record import RunRecord
from agnews.kubeflow.client.run_tasks import TaskState
from agnews.kubeflow.client.run_view import RunView
from agnews.pipeline.notification.message import Message
from agnews.pipeline.notification.notify import Delivery, notify
from agnews.schemas.errors import AgnewsError
from agnews.schemas.execution_config import NotifyConfig


def tell_end(config: NotifyConfig, view: RunView, run: RunRecord, link: str) -> list[Delivery]:
    """Sends a message about a run that has ended.

    Args:
        config: Of which events, by which channels.
        view: What is known of the run.
        run: It has ended, well or not: a pod that was killed ends it too.
        link: Where people look at it.

    Returns:
        What became of the message on each channel.
    """
    return notify(config, [_message(view, run, link)]) if config.channels else []


def _message(view: RunView, run: RunRecord, link: str) -> Message:
    if run.state != "SUCCEEDED":
        failed = [task for task in view.tasks(run) if task.state is TaskState.FAILED]
        words = [f"{task.title}: {view.last_words(run, task).text}".rstrip(": ") for task in failed]
        title = f"{run.name}: {run.outcome.lower()}"
        detail = "\n".join([*([run.error] if run.error else []), *words])
        return Message(event="failed", model=run.name, run_id=run.run_id, title=title, detail=detail, report=link)
    try:
        verdict = view.verdict(run)
    except AgnewsError as error:
        # It went well, and what it says is not there: better told than kept.
        verdict = {"pushed": True, "reason": f"whether a model was pushed could not be read: {error.problem}"}
    if verdict is None:
        title = f"{run.name}: nothing new"
        return Message(event="nothing_new", model=run.name, run_id=run.run_id, title=title, report=link)
    pushed = bool(verdict.get("pushed"))
    return Message(
        event="pushed" if pushed else "held_back",
        model=run.name,
        run_id=run.run_id,
        title=f"{run.name}: {'pushed' if pushed else 'not pushed'}",
        detail=str(verdict.get("reason", "")),
        version=str(verdict.get("version", "")),
        report=link,
    )
