"""Takes remnants of markup out of a text as `clean` does inside the graph, where there is no TensorFlow."""

from __future__ import annotations

import html
import re

from agnews.components.text.markup import (
    BREAK_PATTERN,
    ENTITY_NAMES,
    ENTITY_PATTERN,
    MARKUP_PATTERN,
    TAG_PATTERN,
)

_MARKUP, _ENTITY = re.compile(MARKUP_PATTERN), re.compile(ENTITY_PATTERN)
_TAG, _BREAK = re.compile(TAG_PATTERN), re.compile(BREAK_PATTERN)
_BROKEN = re.compile("[\udc80-\udcff]+")
_REPLACEMENT = "\ufffd"
_IN_WINDOWS = range(0x80, 0xA0)
_SURROGATES = range(0xD800, 0xE000)
_LAST_CODE_POINT = 0x10FFFF
# The graph takes texts apart with these two, so they are gone afterwards.
_FENCE, _MARK = "\x1f", "\x1e"


def clean_text(text: bytes) -> str:
    """Decodes entities, and puts a space for each HTML tag and each escaped line break.

    Args:
        text: UTF-8; bytes that are not become U+FFFD, which no token holds.

    Returns:
        The very text that `clean` makes of it, but for U+FFFD where a text without markup has such bytes.
    """
    # What is no UTF-8 is kept apart for now: no pattern of the graph steps over it when it looks for markup.
    decoded = text.decode("utf-8", "surrogateescape")
    if not _has_markup(decoded):
        return _BROKEN.sub(_REPLACEMENT, decoded)
    decoded = _BROKEN.sub(_REPLACEMENT, decoded).replace(_MARK, "")
    return _BREAK.sub(" ", _TAG.sub(" ", _decode_entities(decoded)))


def _has_markup(text: str) -> bool:
    start = 0
    for broken in _BROKEN.finditer(text):
        if _MARKUP.search(text, start, broken.start()):
            return True
        start = broken.end()
    return _MARKUP.search(text, start) is not None


def _decode_entities(text: str) -> str:
    parts = []
    done = 0
    for found in _ENTITY.finditer(text):
        parts += [text[done : found.start()].replace(_FENCE, ""), _character(found[1] or found[2])]
        done = found.end()
    parts.append(text[done:].replace(_FENCE, ""))
    return "".join(parts)


def _character(name: str) -> str:
    if not name.startswith("#"):
        return ENTITY_NAMES[name]
    code = int(name[2:], 16) if name[1] in "xX" else int(name[1:])
    if code in _IN_WINDOWS:
        return html.unescape(f"&#{code};")
    return _REPLACEMENT if code in _SURROGATES or code > _LAST_CODE_POINT else chr(code)
