from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tf_keras as keras

from agnews.components.engines.token_signatures import SERVE_TOKENS, TOKENIZE
from agnews.components.modeling.attribute_to_tokens import attribute_to_tokens
from agnews.components.serving_model.serving_model import ServingModel, export_model
from agnews.components.text.vocabulary import load_vocabulary
from agnews.components.training.token_rows import length_bucketed_dataset, read_token_rows
from agnews.schemas.errors import AgnewsError
from agnews.schemas.features import (
    CLASS_ID,
    CLASS_LABEL,
    CONTRIBUTIONS,
    EXPLAIN,
    LABEL,
    PADDING_MASK,
    PROBABILITIES,
    SERVE_EXAMPLES,
    SERVE_TEXT,
    TEXT,
    TOKEN_IDS,
    TOKENS,
    TRANSFORM_FEATURES,
)

CLASSES = ("a", "b", "c", "d")


TEMPERATURE = 0.7


@pytest.fixture(scope="module")
def network(make_toy_network: Callable[[], keras.Model]) -> keras.Model:
    """An untrained model for the toy vocabulary: what it says is arbitrary, and depends on every token."""
    return make_toy_network()


@pytest.fixture(scope="module")
def exported(network: keras.Model, toy_transform: Path, tmp_path_factory: pytest.TempPathFactory) -> object:
    """The network behind its signatures, saved and loaded again."""
    folder = str(tmp_path_factory.mktemp("exported") / "model")
    output = tft.TFTransformOutput(str(toy_transform / "graph"))
    vocabulary = load_vocabulary(str(toy_transform / "vocab.txt"))
    model = ServingModel(network, output, CLASSES, vocabulary, temperature=TEMPERATURE)
    export_model(model, folder, {"note": "toy"})
    return tf.saved_model.load(folder)


@pytest.mark.integration
def test_serving_and_training_give_the_same_probabilities_for_the_same_rows(
    network: keras.Model, exported: tf.Module, toy_transform: Path
) -> None:
    rows = read_token_rows([str(toy_transform / "examples/Split-eval/*")], vocabulary_size=60, num_classes=4)
    in_training = {}
    for features, labels in length_bucketed_dataset(rows, batch_size=7):
        probabilities = tf.nn.softmax(network(features, training=False) / TEMPERATURE).numpy()
        for ids, label, row in zip(features[TOKEN_IDS].numpy(), labels.numpy(), probabilities, strict=True):
            in_training[tuple(ids[ids != 0].tolist()), int(label)] = row

    raw = tf.data.TFRecordDataset(tf.io.gfile.glob(str(toy_transform / "raw/Split-eval/*")), compression_type="GZIP")
    serialized = list(raw.as_numpy_iterator())
    examples = [tf.train.Example.FromString(each).features.feature for each in serialized]
    by_text = exported.signatures[SERVE_TEXT](text=tf.constant([each[TEXT].bytes_list.value[0] for each in examples]))
    by_example = exported.signatures[SERVE_EXAMPLES](serialized=tf.constant(serialized))
    seen = exported.signatures[TRANSFORM_FEATURES](serialized=tf.constant(serialized))

    ids, mask = seen[TOKEN_IDS].numpy(), seen[PADDING_MASK].numpy()
    expected = [
        in_training[tuple(row[kept].tolist()), each[LABEL].int64_list.value[0]]
        for row, kept, each in zip(ids, mask, examples, strict=True)
    ]
    assert len(examples) == 60
    assert np.ptp(np.max(expected, axis=1)) > 0.1, "the toy model says the same of every row"
    np.testing.assert_allclose(by_text[PROBABILITIES], expected, atol=1e-5)
    np.testing.assert_allclose(by_example[PROBABILITIES], expected, atol=1e-5)
    for answer in (by_text, by_example):
        np.testing.assert_array_equal(answer[CLASS_ID], np.argmax(expected, axis=1))
        assert [CLASSES[each] for each in answer[CLASS_ID]] == [name.decode() for name in answer[CLASS_LABEL].numpy()]


@pytest.mark.integration
def test_signatures_are_those_that_clients_rely_on(exported: tf.Module) -> None:
    specs = {
        name: (function.structured_input_signature[1], function.structured_outputs)
        for name, function in exported.signatures.items()
    }

    assert specs.keys() == {SERVE_TEXT, SERVE_EXAMPLES, TRANSFORM_FEATURES, EXPLAIN, TOKENIZE, SERVE_TOKENS}
    for name, argument in ((SERVE_TEXT, TEXT), (SERVE_EXAMPLES, "serialized")):
        inputs, outputs = specs[name]
        assert {key: (spec.dtype, spec.shape.as_list()) for key, spec in inputs.items()} == {
            argument: (tf.string, [None])
        }
        assert {key: (spec.dtype, spec.shape.as_list()) for key, spec in outputs.items()} == {
            CLASS_ID: (tf.int64, [None]),
            CLASS_LABEL: (tf.string, [None]),
            PROBABILITIES: (tf.float32, [None, 4]),
        }
    inputs, outputs = specs[EXPLAIN]
    assert {key: (spec.dtype, spec.shape.as_list()) for key, spec in inputs.items()} == {TEXT: (tf.string, [None])}
    assert {key: (spec.dtype, spec.shape.rank) for key, spec in outputs.items()} == {
        CLASS_ID: (tf.int64, 1),
        CLASS_LABEL: (tf.string, 1),
        PROBABILITIES: (tf.float32, 2),
        TOKENS: (tf.string, 2),
        CONTRIBUTIONS: (tf.float32, 2),
    }
    assert {key: spec.dtype for key, spec in specs[TRANSFORM_FEATURES][1].items()} == {
        TOKEN_IDS: tf.int32,
        PADDING_MASK: tf.bool,
    }


