from __future__ import annotations

import numpy as np
import tensorflow as tf

from agnews.components.modeling.transformer_block import PositionEmbedding


def test_adds_the_vector_of_each_position(hidden: tf.Tensor) -> None:
    layer = PositionEmbedding(max_length=9)

    output = layer(hidden)

    (table,) = layer.get_weights()
    assert table.shape == (9, 8)
    np.testing.assert_allclose(output, hidden.numpy() + table[:5], rtol=1e-6)
