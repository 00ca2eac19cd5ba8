"""What is known of a file of texts before its rows are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from agnews.schemas.errors import AgnewsError

if TYPE_CHECKING:
    from agnews.schemas.corpus import Corpus


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


@dataclass(frozen=True)
class TextInput:
    """How to read texts.

    Attributes:
        path: Where they are, a path or URI; for messages alone where a stream is read.
        format: How they stand there.
        corpus: The corpus that the model learnt from: its columns are known, and its limits hold.
        text_columns: Columns whose texts are joined; empty takes what is known.
        id_column: The column with identifiers; empty takes the number of the row.
        header: Names of the columns of a CSV file that has no header; empty reads the first row.
    """

    path: str
    format: TextFormat
    corpus: Corpus
    text_columns: Sequence[str] = ()
    id_column: str = ""
    header: Sequence[str] = ()


class TextRow(NamedTuple):
    """A text to be answered.

    Attributes:
        row: 1-based number of the row in its file: the record of a CSV or Parquet file, the line of any other.
        line: 1-based number of the physical line on which it begins; 0 where the format has no lines.
        offset: 0-based number of the byte with which it begins; 0 where the format has no lines.
        id: What the answer is found again by: the row's own identifier, or its number.
        text: UTF-8.
    """

    row: int
    line: int
    offset: int
    id: str
    text: bytes
