"""What dropout is drawn from: the number of the step and nothing that a process remembers."""

from __future__ import annotations

import tensorflow as tf
import tf_keras as keras

_SALTS = 2**20
"""Layers add salts below this to the seed, so runs with neighbouring seeds share none of their draws."""


def step_seed(model: keras.Model, seed: int) -> tf.Tensor:
    """Returns the seed of all that is drawn in a training step.

    It depends on the step alone. So a run that is taken up in the middle of an epoch draws what it would have drawn,
    XLA and TensorFlow draw the same, and each replica of a model draws its own.

    A layer that draws adds a salt of its own: see `add_salt`.

    Args:
        model: The model that is trained; its optimizer counts the steps. Without one the step is 0.
        seed: Seed of the run.

    Returns:
        int64 (2,): the seed of the run, and a number that each step of each replica has to itself.
    """
    optimizer = model.optimizer
    step = tf.constant(0, tf.int64) if optimizer is None else tf.cast(optimizer.iterations, tf.int64)
    replica = tf.distribute.get_replica_context()
    if replica is not None:
        step = step * replica.num_replicas_in_sync + tf.cast(replica.replica_id_in_sync_group, tf.int64)
    return tf.stack([tf.constant(seed * _SALTS, tf.int64), step])
