"""What reading texts yields, beside rejects."""

from __future__ import annotations

from typing import NamedTuple


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
