"""Where the backup of a training is kept."""

from __future__ import annotations

import hashlib
import json
import logging
import posixpath
import time
from collections.abc import Mapping
from dataclasses import dataclass

import tensorflow as tf

_LOGGER = logging.getLogger(__name__)

_FOLDER = "training"
_DAYS_KEPT = 14


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
        return posixpath.join(self.folder, "backup.zip")

    def remove(self) -> None:
        """Removes the backup; for who has kept what the training found."""
        if tf.io.gfile.exists(self.folder):
            tf.io.gfile.rmtree(self.folder)


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
    place = BackupPlace(posixpath.join(everyone, fingerprint), fingerprint)
    if tf.io.gfile.isdir(everyone):
        for name in tf.io.gfile.listdir(everyone):
            _remove_abandoned(BackupPlace(posixpath.join(everyone, name.rstrip("/")), name))
    return place


def _remove_abandoned(place: BackupPlace) -> None:
    try:
        changed = tf.io.gfile.stat(place.file).mtime_nsec / 1e9
    except tf.errors.NotFoundError:
        return  # Not a backup, or one that its training has just removed.
    if time.time() - changed > _DAYS_KEPT * 86_400:
        _LOGGER.info("The backup in %s is removed: nobody went on with it in %d days", place.folder, _DAYS_KEPT)
        place.remove()
