from __future__ import annotations

import numpy as np
import tensorflow as tf

from agnews.components.modeling.masked_max_pooling import MaskedMaxPooling


def test_takes_the_largest_of_tokens_only(hidden: tf.Tensor, mask: tf.Tensor) -> None:
    pooled = MaskedMaxPooling()(hidden, mask)

    expected = [hidden.numpy()[row, :length].max(axis=0) for row, length in enumerate((5, 3, 2))]
    np.testing.assert_array_equal(pooled, expected)


def test_a_row_without_tokens_gives_zeros(hidden: tf.Tensor) -> None:
    np.testing.assert_array_equal(MaskedMaxPooling()(hidden, tf.zeros((3, 5), tf.bool)), np.zeros((3, 8)))
