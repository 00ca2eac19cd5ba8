"""JSON that was made elsewhere, and may have been made to do harm."""

from __future__ import annotations

import json
from typing import Any


def read_json(content: bytes | str) -> Any:
    """Reads a document.

    Args:
        content: JSON; bytes in UTF-8.

    Returns:
        Objects, lists, texts, numbers, booleans and None.

    Raises:
        ValueError: It is none, or its parts lie too deep in each other.
    """
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("its parts lie too deep in each other") from None
