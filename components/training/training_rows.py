"""What a training loop asks of rows."""

from __future__ import annotations

from typing import Protocol

import tensorflow as tf


class TrainingRows(Protocol):
    """Labelled rows in memory, whatever they consist of."""

    def __len__(self) -> int:
        """How many rows there are."""

    def dataset(
        self,
        *,
        batch_size: int,
        seed: int | None = None,
        first_epoch: int = 0,
        first_batch: int = 0,
        epochs: int = 1,
    ) -> tf.data.Dataset:
        """Hands the rows out in batches.

        The order depends on the seed and the number of the epoch alone, so that a run that is taken up in the
        middle sees what it would have seen.

        Args:
            batch_size: Rows in a batch; the last one of an epoch may be smaller.
            seed: Seed of the order; None keeps one order for all epochs.
            first_epoch: Number of the first epoch that is handed out, from 0.
            first_batch: Batches of that epoch that are left out.
            epochs: Number of epochs in the whole run.

        Returns:
            Epochs first_epoch to epochs - 1, one behind the other, each of ceil(rows / batch_size) batches. Elements
            are (what the network takes, labels int64 (batch,)).
        """
