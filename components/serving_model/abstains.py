"""Where a model's answer is none."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def abstains(probabilities: NDArray[np.floating[Any]], below: float) -> NDArray[np.bool_]:
    """Says which answers are too unlikely to be given, the same wherever a model is asked.

    Args:
        probabilities: float32 (rows, classes).
        below: From which probability on the likeliest class is an answer; 0 for a model that answers always.

    Returns:
        (rows,). A row without a distribution is no answer either, but for a model that answers always.
    """
    if not below:
        return np.zeros(len(probabilities), np.bool_)
    unlikely: NDArray[np.bool_] = ~(probabilities.max(axis=-1, initial=0.0) >= np.float32(below))
    return unlikely
