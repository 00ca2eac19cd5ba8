"""How much of a text a log of requests keeps."""

from __future__ import annotations

from enum import StrEnum


class KeptText(StrEnum):
    """How much of a text is kept."""

    ALL = "all"
    """The text, after redaction."""
    HASHED = "hashed"
    """A digest of its normal form."""
    NONE = "none"
    """Nothing but what was measured."""
