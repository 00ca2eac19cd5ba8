"""What a softmax loses on each row; of thousands of classes a block of rows at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from agnews.components.optimization.row_blocks import by_row


def cross_entropies(
    scores: NDArray[np.floating[Any]], labels: NDArray[np.int64], *, scale: float = 1.0
) -> NDArray[np.floating[Any]]:
    """Computes minus the logarithm of the probability that a softmax gives the class of each row.

    Args:
        scores: (rows, classes); what is computed has their precision.
        labels: (rows,) positions of the classes.
        scale: What scores are multiplied by.

    Returns:
        (rows,), nats.
    """

    def of_block(block: slice) -> NDArray[np.floating[Any]]:
        scaled = scale * scores[block]
        found: NDArray[np.floating[Any]] = (
            special.logsumexp(scaled, axis=1) - scaled[np.arange(len(scaled)), labels[block]]
        )
        return found

    return by_row(of_block, *scores.shape)
