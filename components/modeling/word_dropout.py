"""Word pieces that are hidden from the model while it learns."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf
import tf_keras as keras

from agnews.components.modeling.draw_dropped import draw_dropped


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
