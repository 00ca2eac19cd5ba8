"""Runs the step that tells how a run ended, whatever became of the other steps."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from agnews.components.model_store import ModelStore
from agnews.kubeflow.execution.run_note import read_note, remove_note
from agnews.kubeflow.planning.run_parameters import MODEL_NAME, NOTIFY, PUSH_URI, RUN_ID
from agnews.pipeline.notification.message import Message
from agnews.pipeline.notification.notify import notify
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
        messages = [_failed(store.name, run_id, "how the run ended is not known", why)]
    else:
        messages = list(note.messages) if note else []
        if note is None or not note.complete:
            title = "the run failed" if note is None else "the run failed behind the push"
            messages.append(_failed(store.name, run_id, title, f"`agnews runs show {run_id}` says where and why."))
    for each in notify(config, messages):
        if not each.problem:
            _LOGGER.info("Told by %s: %s", each.channel, each.event)
    remove_note(store, run_id)


def _failed(model: str, run_id: str, title: str, detail: str) -> Message:
    return Message(event="failed", model=model, run_id=run_id, title=f"{model}: {title}", detail=detail)
