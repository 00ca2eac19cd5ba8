"""Tokenised rows as they lie in memory while a model learns from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from agnews.components.training.length_bucketed_dataset import length_bucketed_dataset


@dataclass(frozen=True)
class TokenRows:
    """Rows of different length, one behind the other: 4 bytes a word piece and no padding.

    Attributes:
        token_ids: int32 (word pieces of all rows,).
        row_splits: int64 (rows + 1,); row i is token_ids[row_splits[i]:row_splits[i + 1]].
        labels: int64 (rows,), 0-based.
        length_multiple: Batches are padded to a multiple of this, though to no more than the longest of all rows. What
            compiles a step for each length asks for fewer lengths.
    """

    token_ids: npt.NDArray[np.int32]
    row_splits: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    length_multiple: int = 1

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.labels)

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Word pieces of each row, int64 (rows,)."""
        return np.diff(self.row_splits)

    def token_counts(self, vocabulary_size: int) -> npt.NDArray[np.int64]:
        """Counts each word piece.

        Args:
            vocabulary_size: Word pieces in the vocabulary.

        Returns:
            int64 (vocabulary_size,).
        """
        return np.bincount(self.token_ids, minlength=vocabulary_size)

    def dataset(
        self,
        *,
        batch_size: int,
        seed: int | None = None,
        first_epoch: int = 0,
        first_batch: int = 0,
        epochs: int = 1,
    ) -> tf.data.Dataset:
        """Hands the rows out in batches of similar length; see `TrainingRows` and `length_bucketed_dataset`."""
        return length_bucketed_dataset(
            self,
            batch_size=batch_size,
            seed=seed,
            first_epoch=first_epoch,
            first_batch=first_batch,
            epochs=epochs,
        )