@pytest.mark.integration
def test_an_empty_batch_and_empty_texts_are_answered(exported: tf.Module) -> None:
    nothing = tf.constant([], tf.string)

    assert exported.signatures[SERVE_TEXT](text=nothing)[PROBABILITIES].shape == (0, 4)
    assert exported.signatures[SERVE_EXAMPLES](serialized=nothing)[PROBABILITIES].shape == (0, 4)
    assert exported.signatures[TRANSFORM_FEATURES](serialized=nothing)[TOKEN_IDS].shape[0] == 0
    empty = exported.signatures[SERVE_TEXT](text=tf.constant(["", "\0", "worda " * 10_000]))[PROBABILITIES]
    assert np.all(np.isfinite(empty))


@pytest.mark.integration
def test_an_explanation_names_what_was_read_and_says_what_serving_says(
    network: keras.Model, exported: tf.Module
) -> None:
    texts = ["Worda, wordb stocks", "", "PROFIT", "wordz " * 100]

    found = exported.signatures[EXPLAIN](text=tf.constant(texts))

    served = exported.signatures[SERVE_TEXT](text=tf.constant(texts))
    for output in (CLASS_ID, CLASS_LABEL, PROBABILITIES):
        np.testing.assert_array_equal(found[output], served[output])
    tokens, contributions = found[TOKENS].numpy(), found[CONTRIBUTIONS].numpy()
    assert [each.decode() for each in tokens[0] if each] == ["[CLS]", "worda", "[UNK]", "wordb", "stocks", "[SEP]"]
    assert [each.decode() for each in tokens[1] if each] == ["[CLS]", "[SEP]"]
    assert len(tokens[3]) == 16
    assert np.all(contributions[(tokens == b"") | (tokens == b"[CLS]") | (tokens == b"[SEP]")] == 0.0)
    # What is exported is what the network in training says, to the last piece.
    ids = exported.signatures[TRANSFORM_FEATURES](serialized=tf.constant([_example(text) for text in texts]))
    expected = attribute_to_tokens(
        network,
        ids[TOKEN_IDS],
        ids[PADDING_MASK],
        found[CLASS_ID],
        unknown_id=1,
        special_ids=(0, 2, 3),
        temperature=TEMPERATURE,
    )
    np.testing.assert_allclose(contributions, expected, atol=1e-4)
    assert np.ptp(contributions) > 0.1


def _example(text: str) -> bytes:
    example = tf.train.Example()
    example.features.feature[TEXT].bytes_list.value.append(text.encode())
    serialized: bytes = example.SerializeToString()
    return serialized


@pytest.mark.integration
def test_odd_texts_and_no_texts_are_explained(exported: tf.Module) -> None:
    explain = exported.signatures[EXPLAIN]

    for texts in ([], [""], ["\0", "\ufeff", "\u200d\u0301", "日本 👨\u200d👩\u200d👧", "&#0;<b>", "a" * 5_000, " \n"]):
        found = explain(text=tf.constant(texts, tf.string))
        assert found[TOKENS].shape == found[CONTRIBUTIONS].shape
        assert len(found[TOKENS]) == len(texts)
        assert np.all(np.isfinite(found[CONTRIBUTIONS]))
    assert np.all(np.isfinite(explain(text=tf.constant([b"\xff\xfe"]))[CONTRIBUTIONS]))


@pytest.mark.integration
def test_examples_need_no_feature_but_the_text(exported: tf.Module) -> None:
    by_example = exported.signatures[SERVE_EXAMPLES](serialized=tf.constant([_example("worda wordb")]))
    by_text = exported.signatures[SERVE_TEXT](text=tf.constant(["worda wordb"]))

    np.testing.assert_array_equal(by_example[PROBABILITIES], by_text[PROBABILITIES])


def test_a_transform_graph_for_something_else_is_an_error(network: keras.Model, toy_transform: Path) -> None:
    other = SimpleNamespace(
        raw_feature_spec=lambda: {"pixels": tf.io.FixedLenFeature([], tf.float32)},
        transformed_feature_spec=lambda: {"pixels": tf.io.FixedLenFeature([], tf.float32)},
    )

    with pytest.raises(AgnewsError, match="does not turn the feature 'text'"):
        ServingModel(network, other, CLASSES, load_vocabulary(str(toy_transform / "vocab.txt")))
