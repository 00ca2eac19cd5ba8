"""Files on a local disk that are never seen half written, and that survive a power cut."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from agnews.components.storage.explain_storage_errors import explain_storage_errors

TEMPORARY_SUFFIX = ".new"
"""Ends the name of a file that is being written; it begins with a dot."""


@contextmanager
def atomic_output(path: Path, *, private: bool = False) -> Iterator[BinaryIO]:
    """Opens a file that appears under its name when all of it is written, and not at all if something goes wrong.

    A pipe or a device, which has no such moment, is written as it is.

    Args:
        path: The file; its folder is made if need be. One that is there already stays until it is replaced.
        private: Whether only this user may read it: for rows of data and for secrets.

    Yields:
        The file, to write to.

    Raises:
        AgnewsError: The file cannot be written.
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            yield file
        return
    with explain_storage_errors(f"writing {path}"), replaced_file(path, private=private) as file:
        yield file


def write_atomically(path: Path, text: str, *, private: bool = False) -> None:
    """Replaces a file at once: a reader sees the old text or the new one.

    Args:
        path: The file; its folder is made if need be.
        text: What it holds from now on.
        private: Whether only this user may read it.

    Raises:
        AgnewsError: The file cannot be written.
    """
    with atomic_output(path, private=private) as file:
        file.write(text.encode())


@contextmanager
def replaced_file(path: Path, *, private: bool = False, may_exist: bool = True) -> Iterator[BinaryIO]:
    """Does the work of `atomic_output`, and leaves OSErrors as they are.

    The temporary name cannot be guessed and is made new, so that no link which somebody has put there is followed. The
    content is synced before the file gets its name, and the folder after it.

    Args:
        path: The file; folders above it are made and synced.
        private: Whether only this user may read it.
        may_exist: Whether a file of this name is replaced.

    Yields:
        The file, to write to.

    Raises:
        FileExistsError: It is there, and it may not be.
    """
    make_folders(path.parent)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}{TEMPORARY_SUFFIX}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600 if private else 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            if not private:
                _keep_mode(path, descriptor)
            os.fsync(descriptor)
        if may_exist:
            os.replace(temporary, path)  # noqa: PTH105 - one module of functions, so that a test can watch them all
        else:
            _link_new(temporary, path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _keep_mode(path: Path, descriptor: int) -> None:
    """What somebody has made private stays so."""
    try:
        before = path.lstat()
    except OSError:
        return
    if stat.S_ISREG(before.st_mode):
        os.fchmod(descriptor, stat.S_IMODE(before.st_mode))


def _link_new(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:
        # A file system without links. The name is taken first, so that one of several wins; a reader may for a moment
        # find the file empty.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        os.replace(temporary, path)  # noqa: PTH105 - see above


def make_folders(folder: Path) -> None:
    """Makes a folder and those above it, safe from a power cut."""
    new = []
    while not folder.exists():
        new.append(folder)
        folder = folder.parent
    for each in reversed(new):
        each.mkdir(exist_ok=True)
        sync_folder(each.parent)


def sync_folder(folder: Path) -> None:
    """Makes new names in a folder durable: syncing a file alone does not."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Makes a folder and all that is in it durable, before it gets its name."""
    for path in [*folder.rglob("*"), folder]:
        if not path.is_symlink():
            sync_folder(path)
