from __future__ import annotations

import numpy as np
import tensorflow as tf

from agnews.components.modeling.local_convolution import LocalConvolution


def test_adds_what_a_window_shows_and_takes_padding_for_zeros(hidden: tf.Tensor, mask: tf.Tensor) -> None:
    layer = LocalConvolution(width=3)

    output = layer(hidden, mask).numpy()

    kernel, bias = layer.get_weights()
    for row, length in enumerate((5, 3, 2)):
        tokens = hidden.numpy()[row, :length]
        framed = np.pad(tokens, ((1, 1), (0, 0)))
        for position in range(length):
            window = np.einsum("kd,kdf->f", framed[position : position + 3], kernel) + bias
            expected = tokens[position] + np.maximum(window, 0.0)
            np.testing.assert_allclose(output[row, position], expected, atol=1e-5)
