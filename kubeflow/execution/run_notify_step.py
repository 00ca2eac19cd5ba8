"""Runs the step that tells how a run ended, whatever became of the other steps."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from agnews.components.model_store import ModelStore
from agnews.components.storage.tidying import tidying
from agnews.kubeflow.execution.run_note import read_note, remove_note
from agnews.kubeflow.planning.run_parameters import MODEL_NAME, NOTIFY, PUSH_URI, RUN_ID
from agnews.pipeline.notification.message import Message
from agnews.pipeline.notification.notify import notify
from agnews.schemas.errors import AgnewsError
from agnews.schemas.execution_config import NotifyConfig

_LOGGER = logging.getLogger(__name__)


def run_notify_step(executor_input: Mapping[str, Any]) -> None:
    """Sends what the steps of the run have left to tell; where they left nothing, that it failed.

    Nothing that goes wrong here fails the run: it is written into the log of the step.

    Args:
        executor_input: What Kubeflow Pipelines hands over for `{{$}}`, parsed.
    """
    values = executor_input["inputs"]["parameterValues"]
    try:
        _tell(values)
    except Exception:
        _LOGGER.exception("Nobody was told how the run ended")


def _tell(values: Mapping[str, Any]) -> None:
    config = NotifyConfig.model_validate(values[NOTIFY])
    run_id, store = str(values[RUN_ID]), ModelStore(str(values[PUSH_URI]), str(values[MODEL_NAME]))
    try:
        note = read_note(store, run_id)
    except (OSError, ValueError) as error:
        # Better told with less than not at all.
        why = f"What its steps found could not be read: {' '.join(str(error).split())}"
        _, where = _where(run_id, config)
        messages = [_failed(store.name, run_id, "how the run ended is not known", f"{why}\n{where}")]
    else:
        messages = list(note.messages) if note else []
        if note is None or not note.complete:
            title = "the run failed" if note is None else "the run failed behind the push"
            steps, where = _where(run_id, config)
            messages.append(_failed(store.name, run_id, f"{title} in {steps}" if steps else title, where))
    for each in notify(config, messages):
        if not each.problem:
            _LOGGER.info("Told by %s: %s", each.channel, each.event)
    with tidying(f"The note of the run {run_id}"):
        remove_note(store, run_id)


def _where(run_id: str, config: NotifyConfig) -> tuple[str, str]:
    """Returns the names of the steps that failed, and what each of them said last, for people."""
    more = f"`agnews runs show {run_id}` says where and why."
    if "failed" not in config.on:
        return "", more
    try:
        # Here, where whatever is wrong with it keeps no message back.
        from agnews.kubeflow.execution.find_failed_step import find_failed_steps

        failed = find_failed_steps(run_id)
    except AgnewsError as error:
        _LOGGER.warning("Which step failed is not known here: %s", " ".join(str(error).split()))
        found = "" if error.found is None else f" ({error.found})"
        return "", f"Which step it was could not be asked of the server: {error.problem}{found} {more}"
    except Exception:
        # Better told with less than not at all.
        _LOGGER.exception("Which step failed is not known here")
        return "", more
    if not failed:
        return "", f"The server knows of no step that failed: the run was stopped, or it has not looked yet. {more}"
    lines = [f"{step.name}: {step.words or 'its log is gone'}" for step in failed]
    return ", ".join(step.name for step in failed), "\n".join([*lines, f"`agnews runs show {run_id}` has the rest."])


def _failed(model: str, run_id: str, title: str, detail: str) -> Message:
    return Message(event="failed", model=model, run_id=run_id, title=f"{model}: {title}", detail=detail)
