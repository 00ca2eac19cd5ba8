"""The text of a row: its text columns joined as in training, if they can be used at all."""

from __future__ import annotations

from collections.abc import Sequence

from agnews.components.corpus_files.record import Reason


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
