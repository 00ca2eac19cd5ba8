"""When two texts count as the same."""

from __future__ import annotations

import html
import re
from functools import lru_cache
from hashlib import blake2b

from agnews.components.text.markup import BREAK_PATTERN, ENTITY_PATTERN, TAG_PATTERN

_ENTITY = re.compile(ENTITY_PATTERN)
_TAG_OR_BREAK = re.compile(f"{TAG_PATTERN}|{BREAK_PATTERN}")

_SHORT = 32
"""Characters of a word that is kept, so that what is kept is small."""


def normalize(text: str) -> str:
    """Drops what may differ between two copies of the same news.

    Markup goes (tags and line-break marks become spaces, entities their characters), then case, then the amount of
    white space. Words, digits and punctuation stay.

    Args:
        text: A text as it stands in the file.

    Returns:
        The normal form; two texts count as the same if theirs are equal.
    """
    return " ".join(without_markup(text).casefold().split())


def without_markup(text: str) -> str:
    """Puts spaces for tags and line-break marks, and for entities their characters.

    Args:
        text: A text as it stands in the file.

    Returns:
        The text, the very same object where it holds none of these.
    """
    if ";" in text:
        text = _decode_entities(text)
    if "<" in text or "\\" in text:
        text = _TAG_OR_BREAK.sub(" ", text)
    return text


def text_key(text: str) -> int:
    """Digests the normal form of a text.

    Args:
        text: A text as it stands in the file.

    Returns:
        64 bits of BLAKE2b, evenly spread, the same on every machine. Among a million different texts two share a
        key with a probability of 3e-8.
    """
    return int.from_bytes(digest_normal(normalize(text)), "little")


def digest_normal(normal: str) -> bytes:
    """Digests a normal form to the 8 bytes of its key, the lowest first."""
    return blake2b(normal.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _decode_entities(text: str) -> str:
    """An entity ends in a semicolon and holds no space but the one before it, so few words have to be searched."""
    parts: list[str] = []
    done = 0
    while (at := text.find(";", done)) >= 0:
        # Behind the first word, `done` is a space or the end.
        start = max(text.rfind(" ", done, at), done)
        end = text.find(" ", at)
        if end < 0:
            end = len(text)
        decode = _decode_word if end - start <= _SHORT else _decode_long_word
        parts += [text[done:start], decode(text[start:end])]
        done = end
    decoded = "".join([*parts, text[done:]])
    return text if len(decoded) == len(text) else decoded


def _decode_long_word(word: str) -> str:
    return _ENTITY.sub(_character, word)


# Most words with a semicolon are ` #39;s` or another of a few.
_decode_word = lru_cache(maxsize=1 << 14)(_decode_long_word)


def _character(entity: re.Match[str]) -> str:
    return html.unescape(f"&{entity[1] or entity[2]};")
