"""What steps leave for the step that tells how a run ended: no step hands anything on when a later one fails.

A note is a file in the store of models, which every step that decides something reaches anyway. No note means that the
run ended before anything was decided: a step failed or was killed.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from agnews.components.model_store import ModelStore
from agnews.kubeflow.execution.step_contract import StepContract
from agnews.pipeline.notification.message import Message, messages_about
from agnews.schemas.push_outcome import PushOutcome
from agnews.schemas.run_report import RunReport

_LOGGER = logging.getLogger(__name__)
_FOLDER = ".told"
_REPORT = "report.json"


class RunNote(BaseModel):
    """What became of a run, as far as its steps know.

    Attributes:
        complete: Whether the run has nothing more to do that anybody is told of.
        messages: What is to be told.
    """

    model_config = ConfigDict(frozen=True)

    complete: bool
    messages: tuple[Message, ...]


def leave_note(store: ModelStore, run_id: str, note: RunNote) -> None:
    """Writes a note, in the place of an earlier one of the same run; a storage that says no stops no step.

    Args:
        store: Where the run pushes to.
        run_id: The run.
        note: What it knows.
    """
    try:
        store.files.replace(_path(store, run_id), note.model_dump_json().encode())
    except OSError as error:
        _LOGGER.warning("Nobody will be told what this step found: %s", " ".join(str(error).split()))


def read_note(store: ModelStore, run_id: str) -> RunNote | None:
    """Returns the note of a run, or None where its steps left none.

    Raises:
        OSError: The storage cannot be read.
        ValueError: It is no note.
    """
    try:
        return RunNote.model_validate_json(store.files.read_bytes(_path(store, run_id)))
    except FileNotFoundError:
        return None


def remove_note(store: ModelStore, run_id: str) -> None:
    """Removes the note of a run; nothing happens where there is none.

    Raises:
        OSError: The storage says no.
    """
    store.files.remove_file(_path(store, run_id))


def _path(store: ModelStore, run_id: str) -> str:
    # Some runners make ids with characters that no file may have.
    return f"{store.uri}/{_FOLDER}/{re.sub('[^A-Za-z0-9_-]', '-', run_id)}.json"


def note_outputs(contract: StepContract, folders: Iterable[Path], values: Mapping[str, Any]) -> None:
    """Leaves a note of what a node has decided: whether it pushed, and all of the report once there is one.

    Args:
        contract: The node; one that is not told to leaves none.
        folders: Of its outputs.
        values: Parameters of the step.
    """
    if contract.note is None or contract.run_id is None:
        return
    run_id = str(values[contract.run_id])
    store = ModelStore(str(values[contract.note.store]), contract.note.model)
    for folder in folders:
        if (folder / PushOutcome.FILE).is_file():
            outcome = PushOutcome.model_validate_json((folder / PushOutcome.FILE).read_bytes())
            leave_note(store, run_id, RunNote(complete=False, messages=(_about_push(outcome, store.name, run_id),)))
        elif (folder / _REPORT).is_file():
            report = RunReport.model_validate_json((folder / _REPORT).read_bytes())
            messages = tuple(messages_about(report, model=store.name))
            leave_note(store, run_id, RunNote(complete=True, messages=messages))


def _about_push(outcome: PushOutcome, model: str, run_id: str) -> Message:
    return Message(
        event="pushed" if outcome.pushed else "held_back",
        model=model,
        run_id=run_id,
        title=f"{model}: {'pushed' if outcome.pushed else 'not pushed'}",
        detail=outcome.reason,
        version=outcome.version,
    )


def nothing_new(model: str, run_id: str, why: str) -> RunNote:
    """Returns the note of a run that ends with its first step.

    Args:
        model: Name of the served model.
        run_id: The run.
        why: One sentence.
    """
    title = f"{model}: nothing new"
    message = Message(event="nothing_new", model=model, run_id=run_id, title=title, detail=why)
    return RunNote(complete=True, messages=(message,))
