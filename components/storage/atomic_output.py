"""Long outputs that are never seen half written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from agnews.components.storage.explain_storage_errors import explain_storage_errors


@contextmanager
def atomic_output(path: Path) -> Iterator[BinaryIO]:
    """Opens a file that appears under its name when all of it is written, and not at all if something goes wrong.

    A pipe or a device, which has no such moment, is written as it is.

    Args:
        path: The file; its folder is made if need be. One that is there already stays until it is replaced.

    Yields:
        The file, to write to.

    Raises:
        AgnewsError: The file cannot be written.
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            yield file
        return
    with explain_storage_errors(f"writing {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_atomically(path: Path, text: str) -> None:
    """Replaces a file at once: a reader sees the old text or the new one.

    Args:
        path: The file; its folder is made if need be.
        text: What it holds from now on.

    Raises:
        AgnewsError: The file cannot be written.
    """
    with atomic_output(path) as file:
        file.write(text.encode())
