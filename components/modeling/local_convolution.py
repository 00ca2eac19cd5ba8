"""Each token learns who its neighbours are."""

from __future__ import annotations

import tensorflow as tf
import tf_keras as keras


class LocalConvolution(keras.layers.Layer):
    """Adds to each token what a convolution with ReLU makes of it and its neighbours; padding counts as zeros.

    It gives attention, which sees a bag of tokens, the order of words where it matters to a topic: in phrases.

    Args:
        width: Tokens that the convolution sees at once, an odd number.
        **kwargs: Of `keras.layers.Layer`.

    Example:
        >>> layer = LocalConvolution(width=3)
        >>> layer(tf.zeros((2, 5, 8)), padding_mask=tf.ones((2, 5), tf.bool)).shape
        TensorShape([2, 5, 8])

    References:
        Kim (2014), "Convolutional Neural Networks for Sentence Classification", https://arxiv.org/abs/1408.5882, for
        the layer; Mohamed, Okhonko, Zettlemoyer (2019), https://arxiv.org/abs/1904.11660, for its place before a
        transformer that then needs no position embedding.
    """

    def __init__(self, width: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.width = width

    def build(self, input_shape: tf.TensorShape) -> None:
        """Creates the convolution, with as many filters as the input is wide."""
        self.convolution = keras.layers.Conv1D(
            input_shape[-1], self.width, padding="same", activation="relu", name="convolution"
        )
        super().build(input_shape)

    def call(self, inputs: tf.Tensor, padding_mask: tf.Tensor) -> tf.Tensor:
        """Convolves.

        Args:
            inputs: (batch, length, width), floating point.
            padding_mask: (batch, length) bool, True on tokens.

        Returns:
            The same shape. Positions of padding hold values that nothing may use.
        """
        tokens = inputs * tf.cast(padding_mask, inputs.dtype)[..., tf.newaxis]
        return tokens + self.convolution(tokens)

    def get_config(self) -> dict[str, object]:
        """What `from_config` needs."""
        return {**super().get_config(), "width": self.width}
