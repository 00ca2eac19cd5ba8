"""When two texts count as the same."""

from __future__ import annotations

import hashlib
import html
import re

from agnews.components.text.markup import BREAK_PATTERN, ENTITY_PATTERN, TAG_PATTERN

_ENTITY = re.compile(ENTITY_PATTERN)
_TAG_OR_BREAK = re.compile(f"{TAG_PATTERN}|{BREAK_PATTERN}")


def normalize(text: str) -> str:
    """Drops what may differ between two copies of the same news.

    Markup goes (tags and line-break marks become spaces, entities their characters), then case, then the amount of
    white space. Words, digits and punctuation stay.

    Args:
        text: A text as it stands in the file.

    Returns:
        The normal form; two texts count as the same if theirs are equal.
    """
    if ";" in text:
        text = _ENTITY.sub(_character, text)
    if "<" in text or "\\" in text:
        text = _TAG_OR_BREAK.sub(" ", text)
    return " ".join(text.casefold().split())


def text_key(text: str) -> int:
    """Digests the normal form of a text.

    Args:
        text: A text as it stands in the file.

    Returns:
        64 bits of BLAKE2b, evenly spread, the same on every machine. Among a million different texts two share a
        key with a probability of 3e-8.
    """
    encoded = normalize(text).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(encoded, digest_size=8).digest(), "little")


def _character(entity: re.Match[str]) -> str:
    return html.unescape(f"&{entity[1] or entity[2]};")
