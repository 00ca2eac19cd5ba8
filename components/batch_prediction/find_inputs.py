"""The files that patterns stand for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agnews.schemas.errors import AgnewsError


def find_inputs(patterns: Sequence[str]) -> tuple[str, ...]:
    """Finds files.

    Args:
        patterns: Paths or URIs, with the wildcards of a shell; `**` goes through folders on a local disk.

    Returns:
        The files without repetition, in the order of the patterns, those of one pattern sorted. Local paths are made
        absolute.

    Raises:
        AgnewsError: A pattern stands for no file, or for a folder.
    """
    found: dict[str, None] = {}
    for pattern in patterns:
        files = _remote(pattern) if "://" in pattern else _local(pattern)
        if not files:
            raise AgnewsError(
                "No file has this name.",
                found=pattern,
                fix="Check it with ls, and quote it ('news/*.csv') so that the shell does not change it.",
            )
        found.update(dict.fromkeys(files))
    return tuple(found)


def _local(pattern: str) -> list[str]:
    path = Path(pattern).expanduser().absolute()
    # A name that exists is a name, whatever wildcards are in it.
    names = [path] if path.exists() else sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    if path.is_dir():
        raise AgnewsError(
            "The input is a folder.", found=pattern, fix=f"Name the files in it: '{pattern.rstrip('/')}/*.csv'."
        )
    return [str(name) for name in names if name.is_file() and not name.name.startswith(".")]


def _remote(pattern: str) -> list[str]:
    # Only URIs need it, and its import takes seconds.
    import tensorflow as tf

    return sorted(name for name in tf.io.gfile.glob(pattern) if not tf.io.gfile.isdir(name))
