"""Takes out of texts what nobody needs to keep."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from agnews.schemas.errors import AgnewsError

REDACTED = "[REDACTED]"


class Redaction:
    """Replaces what patterns match, in many texts at once.

    The patterns are RE2's, which takes time in proportion to the text whatever somebody sends.

    Args:
        patterns: Regular expressions, applied in this order.

    Raises:
        AgnewsError: One of them is no pattern of RE2.
    """

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self._patterns = tuple(patterns)
        for number, pattern in enumerate(patterns, 1):
            try:
                self._replace(pa.array(["a"]), pattern)
            except pa.ArrowInvalid as error:
                raise AgnewsError(
                    f"Pattern {number} of the redaction is no regular expression of RE2.",
                    found=f"{pattern} ({str(error).partition(chr(10))[0]})",
                    fix="One pattern a line, as in https://github.com/google/re2/wiki/Syntax (no look-around, no "
                    "back-references).",
                ) from error

    def apply(self, texts: pa.Array) -> pa.Array:
        """Returns the texts with `[REDACTED]` where a pattern matched.

        Args:
            texts: Strings; nulls stay.
        """
        for pattern in self._patterns:
            texts = self._replace(texts, pattern)
        return texts

    @staticmethod
    def _replace(texts: pa.Array, pattern: str) -> pa.Array:
        return pc.replace_substring_regex(texts, pattern=pattern, replacement=REDACTED)


def read_redaction(file: Path | None) -> Redaction:
    """Reads patterns from a file, one a line; empty lines and those that begin with `#` are left out.

    Args:
        file: The file; None redacts nothing.

    Returns:
        What applies them.

    Raises:
        AgnewsError: The file cannot be read, holds no pattern, or one that is none.
    """
    if file is None:
        return Redaction()
    try:
        lines = file.expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AgnewsError(
            "The file with the patterns of the redaction cannot be read.",
            found=f"{file} ({error})",
            fix="Name a text file with a regular expression on each line.",
        ) from error
    patterns = [line for line in lines if line.strip() and not line.startswith("#")]
    if not patterns:
        raise AgnewsError(
            "The file with the patterns of the redaction holds none, so nothing would be redacted.",
            found=str(file),
            fix=r"Write one a line, for example [\w.+-]+@[\w-]+\.[\w.]+ for e-mail addresses.",
        )
    return Redaction(patterns)
