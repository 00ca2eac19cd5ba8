"""Rows of a matrix, few enough at a time that what is computed of them needs little memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CELLS = 1 << 20
"""Of a block: with few classes all rows are one, and a result is then the same to the last bit as without blocks."""


def row_blocks(rows: int, columns: int) -> Iterator[slice]:
    """Cuts rows into blocks.

    Args:
        rows: How many there are.
        columns: Values in each.

    Yields:
        Blocks of some million values, one behind the other; where there are no rows, one without any.
    """
    step = max(1, _CELLS // max(columns, 1))
    for start in range(0, max(rows, 1), step):
        yield slice(start, min(start + step, rows))


def by_row(compute: Callable[[slice], NDArray[np.floating[Any]]], rows: int, columns: int) -> NDArray[np.floating[Any]]:
    """Computes a value for each row, a block at a time.

    Args:
        compute: From a block to the values of its rows, (rows of the block,).
        rows: How many there are.
        columns: Values in each.

    Returns:
        (rows,).
    """
    return np.concatenate([compute(block) for block in row_blocks(rows, columns)])
