"""Whether the first row of a table names its columns."""

from __future__ import annotations

from collections.abc import Sequence

from agnews.components.corpus_sniffing.column_names import KEYS, LABELS, PARTS, TEXTS

NAMES = frozenset([*LABELS, *TEXTS, *PARTS, *KEYS, "categories", "star"])
"""What columns are called in public corpora."""
_LONGEST = 60


def looks_like_header(first: Sequence[str], others: Sequence[Sequence[str]]) -> tuple[bool, bool]:
    """Decides.

    Args:
        first: The first row.
        others: Rows behind it, as many columns each.

    Returns:
        Whether it is a header, and whether that is certain.
    """
    cells = [cell.strip() for cell in first]
    if len(set(cells)) < len(cells) or any(not cell or len(cell) > _LONGEST for cell in cells):
        return False, True
    if any(_is_number(cell) for cell in cells):
        return False, True
    if sum(cell.lower().replace(" ", "_") in NAMES for cell in cells) > len(cells) / 2:
        return True, True
    columns = list(zip(*others, strict=True))
    for cell, column in zip(cells, columns, strict=True):
        # A class stands there again and again, a name never.
        if len(set(column)) <= len(column) / 4:
            return cell not in column, True
        if all(map(_is_number, column)):
            return True, True
    known = any(cell.lower() in NAMES for cell in cells)
    return known, False


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
