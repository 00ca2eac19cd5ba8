from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from agnews.components.engines.optional_package import import_optional
from agnews.components.model_export.fuse_operations import fuse_operations

pytest.importorskip("openvino", reason="the extra openvino is not installed")

ROWS = np.random.default_rng(1).normal(size=(7, 16)).astype(np.float32)


def normalise(x: tf.Tensor, exponent: float = -0.5, axis: int = -1) -> tf.Tensor:
    centred = x - tf.reduce_mean(x, axis=-1, keepdims=True)
    variance = tf.reduce_mean(tf.square(centred), axis=axis, keepdims=True)
    return centred * tf.pow(variance + 1e-3, exponent)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("function", "count"),
    [
        (lambda x: normalise(x) * 2.0 + 1.0, 1),
        (lambda x: tf.nn.gelu(x, approximate=False), 1),
        (lambda x: tf.nn.gelu(normalise(normalise(x) + x), approximate=False), 3),
        (lambda x: normalise(x, exponent=-0.6), 0),
        (lambda x: normalise(x, axis=0), 0),
        (lambda x: 0.5 * x * tf.math.erfc(-0.7 * x), 0),
    ],
)
def test_fuses_what_is_the_same_and_leaves_what_only_looks_like_it(
    function: Callable[[tf.Tensor], tf.Tensor], count: int
) -> None:
    openvino = import_optional("openvino", "This test")
    graph = tf.function(function, input_signature=[tf.TensorSpec([None, 16], tf.float32)]).get_concrete_function()
    model = openvino.convert_model(graph)

    fused = fuse_operations(model)

    found = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(ROWS)[0]
    assert fused == count
    np.testing.assert_allclose(found, graph(tf.constant(ROWS)).numpy(), atol=2e-5)
