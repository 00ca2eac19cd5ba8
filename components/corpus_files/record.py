"""What reading a corpus file yields: a record that can be used, or the reason why one cannot."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from agnews.components.corpus_files.printable import printable

_FOUND_LENGTH = 120


class Reason(StrEnum):
    """Why a record cannot be used."""

    COLUMNS = "wrong number of columns"
    CLASS = "unknown class"
    ENCODING = "invalid UTF-8"
    NUL = "NUL byte"
    EMPTY = "empty text"
    OVERSIZE = "oversize"
    JSON = "no JSON object"
    TYPE = "no text"
    NO_ANSWER = "no answer"
    """The model gives no probabilities for this text."""
    QUOTING = "broken quoting"
    CUT_OFF = "cut off"
    """The file ends inside this record, so rows are missing after it: never tolerated."""


class Record(NamedTuple):
    """A usable record.

    Attributes:
        row: 1-based number of the record in its file.
        line: 1-based number of the physical line on which it begins.
        label: 0-based class.
        text: The text columns as they stand in the file, joined by one space.
        encoded: The text in UTF-8.
    """

    row: int
    line: int
    label: int
    text: str
    encoded: bytes


class Reject(NamedTuple):
    """A record that cannot be used.

    Attributes:
        row: 1-based number of the record in its file.
        line: 1-based number of the physical line on which it begins.
        reason: The kind of problem.
        detail: What exactly is wrong, with the value and what is allowed.
        found: The beginning of the record, control characters escaped.
    """

    row: int
    line: int
    reason: Reason
    detail: str
    found: str

    @classmethod
    def of(cls, row: int, line: int, reason: Reason, detail: str, found: str) -> Reject:
        """Makes a reject, and of what was found one short line that is safe to print."""
        return cls(row, line, reason, detail, printable(found, _FOUND_LENGTH))
