"""An exported model needs nothing that TensorFlow Serving 2.20 lacks."""

from __future__ import annotations

import gc
import gzip
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tf_keras as keras
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework.func_graph import FuncGraph

from agnews.components.linear.configure_ngrams import ngram_hash
from agnews.components.linear.count_ngrams import count_ngrams
from agnews.components.linear.fit_linear import fit_linear
from agnews.components.linear.linear_classifier import LinearClassifier
from agnews.components.model_trust.require_harmless import require_harmless
from agnews.components.modeling.factory import build_model
from agnews.components.serving_model.serving_model import ServingModel, export_model
from agnews.components.text.vocabulary import Vocabulary, load_vocabulary
from agnews.schemas.learning_config import LinearConfig, parse_model_config

if TYPE_CHECKING:
    from agnews.components.encoders.resolve_encoder import Encoder

TEXT_OPERATIONS = {"FastWordpieceTokenizeWithOffsets", "NormalizeUTF8"}


def operations(folder: Path) -> set[str]:
    """All that a server may come across: in the graph, and in the functions that it calls."""
    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    (meta_graph,) = saved.meta_graphs
    library = meta_graph.graph_def.library
    found = {node.op for node in meta_graph.graph_def.node}
    found |= {node.op for function in library.function for node in function.node_def}
    return found - {function.signature.name for function in library.function}


@pytest.fixture(scope="module")
def of_the_server(repository: Path) -> set[str]:
    """Recorded from TensorFlow 2.20 and TensorFlow Text 2.20."""
    content = (repository / "tests" / "golden" / "tensorflow_serving_ops.txt.gz").read_bytes()
    return set(gzip.decompress(content).decode().split())


def network_of(settings: dict[str, object], vocabulary: Vocabulary, encoder: Encoder) -> keras.Model:
    """A network of a kind, of no use but to be exported."""
    config = parse_model_config(settings)
    if isinstance(config, LinearConfig):
        ngrams = ngram_hash(vocabulary, config)
        counts = count_ngrams(ngrams, np.array([2, 5, 6, 3, 2, 7, 6, 3], np.int32), np.array([0, 4, 8]))
        fitted = fit_linear(ngrams, counts, np.array([0, 1]), num_classes=4, min_count=1, cost=1.0)
        return LinearClassifier(fitted.ngrams, fitted.columns, fitted.weights)
    return build_model(
        config,
        token_counts=np.ones(60 if settings["kind"] == "transformer" else 96, np.int64),
        unknown_id=1,
        special_ids=(0, 2, 3),
        max_length=16,
        num_classes=4,
        encoder=encoder,
    ).network


@pytest.mark.integration
@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "transformer", "hidden_dim": 16, "num_heads": 2, "min_token_count": 0},
        {"kind": "linear", "buckets": 1024},
        {"kind": "bert_frozen", "head_dim": 8},
        {"kind": "bert_finetune", "pooling": "pooled"},
    ],
    ids=lambda settings: settings["kind"],
)
def test_the_server_has_every_operation_of_every_model(
    settings: dict[str, object], toy_transform: Path, tiny_encoder: Encoder, of_the_server: set[str], tmp_path: Path
) -> None:
    vocabulary = load_vocabulary(str(toy_transform / "vocab.txt"))
    network = network_of(settings, vocabulary, tiny_encoder)
    output = tft.TFTransformOutput(str(toy_transform / "graph"))
    export_model(ServingModel(network, output, ("a", "b", "c", "d"), vocabulary), str(tmp_path / "model"), {})

    found = operations(tmp_path / "model")

    assert found >= TEXT_OPERATIONS, "the model has its tokenizer in it"
    assert found - of_the_server == set()
    # Whoever gets a copy of the folder may name it with --model.
    require_harmless(str(tmp_path / "model"))
    # What is loaded can go again: TensorFlow keeps gradients, and the graphs that they are of, for ever.
    _load(tmp_path / "model")
    before = _graphs()
    _load(tmp_path / "model")
    assert _graphs() == before
    # Registered there as well, and of no use without the Python process that exported the model.
    assert not [name for name in found if "PyFunc" in name]


def _load(folder: Path) -> None:
    assert tf.saved_model.load(str(folder)).signatures


def _graphs() -> int:
    gc.collect()
    return sum(isinstance(each, FuncGraph) for each in gc.get_objects())


def test_the_recorded_list_is_one_that_lets_a_test_fail(of_the_server: set[str]) -> None:
    assert of_the_server >= {"MatMul", "Softmax", "VarHandleOp", "ParseExampleV2", *TEXT_OPERATIONS}
    assert "FastBertNormalize2" not in of_the_server
    assert 1500 < len(of_the_server) < 2500
