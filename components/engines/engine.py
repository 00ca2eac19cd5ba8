"""What an engine is: word pieces in, probabilities out."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Engine(Protocol):
    """A model in memory. Threads may call it side by side: each batch is computed on one core."""

    def probabilities(self, token_ids: NDArray[np.int32], padding_mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Computes a batch.

        Args:
            token_ids: (batch, length), 0 on padding.
            padding_mask: (batch, length), True on tokens.

        Returns:
            (batch, classes).
        """
        ...

    def close(self) -> None:
        """Frees the memory."""
        ...
