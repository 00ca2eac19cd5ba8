"""Files that are never seen half written."""

from __future__ import annotations

from pathlib import Path

from agnews.pipeline.local.atomic_output import atomic_output


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
