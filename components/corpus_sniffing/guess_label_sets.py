"""Whether a column names several classes of a text, and how they are told apart."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_SEPARATORS = ("|", ";", ",")
"""A comma last: it stands in texts too."""
_LEAST_SEVERAL, _LEAST_READ = 0.05, 0.98
_MOST_CHARACTERS, _LEAST_AGAIN = 40, 3.0


@dataclass(frozen=True)
class GuessedSets:
    """How a column is read.

    Attributes:
        separator: What stands between two classes; None for lists of JSON.
        split: From a cell to its classes.
        empty: How many cells have none.
    """

    separator: str | None
    split: Callable[[str], list[str]]
    empty: int


def guess_label_sets(values: Sequence[str]) -> GuessedSets | None:
    """Looks at a column.

    Args:
        values: Some of its cells; lists are written as JSON.

    Returns:
        How it is read; None where a cell is one class, or none at all: a part that hardly comes again in other cells is
        a text, and one that stands twice in a cell is no class.
    """
    ways = [(None, _from_json), *((each, _from_words(each)) for each in _SEPARATORS)]
    for separator, split in ways:
        cells = [split(value) for value in values]
        filled = [cell for cell in cells if cell]
        if filled and _looks_like_sets(filled, separator is None):
            return GuessedSets(separator, split, len(cells) - len(filled))
    return None


def _looks_like_sets(cells: Sequence[Sequence[str]], is_json: bool) -> bool:
    several = sum(len(cell) > 1 for cell in cells)
    if several < (1 if is_json else _LEAST_SEVERAL * len(cells)):
        return False
    names = Counter(name for cell in cells for name in cell)
    # Classes come in many sets; names that have a separator in them are as many as cells, and their parts are more.
    if not is_json and len(names) > len(set(map(frozenset, cells))):
        return False
    whole = sum(len(set(cell)) == len(cell) and all(0 < len(n) <= _MOST_CHARACTERS for n in cell) for cell in cells)
    return whole >= _LEAST_READ * len(cells) and names.total() >= _LEAST_AGAIN * len(names) and len(names) > 1


def _from_words(separator: str) -> Callable[[str], list[str]]:
    return lambda cell: [name.strip() for name in cell.split(separator)] if cell.strip() else []


def _from_json(cell: str) -> list[str]:
    if not cell.lstrip().startswith("["):
        # As if it were a class of no letters: what is no list has none to be told apart.
        return [] if not cell.strip() else [""]
    try:
        found = json.loads(cell)
    except ValueError:
        return [""]
    return [str(each) for each in found] if isinstance(found, list) else [""]
