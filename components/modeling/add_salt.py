"""A seed of its own for each layer."""

from __future__ import annotations

import tensorflow as tf


def add_salt(seed: tf.Tensor | None, salt: int) -> tf.Tensor | None:
    """Tells the draws of one layer from those of another.

    Args:
        seed: int64 (2,), see `step_seed`; or None where nothing is drawn.
        salt: A number that no other layer of the model adds.

    Returns:
        The seed with the salt in its first number, or None.
    """
    return None if seed is None else seed + tf.constant([salt, 0], tf.int64)
