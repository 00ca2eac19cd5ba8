from __future__ import annotations

import numpy as np
import tensorflow as tf

from agnews.components.modeling.transformer_block import MaskedMeanPooling


def test_averages_tokens_only(hidden: tf.Tensor, mask: tf.Tensor) -> None:
    pooled = MaskedMeanPooling()(hidden, mask)

    expected = [hidden.numpy()[row, :length].mean(axis=0) for row, length in enumerate((5, 3, 2))]
    np.testing.assert_allclose(pooled, expected, rtol=1e-5)


def test_a_row_without_tokens_gives_zeros(hidden: tf.Tensor) -> None:
    np.testing.assert_array_equal(MaskedMeanPooling()(hidden, tf.zeros((3, 5), tf.bool)), np.zeros((3, 8)))
