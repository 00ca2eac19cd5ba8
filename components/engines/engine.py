"""What an engine is: word pieces in, probabilities out."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class EngineChoice(StrEnum):
    """What answers."""

    AUTO = "auto"
    """The fastest that is installed, exported and passed; TensorFlow otherwise."""
    TENSORFLOW = "tensorflow"
    ONNXRUNTIME = "onnxruntime"
    OPENVINO = "openvino"


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
