"""From texts to word pieces: the first half of a served model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class Tokens(NamedTuple):
    """A batch.

    Attributes:
        token_ids: int32 (batch, length), 0 on padding.
        padding_mask: bool (batch, length), True on tokens.
    """

    token_ids: NDArray[np.int32]
    padding_mask: NDArray[np.bool_]


class TextTokens(Protocol):
    """Cuts texts into word pieces, in the thread that calls."""

    def __call__(self, texts: Sequence[bytes] | NDArray[np.object_]) -> Tokens:
        """Cuts a batch of UTF-8 texts; it may be empty."""
        ...

    def close(self) -> None:
        """Frees the memory."""
        ...
