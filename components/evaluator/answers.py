"""From probabilities to answers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agnews.schemas.predictions import NO_CLASS

_TOLERANCE = 1e-3


def answers(probabilities: NDArray[np.float32]) -> NDArray[np.int64]:
    """Takes the top class of each row that is a distribution.

    Args:
        probabilities: (rows, classes).

    Returns:
        (rows,) positions of the largest probability; `NO_CLASS` where the row holds NaN, infinity or a negative
        number, or does not sum to one.
    """
    with np.errstate(invalid="ignore"):
        usable = (
            np.isfinite(probabilities).all(axis=1)
            & (probabilities >= -_TOLERANCE).all(axis=1)
            & (np.abs(probabilities.sum(axis=1, dtype=np.float64) - 1.0) <= _TOLERANCE)
        )
    top = np.where(usable[:, None], probabilities, 0.0).argmax(axis=1)
    return np.where(usable, top, NO_CLASS).astype(np.int64)
