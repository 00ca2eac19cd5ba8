"""The file that a training goes on from after its process was killed, and where it is kept."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import posixpath
import struct
import time
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt

from agnews.components.storage.files import Files
from agnews.components.storage.files_at import files_at
from agnews.components.storage.tidying import tidying
from agnews.schemas.errors import AgnewsError

_LOGGER = logging.getLogger(__name__)

_FOLDER = "training"
_FILE = "backup.zip"
_DAYS_KEPT = 14
_LEFTOVER_HOURS = 1

Array = npt.NDArray[np.generic]


@dataclass(frozen=True)
class BackupState:
    """All of a backup that is no array.

    Attributes:
        fingerprint: Digest of all that decides what the training does.
        epoch: Where training goes on, from 0.
        step: The batch of that epoch, from 0.
        finished: Whether there is nothing left to do.
        curve: Figures of the epochs that ended.
        seconds: Time spent on the epoch so far.
        wait: Epochs since the best one.
        best: Its loss.
        best_epoch: Its number, from 0.
        num_weights: Of the model.
        has_best: Whether the weights of the best epoch are among the arrays.
    """

    fingerprint: str
    epoch: int
    step: int
    finished: bool
    curve: list[dict[str, float]]
    seconds: float
    wait: int
    best: float
    best_epoch: int
    num_weights: int
    has_best: bool


@dataclass(frozen=True)
class BackupPlace:
    """A folder of its own for each training: the same again finds its backup, another one does not.

    Attributes:
        folder: Folder or URI.
        fingerprint: Digest of all that decides what the training does. It is in the backup too.
    """

    folder: str
    fingerprint: str

    @property
    def file(self) -> str:
        """The backup."""
        return posixpath.join(self.folder, _FILE)

    def remove(self) -> None:
        """Removes the backup; for who has kept what the training found."""
        with tidying(f"The backup in {self.folder}"):
            files_at(self.folder).remove(self.folder)

    def write(self, state: BackupState, arrays: Mapping[str, Array]) -> None:
        """Replaces the backup in one step: a reader, and a process that is killed here, finds the old one or the new.

        Args:
            state: All that is no array.
            arrays: The rest, by name.

        Raises:
            OSError: The storage says no; the backup before is still there.
        """
        files_at(self.folder).write(self.file, _pack(state, arrays))

    def read(self) -> tuple[BackupState, Mapping[str, Array]] | None:
        """Reads the backup, if there is one that is whole.

        Returns:
            What was written; None where there is nothing, or a file that was damaged, which is said in the log.

        Raises:
            AgnewsError: It was made by another training.
            OSError: The storage does not give it. Nothing is known about it then, and it must not be written over.
        """
        files = files_at(self.folder)
        try:
            with files.open(self.file) as stream:
                state, arrays = _unpack(stream)
        except FileNotFoundError:
            return None
        except _DAMAGE as error:
            if isinstance(error, OSError) and error.errno != errno.EINVAL:
                raise
            _LOGGER.warning("Training starts anew: the backup in %s cannot be read (%s)", self.file, error)
            return None
        if state.fingerprint != self.fingerprint:
            raise AgnewsError(
                f"The backup in {self.file} was made by another training.",
                found=f"{state.fingerprint}, this is {self.fingerprint}: "
                "another configuration, other rows or other code",
                fix="Remove the file; this training then starts anew.",
            )
        return state, arrays

    def remove_leftovers(self) -> None:
        """Removes what processes that were killed left half written; what is younger may be another's at work."""
        files = files_at(self.folder)
        for path, age in _ages(files, self.folder):
            if path != self.file and age > _LEFTOVER_HOURS * 3600:
                with tidying(f"The half of a backup in {path}"):
                    files.remove_file(path)


# What zipfile, struct, json and NumPy say to bytes that are not theirs; EINVAL is a place before the begin of the file.
_DAMAGE = (
    *(ValueError, KeyError, TypeError, EOFError, OSError, RuntimeError, struct.error),
    *(OverflowError, zipfile.BadZipFile),
)


def backup_place(scratch_uri: str, facts: Mapping[str, object]) -> BackupPlace:
    """Finds the place of a training, and removes backups that nobody came back for in two weeks.

    Args:
        scratch_uri: Folder or URI that stays from run to run.
        facts: All that decides what the training does, as JSON can say it.

    Returns:
        The place; nothing is created.
    """
    fingerprint = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
    everyone = posixpath.join(scratch_uri, _FOLDER)
    for name in files_at(everyone).names(everyone):
        _remove_abandoned(BackupPlace(posixpath.join(everyone, name), name))
    return BackupPlace(posixpath.join(everyone, fingerprint), fingerprint)


def _remove_abandoned(place: BackupPlace) -> None:
    youngest = min((age for _, age in _ages(files_at(place.folder), place.folder)), default=0.0)
    if youngest > _DAYS_KEPT * 86_400:
        _LOGGER.info("The backup in %s is removed: nobody went on with it in %d days", place.folder, _DAYS_KEPT)
        place.remove()


def _ages(files: Files, folder: str) -> Iterator[tuple[str, float]]:
    """Yields the files of a backup, each with the seconds since it changed."""
    now = time.time()
    for name in files.names(folder):
        path = posixpath.join(folder, name)
        try:
            yield path, now - files.state(path).changed_ns / 1e9
        except FileNotFoundError:
            continue  # Its training has just removed it.


_STATE = "state.json"
_ARRAYS = "arrays"
"""The names of all of them: a zip file whose count of entries is damaged opens with those that it counts."""


class _Sink:
    """What a zip file needs of a file that can only be written at its end."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def write(self, content: bytes) -> int:
        self._chunks.append(bytes(content))
        return len(content)

    def flush(self) -> None:
        """Nothing waits here."""

    def take(self) -> bytes:
        content = b"".join(self._chunks)
        self._chunks.clear()
        return content


def _pack(state: BackupState, arrays: Mapping[str, Array]) -> Iterator[bytes]:
    sink = _Sink()
    with zipfile.ZipFile(cast(BinaryIO, sink), "w") as archive:
        archive.writestr(zipfile.ZipInfo(_STATE), json.dumps({**vars(state), _ARRAYS: list(arrays)}))
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)
            yield sink.take()
    yield sink.take()


def _unpack(stream: BinaryIO) -> tuple[BackupState, Mapping[str, Array]]:
    with zipfile.ZipFile(stream) as archive:
        facts = json.loads(archive.read(_STATE))
        names = facts.pop(_ARRAYS)
        arrays = {}
        for name in names:
            with archive.open(f"{name}.npy") as entry:
                arrays[name] = np.lib.format.read_array(entry, allow_pickle=False)
    return BackupState(**facts), arrays
