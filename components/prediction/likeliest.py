"""The likeliest classes of each text: what people and files are given where there are too many to name them all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FEW_CLASSES = 10
"""So many, or fewer, are all named."""
_NAMED = 5


def default_top(classes: int) -> int | None:
    """Says how many classes of a text are named where nobody has said.

    Args:
        classes: How many the model knows.

    Returns:
        A number, or None for all of them.
    """
    return None if classes <= FEW_CLASSES else _NAMED


def chosen_top(classes: int, asked: int | None) -> int | None:
    """Says how many classes of a text are named.

    Args:
        classes: How many the model knows.
        asked: What somebody wants; 0 is all of them, None leaves it to `default_top`.

    Returns:
        A number, or None for all of them.
    """
    return default_top(classes) if asked is None else asked or None


def likeliest(probabilities: NDArray[np.float32], top: int | None = None) -> NDArray[np.int64]:
    """Orders the classes of each row, without sorting those that are not asked for.

    Args:
        probabilities: (rows, classes).
        top: How many classes to give; None gives all.

    Returns:
        Positions of the classes, likeliest first, (rows, top). Of equal ones the first comes first, so that the first
        of all is the one that the model names.
    """
    classes = probabilities.shape[1]
    # Floats from zero up are ordered as their bits are. With the position behind them no two keys are equal.
    bits = np.ascontiguousarray(probabilities, np.float32).view(np.int32).astype(np.int64)
    keys = np.arange(classes, dtype=np.int64) - (bits << 32)
    if top is None or top >= classes:
        return np.argsort(keys, axis=1)
    best = np.argpartition(keys, top - 1, axis=1)[:, :top]
    return np.take_along_axis(best, np.argsort(np.take_along_axis(keys, best, axis=1), axis=1), axis=1)
