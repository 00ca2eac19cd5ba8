"""What reading a corpus file yields: a record that can be used, or the reason why one cannot."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

_HALVES = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def printable(value: str, length: int | None = None) -> str:
    """Makes one short line of a text that may hold anything.

    Args:
        value: The text; bytes that are no UTF-8 stand in it as surrogates, as `surrogateescape` leaves them.
        length: Most characters to take of it; None takes all.

    Returns:
        The text with bytes, control characters and line ends escaped, so that printing it changes no terminal;
        an ellipsis stands where it was cut.
    """
    cut = value if length is None or len(value) <= length else value[: length - 1] + "…"
    if cut.isprintable():
        return cut
    # Halves of pairs that stand for no byte: JSON can hold them.
    cut = _HALVES.sub(lambda half: half[0].encode("unicode_escape").decode(), cut)
    raw = cut.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in raw)


_FOUND_LENGTH = 120


class Reason(StrEnum):
    """Why a record cannot be used."""

    COLUMNS = "wrong number of columns"
    CLASS = "unknown class"
    CLASS_SET = "classes that cannot be read"
    """Of a column that names several: an unknown one, none, or one twice."""
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
        label: 0-based class; where a text has several, a byte for each class, 0 or 1.
        text: The text columns as they stand in the file, joined by one space.
        encoded: The text in UTF-8.
    """

    row: int
    line: int
    label: int | bytes
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


class UnusableText(Exception):  # noqa: N818 - what is wrong is the text, not the program
    """Why a text cannot be used.

    Args:
        reason: The kind of problem.
        detail: What exactly is wrong.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def join_texts(values: Sequence[str], names: Sequence[str], max_field_bytes: int) -> tuple[str, bytes]:
    """Joins the text columns of a row by one space.

    Args:
        values: The texts; bytes that are no UTF-8 stand in them as surrogates, as `surrogateescape` leaves them.
        names: Names of the columns.
        max_field_bytes: Longest UTF-8 text of one column that is accepted.

    Returns:
        The text, and the same in UTF-8.

    Raises:
        UnusableText: It is blank or too long, or holds NUL or what is no UTF-8.
    """
    text = " ".join(values)
    try:
        encoded = text.encode()
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        # `surrogateescape` puts a byte 0xNN at U+DCNN; JSON can spell any half of a pair.
        what = f"byte 0x{code & 0xFF:02x}" if 0xDC80 <= code <= 0xDCFF else f"lone surrogate U+{code:04X}"
        raise UnusableText(Reason.ENCODING, f"{what} at character {error.start + 1} of the text is not UTF-8") from None
    if b"\0" in encoded:
        raise UnusableText(Reason.NUL, f"NUL byte at character {text.index(chr(0)) + 1} of the text")
    if len(encoded) > max_field_bytes:
        # The sum is within the limit for nearly every row, so single columns are looked at only now.
        for name, value in zip(names, values, strict=True):
            size = len(value.encode())
            if size > max_field_bytes:
                raise UnusableText(Reason.OVERSIZE, f"{name} has {size} bytes, allowed are {max_field_bytes}")
    if not text or text.isspace():
        blank = f"{' and '.join(names)} are blank" if len(names) > 1 else f"{names[0]} is blank"
        raise UnusableText(Reason.EMPTY, blank)
    return text, encoded
