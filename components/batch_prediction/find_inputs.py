"""The files that patterns stand for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from agnews.components.model_store.files import files_at
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
    folder = re.split(r"[*?[]", pattern)[0].rpartition("/")[0]
    names = [f"{folder}/{name}" for name in files_at(folder).files_below(folder)]
    return [name for name in names if _matches(name.split("/"), pattern.split("/"))]


def _matches(name: Sequence[str], pattern: Sequence[str]) -> bool:
    """A wildcard stands for no slash, as in a shell."""
    return len(name) == len(pattern) and all(map(fnmatchcase, name, pattern))
