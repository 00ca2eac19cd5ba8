"""What a step and the pods that work for it hand each other, through a folder that all of them see.

A step writes into its launcher's copy of an object store, which no other pod sees. So inputs are copied out before the
pods start, and the model that they leave is copied in, file by file, each held to its digest.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Iterable, Mapping
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


_INPUTS, _OUTPUTS = "inputs", "outputs"
_MODEL, _RECORD = "model", "record"


def digest_folder(folder: str) -> dict[str, str]:
    """Digests all files below a folder.

    Args:
        folder: Folder or URI.

    Returns:
        SHA-256 by relative path.
    """
    files = files_at(folder)
    return {
        name: _digest(files.read(posixpath.join(folder, name)))
        for name in files.files_below(folder)
        if name != Handover.FILE
    }


def _digest(chunks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


class Exchange:
    """The folder of one training.

    Args:
        folder: Folder or URI that step and pods see.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def give(self, task: TrainerTask, inputs: Mapping[str, str]) -> str:
        """Copies inputs out, and says where. What an earlier try has copied is not copied again.

        Args:
            task: The step's task; its URIs lie below those of the inputs.
            inputs: Folders of the step by name.

        Returns:
            Where the pods' task is.
        """
        place = posixpath.join(self._folder, _INPUTS)
        known = self._read(place)
        copied: dict[str, str] = {}
        for name, source in inputs.items():
            for relative in files_at(source).files_below(source):
                path = posixpath.join(name, relative)
                copied[path] = self._copy(
                    posixpath.join(source, relative), posixpath.join(place, path), known.get(path)
                )
        self._write(place, copied)
        moved = _moved(task, {source: posixpath.join(place, name) for name, source in inputs.items()})
        outputs = posixpath.join(self._folder, _OUTPUTS)
        moved = moved.model_copy(
            update={"model_uri": posixpath.join(outputs, _MODEL), "record_uri": posixpath.join(outputs, _RECORD)}
        )
        file = posixpath.join(self._folder, TrainerTask.FILE)
        files_at(file).replace(file, moved.model_dump_json(indent=2).encode() + b"\n")
        return file

    @staticmethod
    def _copy(source: str, target: str, known: str | None) -> str:
        """Copies unless the target is what was copied before; returns the digest."""
        digest = _digest(files_at(source).read(source))
        files = files_at(target)
        if digest != known or not files.exists(target):
            files.write(target, files_at(source).read(source))
        return digest

    def finish(self) -> None:
        """Says that the outputs are whole; for the chief, once it has written them."""
        place = posixpath.join(self._folder, _OUTPUTS)
        self._write(place, digest_folder(place))

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
        files = self._read(place)
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
        """Removes the folder; for the step, once it has all."""
        with tidying(f"The folder {self._folder}"):
            files_at(self._folder).remove(self._folder)

    @staticmethod
    def _read(place: str) -> Mapping[str, str]:
        file = posixpath.join(place, Handover.FILE)
        try:
            return Handover.model_validate_json(b"".join(files_at(file).read(file))).files
        except (FileNotFoundError, ValidationError):
            return {}

    @staticmethod
    def _write(place: str, files: dict[str, str]) -> None:
        file = posixpath.join(place, Handover.FILE)
        files_at(file).replace(file, Handover(files=files).model_dump_json(indent=2).encode() + b"\n")


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
    patterns = [*task.train_files, *task.eval_files]
    folders = {f"rows-{number}": posixpath.dirname(pattern) for number, pattern in enumerate(patterns)}
    folders["transform"] = task.transform_uri
    if task.base_model is not None and Path(task.base_model).is_dir():
        folders["base_model"] = task.base_model
    return folders


def fingerprint(task: TrainerTask, facts: Mapping[str, object]) -> str:
    """Digests all that decides what is trained, and how: the same again finds the pods that already do it.

    Args:
        task: The step's task; where its outputs go does not count.
        facts: Of the pods.
    """
    inputs = {name: digest_folder(folder) for name, folder in input_folders(task).items()}
    told = {"settings": task.settings, "inputs": inputs, "facts": dict(facts)}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]
