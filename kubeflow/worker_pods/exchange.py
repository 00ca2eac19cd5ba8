"""What a step and the pods that work for it hand each other, through a folder that all of them see.

A step writes into its launcher's copy of an object store, which no other pod sees. So inputs are copied out before the
pods start, and the model that they leave is copied in, file by file, each held to its digest.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import ValidationError

from agnews.components.storage.files_at import files_at
from agnews.components.storage.tidying import tidying
from agnews.schemas.document import Document
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.trainer_task import TrainerTask


class Handover(Document):
    """What lies in a folder, so that half of it is never taken for the whole."""

    FILE: ClassVar = "handover.json"

    files: dict[str, str]
    """SHA-256 by path, relative to the folder of this file."""


_DAYS_KEPT = 30
"""More than a training takes: its inputs stay as they are while it goes on."""
_INPUTS, _OUTPUTS = "inputs", "outputs"
_MODEL, _RECORD = "model", "record"


Listing = Mapping[str, Mapping[str, int]]
"""Bytes by the name of an input and the path of a file in it."""


def list_inputs(inputs: Mapping[str, str]) -> Listing:
    """Lists the files of inputs, without reading them.

    Args:
        inputs: Folders of the step by name.
    """
    found = {}
    for name, folder in inputs.items():
        files = files_at(folder)
        found[name] = {path: files.size(posixpath.join(folder, path)) for path in files.files_below(folder)}
    return found


def copy_inputs(inputs: Mapping[str, str], listing: Listing, place: str) -> dict[str, str]:
    """Copies inputs out. Each file is read once, also where an earlier try has copied it.

    Args:
        inputs: Folders of the step by name.
        listing: Their files.
        place: Folder or URI that step and pods see; one for inputs of the same origin.

    Returns:
        SHA-256 by the path below `place`.
    """
    folder = posixpath.join(place, _INPUTS)
    known, copied = _read(folder), {}
    for name, paths in listing.items():
        for path in paths:
            source, relative = posixpath.join(inputs[name], path), posixpath.join(name, path)
            copied[relative] = _copy(source, posixpath.join(folder, relative), known.get(relative))
    if copied != known:
        _write(folder, copied)
    return copied


def remove_abandoned(everyone: str) -> None:
    """Removes what trainings that failed have left behind, once nobody has come back to it for a month.

    Args:
        everyone: Folder or URI with the places of all trainings.
    """
    files, now = files_at(everyone), time.time()
    for name in files.names(everyone):
        place = posixpath.join(everyone, name)
        with tidying(f"The folder {place}"):
            changed = [files.state(posixpath.join(place, path)).changed_ns for path in files.files_below(place)]
            if changed and now - max(changed) / 1e9 > _DAYS_KEPT * 86_400:
                files.remove(place)


def _copy(source: str, target: str, known: str | None) -> str:
    """Copies unless the target is what was copied before; returns the digest."""
    files = files_at(target)
    if known is not None and files.exists(target) and _digest(files_at(source).read(source)) == known:
        return known
    digest = hashlib.sha256()
    files.write(target, _digested(files_at(source).read(source), digest))
    return digest.hexdigest()


def _digested(chunks: Iterable[bytes], digest: hashlib._Hash) -> Iterator[bytes]:
    for chunk in chunks:
        digest.update(chunk)
        yield chunk


def _digest(chunks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for _ in _digested(chunks, digest):
        pass
    return digest.hexdigest()


def _read(folder: str) -> Mapping[str, str]:
    file = posixpath.join(folder, Handover.FILE)
    try:
        return Handover.model_validate_json(b"".join(files_at(file).read(file))).files
    except (FileNotFoundError, ValidationError):
        return {}


def _write(folder: str, files: dict[str, str]) -> None:
    file = posixpath.join(folder, Handover.FILE)
    files_at(file).replace(file, Handover(files=files).model_dump_json(indent=2).encode() + b"\n")


class Exchange:
    """The folder of one training, beside what was copied for it.

    Args:
        folder: Folder or URI that step and pods see, right below the place of its inputs.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._place = posixpath.dirname(folder)

    def give(self, task: TrainerTask, inputs: Mapping[str, str]) -> str:
        """Writes down what pods are to do, and says where.

        Args:
            task: The step's task; its URIs lie below those of the inputs.
            inputs: Folders of the step by name, as they were copied beside this folder.

        Returns:
            Where the pods' task is.
        """
        copies = posixpath.join(self._place, _INPUTS)
        moved = _moved(task, {source: posixpath.join(copies, name) for name, source in inputs.items()})
        outputs = posixpath.join(self._folder, _OUTPUTS)
        moved = moved.model_copy(
            update={"model_uri": posixpath.join(outputs, _MODEL), "record_uri": posixpath.join(outputs, _RECORD)}
        )
        file = posixpath.join(self._folder, TrainerTask.FILE)
        files_at(file).replace(file, moved.model_dump_json(indent=2).encode() + b"\n")
        return file

    def finish(self) -> None:
        """Says that the outputs are whole; for the chief, once it has written them."""
        place = posixpath.join(self._folder, _OUTPUTS)
        files = files_at(place)
        written = [path for path in files.files_below(place) if path != Handover.FILE]
        _write(place, {path: _digest(files.read(posixpath.join(place, path))) for path in written})

    def take(self, task: TrainerTask) -> bool:
        """Copies the outputs into those of the step.

        Args:
            task: The step's task.

        Returns:
            False where the chief has not finished.

        Raises:
            AgnewsError: A file is not what the chief has written.
        """
        place = posixpath.join(self._folder, _OUTPUTS)
        files = _read(place)
        if not any(path.startswith(f"{_MODEL}/") for path in files):
            return False
        for path, wanted in files.items():
            kind, _, rest = path.partition("/")
            target = posixpath.join({_MODEL: task.model_uri, _RECORD: task.record_uri}[kind], rest)
            source = posixpath.join(place, path)
            files_at(target).write(target, files_at(source).read(source))
            if (found := _digest(files_at(target).read(target))) != wanted:
                raise AgnewsError(
                    "The model that reached the step is not the one that the chief has written.",
                    found=f"{source} with SHA-256 {found}, written was {wanted}",
                    fix="Look at the volume or bucket of scratch_uri, remove that folder, and run again.",
                    exit_code=ExitCode.FAILED,
                )
        return True

    def remove(self) -> None:
        """Removes the folder and its inputs; for the step, once it has all."""
        with tidying(f"The folder {self._place}"):
            files_at(self._place).remove(self._place)


