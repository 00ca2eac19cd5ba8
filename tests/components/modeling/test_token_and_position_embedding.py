from __future__ import annotations

import numpy as np
import tensorflow as tf

from agnews.components.modeling.token_and_position_embedding import TokenAndPositionEmbedding


def test_adds_the_vectors_of_token_and_position() -> None:
    layer = TokenAndPositionEmbedding(vocabulary_size=10, max_length=4, hidden_dim=3)

    vectors = layer(tf.constant([[7, 2, 7]]))

    tokens, positions = layer.get_weights()
    np.testing.assert_allclose(vectors[0], tokens[[7, 2, 7]] + positions[:3], rtol=1e-6)
