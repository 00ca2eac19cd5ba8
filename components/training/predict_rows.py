"""What a network says of rows, with what they are."""

from __future__ import annotations

from functools import partial

import numpy as np
import tensorflow as tf
import tf_keras as keras
from numpy.typing import NDArray

from agnews.components.training.token_rows import TrainingRows

_BATCH_SIZE = 256


def predict_rows(network: keras.Model, rows: TrainingRows) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Asks a network about all rows.

    Args:
        network: Or a part of one that takes such rows.
        rows: At least one.

    Returns:
        Logits (rows, classes) and labels (rows,), in one order.
    """
    answer = tf.function(partial(network, training=False), reduce_retracing=True)
    found: list[NDArray[np.int64]] = []
    logits = np.zeros((0, 0), np.float32)
    done = 0
    for features, labels in rows.dataset(batch_size=_BATCH_SIZE):
        said = answer(features).numpy()
        if not done:
            # Of many classes, what is put together at the end would be in memory twice.
            logits = np.empty((len(rows), said.shape[1]), said.dtype)
        logits[done : done + len(said)] = said
        done += len(said)
        found.append(labels.numpy())
    return logits, np.concatenate(found)