def _moved(task: TrainerTask, places: Mapping[str, str]) -> TrainerTask:
    """Returns the task with the URIs that lie below one folder now below another."""

    def move(uri: str) -> str:
        for source, target in places.items():
            if uri == source or uri.startswith(f"{source.rstrip('/')}/"):
                return target + uri[len(source.rstrip("/")) :]
        return uri

    return task.model_copy(
        update={
            "train_files": tuple(map(move, task.train_files)),
            "eval_files": tuple(map(move, task.eval_files)),
            "transform_uri": move(task.transform_uri),
            "base_model": None if task.base_model is None else move(task.base_model),
        }
    )


def input_folders(task: TrainerTask) -> dict[str, str]:
    """Returns the folders that a task reads, by a name for each."""
    rows = dict.fromkeys(posixpath.dirname(pattern) for pattern in (*task.train_files, *task.eval_files))
    folders = {f"rows-{number}": folder for number, folder in enumerate(rows)}
    folders["transform"] = task.transform_uri
    if task.base_model is not None and Path(task.base_model).is_dir():
        folders["base_model"] = task.base_model
    return folders


def digest_facts(**facts: object) -> str:
    """Digests what decides about something.

    Args:
        **facts: By name, as JSON can say them.

    Returns:
        32 hexadecimal digits.
    """
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
