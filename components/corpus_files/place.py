"""A place in a file where a row begins."""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """Where reading begins.

    Attributes:
        row: 1-based number of the row.
        line: 1-based number of the physical line.
        offset: 0-based number of the byte.
    """

    row: int = 1
    line: int = 1
    offset: int = 0


BEGINNING = Place()
"""Of a file."""
