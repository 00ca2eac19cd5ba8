"""Values that are dropped while a model learns, at half the price."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf
import tf_keras as keras

_LEVELS = 2**16
_VALUES_PER_DRAW = 4


def draw_dropped(shape: tf.Tensor, share: float, seed: tf.Tensor | None) -> tf.Tensor:
    """Chooses a random share of the values of a tensor.

    Draws 16 random bits a value where TensorFlow draws 32: in a narrow transformer on a CPU, dropout is an eighth of a
    training step. The generator is named, so that each device and XLA draw the same.

    Args:
        shape: Shape of the tensor.
        share: Share of the values to choose, rounded to a multiple of 1 / 65,536.
        seed: int64 (2,); see `step_seed`. Each layer adds a salt of its own to the first number.

    Returns:
        bool, of that shape, True on values chosen.

    Raises:
        ValueError: There is no seed.
    """
    if seed is None:
        raise ValueError("what is dropped in training is drawn from a seed; see step_seed")
    count = tf.reduce_prod(shape)
    draws = tf.random.stateless_uniform(
        [-(-count // _VALUES_PER_DRAW)], seed=seed, minval=None, maxval=None, dtype=tf.int64, alg="philox"
    )
    levels = tf.reshape(tf.reshape(tf.bitcast(draws, tf.uint16), [-1])[:count], shape)
    return levels < tf.constant(round(share * _LEVELS), tf.uint16)


class Dropout(keras.layers.Layer):
    """Sets a random share of the values to zero in training and scales the others up, so that their mean stays.

    Args:
        rate: Share of values dropped; it is rounded to a multiple of 1 / 65,536.
        **kwargs: Of `keras.layers.Layer`.

    References:
        Srivastava et al. (2014), "Dropout: A Simple Way to Prevent Neural Networks from Overfitting",
        https://jmlr.org/papers/v15/srivastava14a.html. We differ from `keras.layers.Dropout` in drawing 16 random bits
        a value and not 32, from a seed that is handed in.
    """

    def __init__(self, rate: float, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.rate = rate

    def call(self, inputs: tf.Tensor, training: bool = False, seed: tf.Tensor | None = None) -> tf.Tensor:
        """Drops.

        Args:
            inputs: Any shape, floating point.
            training: Whether anything is dropped at all.
            seed: int64 (2,), needed where something is: the same seed drops the same values. See `step_seed`.

        Returns:
            The same shape and dtype.
        """
        dropped = round(self.rate * _LEVELS)
        if not training or not dropped:
            return inputs
        kept = ~draw_dropped(tf.shape(inputs), self.rate, seed)
        return inputs * (tf.cast(kept, inputs.dtype) * (_LEVELS / (_LEVELS - dropped)))

    def get_config(self) -> dict[str, object]:
        """What `from_config` needs."""
        return {**super().get_config(), "rate": self.rate}


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


def add_salt(seed: tf.Tensor | None, salt: int) -> tf.Tensor | None:
    """Tells the draws of one layer from those of another.

    Args:
        seed: int64 (2,), see `step_seed`; or None where nothing is drawn.
        salt: A number that no other layer of the model adds.

    Returns:
        The seed with the salt in its first number, or None.
    """
    return None if seed is None else seed + tf.constant([salt, 0], tf.int64)


class WordDropout(keras.layers.Layer):
    """Replaces a random share of the word pieces by [UNK] in training, and none otherwise.

    Args:
        rate: Share of word pieces replaced.
        unknown_id: Id of [UNK].
        kept_ids: Ids that are never replaced: [PAD], [CLS], [SEP].
        **kwargs: Of `keras.layers.Layer`.

    References:
        Dai, Le (2015), "Semi-supervised Sequence Learning", https://arxiv.org/abs/1511.01432, where words are
        dropped; replaced by a token of their own they keep positions and lengths as they are, and teach the model
        what to make of [UNK], which else never occurs in training.
    """

    def __init__(self, rate: float, unknown_id: int, kept_ids: Sequence[int], **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        self.unknown_id = unknown_id
        self.kept_ids = tuple(kept_ids)

    def call(self, token_ids: tf.Tensor, training: bool = False, seed: tf.Tensor | None = None) -> tf.Tensor:
        """Hides word pieces.

        Args:
            token_ids: (batch, length) int32.
            training: Whether anything is replaced at all.
            seed: int64 (2,), needed where something is; see `step_seed`.

        Returns:
            (batch, length) int32.
        """
        if not training or not self.rate:
            return token_ids
        replaced = draw_dropped(tf.shape(token_ids), self.rate, seed)
        for kept in self.kept_ids:
            replaced &= token_ids != kept
        return tf.where(replaced, tf.cast(self.unknown_id, token_ids.dtype), token_ids)

    def get_config(self) -> dict[str, object]:
        """What `from_config` needs."""
        return {
            **super().get_config(),
            "rate": self.rate,
            "unknown_id": self.unknown_id,
            "kept_ids": list(self.kept_ids),
        }
