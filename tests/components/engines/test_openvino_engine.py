from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from agnews.components.engines import openvino_engine
from agnews.components.engines.openvino_engine import OpenVinoEngine
from agnews.components.engines.optional_package import import_optional
from agnews.components.model_export.to_openvino import to_openvino
from agnews.schemas.errors import AgnewsError

pytest.importorskip("openvino", reason="the extra openvino is not installed")
pytestmark = pytest.mark.integration
LONGEST = 44


@pytest.fixture(scope="module")
def graph() -> tf.types.experimental.ConcreteFunction:
    """Two classes from the mean vector of the tokens, and their places: no text may have more than LONGEST."""
    random = np.random.default_rng(0)
    table, places = tf.constant(random.normal(size=(50, 2)), tf.float32), tf.constant(random.normal(size=(LONGEST, 2)))

    def classify(token_ids: tf.Tensor, padding_mask: tf.Tensor) -> tf.Tensor:
        vectors = tf.gather(table, token_ids) + tf.cast(places, tf.float32)[: tf.shape(token_ids)[1]]
        mask = tf.cast(padding_mask, tf.float32)[..., tf.newaxis]
        return tf.nn.softmax(tf.reduce_sum(vectors * mask, axis=1) / tf.reduce_sum(mask, axis=1))

    specs = [tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None, None], tf.bool)]
    return tf.function(classify, input_signature=specs).get_concrete_function()


def test_batches_of_any_shape_are_answered_in_a_few(graph: object, tmp_path: Path) -> None:
    to_openvino(graph, "float32", [], str(tmp_path))
    engine = OpenVinoEngine(str(tmp_path), "float32", batches=1, longest=LONGEST)
    random = np.random.default_rng(1)
    shapes = set()
    for rows in (1, 3, 5, 20, 31, 32, 33, 70):
        for length in range(1, LONGEST + 1):
            ids = random.integers(0, 50, (rows, length)).astype(np.int32)
            mask = np.arange(length)[None] < random.integers(1, length + 1, rows)[:, None]
            shapes.add(engine._padded(ids, mask)[0].shape)
            if length % 7 == 1 or length == LONGEST:
                wanted = graph(tf.constant(ids), tf.constant(mask)).numpy()
                np.testing.assert_allclose(engine.probabilities(ids, mask), wanted, atol=1e-5)
    assert len(shapes) == 7 * 6, "rows 1, 4, 8, 24, 32, 64, 96, of lengths 8 to 40 and the longest"
    engine.close()


def test_bfloat16_is_refused_where_the_processor_only_imitates_it(
    graph: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agnews.components.model_export.to_openvino.computes_in_bfloat16", lambda: False)

    with pytest.raises(AgnewsError, match="does not compute in bfloat16"):
        to_openvino(graph, "bfloat16", [], str(tmp_path))

    assert not list(tmp_path.iterdir())
    assert openvino_engine.computes_in_bfloat16() == (
        "BF16" in import_optional("openvino", "This test").Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    )
