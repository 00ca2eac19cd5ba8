"""The kinds of files that texts come in."""

from __future__ import annotations

from enum import StrEnum
from pathlib import PurePosixPath

from agnews.schemas.errors import AgnewsError


class TextFormat(StrEnum):
    """How texts stand in a file."""

    TEXT = "text"
    """One a line."""
    CSV = "csv"
    JSONL = "jsonl"
    """A JSON object a line."""
    PARQUET = "parquet"


_SUFFIXES = {
    ".txt": TextFormat.TEXT,
    ".csv": TextFormat.CSV,
    ".jsonl": TextFormat.JSONL,
    ".ndjson": TextFormat.JSONL,
    ".parquet": TextFormat.PARQUET,
    ".pq": TextFormat.PARQUET,
}


def is_gzipped(path: str) -> bool:
    """Whether a file's name says that it is compressed."""
    return path.lower().endswith(".gz")


def text_format(path: str) -> TextFormat:
    """Tells the format of a file by its name.

    Args:
        path: A path or URI; `.gz` may stand behind the suffix.

    Returns:
        The format.

    Raises:
        AgnewsError: The suffix says nothing.
    """
    name = path.lower().removesuffix(".gz")
    suffix = PurePosixPath(name).suffix
    if suffix not in _SUFFIXES:
        raise AgnewsError(
            "The name of the file does not say what is in it.",
            found=path,
            fix=f"Say so with --input-format {'|'.join(TextFormat)}, or rename it to end in {', '.join(_SUFFIXES)}.",
        )
    return _SUFFIXES[suffix]
