"""Whether a text holds remnants of markup."""

from __future__ import annotations

import re

from agnews.components.text.markup import MARKUP_PATTERN

_MARKUP = re.compile(MARKUP_PATTERN)


def has_markup(text: str) -> bool:
    """Tells whether a text holds remnants of HTML or of escapes.

    Args:
        text: A text as it stands in the file.

    Returns:
        True if cleaning would change it.
    """
    # Every remnant has one of these; the look for them costs a hundredth of the search.
    return ("\\" in text or ";" in text or "<" in text) and _MARKUP.search(text) is not None
