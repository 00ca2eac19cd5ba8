"""Transform: what it writes, and what a server does with its graph."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
import tensorflow_transform as tft

from agnews.components.text.vocabulary import EMBEDDED, load_vocabulary
from agnews.components.transform import preprocessing_fn
from agnews.schemas.features import HAS_MARKUP, LABEL, NUM_WORDS, ROW, TEXT, TOKEN_IDS, VOCABULARY_FILE

TransformRaw = Callable[[Path, Mapping[str, Any]], None]
SETTINGS = {"vocabulary": EMBEDDED, "lowercase": True, "max_length": 32, "code_version": "1"}
# TF Text's ops that TF Serving 2.20 has linked in.
TEXT_OPS = {"FastWordpieceTokenizeWithOffsets", "NormalizeUTF8"}


@pytest.fixture(scope="module")
def golden(repository: Path) -> list[dict[str, Any]]:
    """Texts and their word pieces, reviewed by eye: `text`, `label`, `pieces`."""
    rows: list[dict[str, Any]] = json.loads((repository / "tests" / "golden" / "transformed_rows.json").read_text())
    return rows


@pytest.fixture(scope="module")
def transformed(
    transform_raw: TransformRaw, golden: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """What Transform made of the golden rows: folders `graph` and `examples`."""
    return run_transform(transform_raw, golden, tmp_path_factory.mktemp("transform"), SETTINGS)


def run_transform(
    transform_raw: TransformRaw, golden: list[dict[str, Any]], root: Path, settings: dict[str, Any]
) -> Path:
    for split, rows in {"train": golden, "eval": golden[:1], "test": []}.items():
        (root / "raw" / f"Split-{split}").mkdir(parents=True)
        options = tf.io.TFRecordOptions(compression_type="GZIP")
        with tf.io.TFRecordWriter(str(root / "raw" / f"Split-{split}" / "rows.gz"), options) as writer:
            for number, row in enumerate(rows):
                writer.write(example(row["text"], row["label"], number))
    transform_raw(root, settings)
    return root


def example(text: str, label: int, row: int) -> bytes:
    def integer(value: int) -> tf.train.Feature:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))

    def string(value: str) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))

    feature = {
        TEXT: string(text),
        LABEL: integer(label),
        NUM_WORDS: integer(len(text.split())),
        HAS_MARKUP: string("no"),
        ROW: integer(row + 1),
    }
    made: bytes = tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()
    return made


@pytest.mark.integration
def test_a_learnt_vocabulary_lies_beside_the_graph_that_cuts_texts_into_it(
    transform_raw: TransformRaw, tmp_path: Path
) -> None:
    """In Hebrew letters, of which no word is in the vocabulary that comes along."""
    words = ["\u05e9\u05dc\u05d5\u05dd", "\u05d9\u05e8\u05d5\u05e9\u05dc\u05d9\u05dd", "\u05de\u05e9\u05d7\u05e7"]
    rows = [{"text": f"{words[row % 3]} {words[(row + 1) % 3]}", "label": row % 4} for row in range(30)]
    learn = {"vocabulary": "learn", "vocabulary_size": 256, "lowercase": True, "max_length": 8}
    root = run_transform(transform_raw, rows, tmp_path / "learnt", learn)
    known = run_transform(transform_raw, rows, tmp_path / "known", {**SETTINGS, "max_length": 8})

    pieces = (root / "graph" / VOCABULARY_FILE).read_text().splitlines()
    assert set(words) <= set(pieces)
    (_, first, second, end, *_) = ask(root, f"{words[0]} {words[2]}")
    assert [pieces[first], pieces[second], pieces[end]] == [words[0], words[2], "[SEP]"]
    # The one that comes along spells the same text, letter by letter, and lies there too.
    assert (known / "graph" / VOCABULARY_FILE).read_text().splitlines() == list(load_vocabulary(EMBEDDED).tokens)
    assert ask(known, words[0])[:5] != ask(root, words[0])[:5]


def ask(root: Path, text: str) -> list[int]:
    answer = tft.TFTransformOutput(str(root / "graph")).transform_raw_features(
        {TEXT: tf.constant([text])}, drop_unused_features=True
    )
    ids: list[int] = tf.sparse.to_dense(answer[TOKEN_IDS]).numpy()[0].tolist()
    return ids


@pytest.mark.integration
def test_transformed_rows_are_the_golden_ones(transformed: Path, golden: list[dict[str, Any]]) -> None:
    tokens = load_vocabulary(EMBEDDED).tokens
    dataset = tf.data.TFRecordDataset(
        tf.io.gfile.glob(str(transformed / "examples" / "Split-train" / "*")), compression_type="GZIP"
    )
    found = []
    for record in dataset.as_numpy_iterator():
        feature = tf.train.Example.FromString(record).features.feature
        assert set(feature) == {TOKEN_IDS, LABEL}
        found.append(
            {
                "pieces": " ".join(tokens[token] for token in feature[TOKEN_IDS].int64_list.value),
                "label": feature[LABEL].int64_list.value[0],
            }
        )
    assert found == [{"pieces": row["pieces"], "label": row["label"]} for row in golden]


@pytest.mark.integration
def test_a_trainer_reads_token_ids_without_padding(transformed: Path) -> None:
    spec = tft.TFTransformOutput(str(transformed / "graph")).transformed_feature_spec()
    assert isinstance(spec[TOKEN_IDS], tf.io.VarLenFeature)
    assert spec[TOKEN_IDS].dtype == tf.int64
    assert spec[LABEL] == tf.io.FixedLenFeature([], tf.int64)


@pytest.mark.integration
def test_the_graph_needs_no_op_that_a_server_lacks(transformed: Path) -> None:
    graph = tf.saved_model.load(str(transformed / "graph" / "transform_fn")).signatures["serving_default"].graph
    names = {node.op for node in graph.as_graph_def().node}
    names |= {node.op for function in graph.as_graph_def().library.function for node in function.node_def}
    assert {name for name in names if tf.raw_ops.__dict__.get(name) is None} - {"Placeholder"} <= TEXT_OPS
    # Tables would need an initialiser to be run by whoever loads the model.
    assert not [name for name in names if "Table" in name or "Variable" in name or name == "EagerPyFunc"]


SERVER = """
import sys
import tensorflow as tf
import tensorflow_text

model = tf.saved_model.load(sys.argv[1])
lines = [line.removesuffix("\\n") for line in open(sys.argv[2], encoding="utf-8", newline="\\n")]
for batch in (lines, lines[:1], []):
    for ids in model.tokenize(tf.constant(batch, tf.string)).to_list():
        print(*ids)
assert not [name for name in sys.modules if name.split(".")[0] in ("agnews", "tfx", "tensorflow_transform")]
"""


@pytest.mark.integration
def test_a_process_with_tensorflow_text_alone_makes_the_tokens_of_training(
    transformed: Path, golden: list[dict[str, Any]], tmp_path: Path
) -> None:
    transform = tft.TFTransformOutput(str(transformed / "graph"))

    class Model(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = transform.transform_features_layer()

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def tokenize(self, text: tf.Tensor) -> tf.RaggedTensor:
            # Only the text: nobody who asks knows the label, and the rest is not needed.
            return tf.RaggedTensor.from_sparse(self.features({TEXT: text})[TOKEN_IDS])

    tf.saved_model.save(Model(), str(tmp_path / "model"))
    texts = [row["text"] for row in golden if "\n" not in row["text"]]
    (tmp_path / "texts").write_text("".join(f"{text}\n" for text in texts), encoding="utf-8", newline="\n")
    done = subprocess.run(
        [sys.executable, "-c", SERVER, str(tmp_path / "model"), str(tmp_path / "texts")],
        check=True,
        capture_output=True,
        text=True,
    )
    tokens = load_vocabulary(EMBEDDED).tokens
    pieces = [row["pieces"] for row in golden if "\n" not in row["text"]]
    found = [" ".join(tokens[int(token)] for token in line.split()) for line in done.stdout.splitlines()]
    assert found == [*pieces, pieces[0]]


def test_every_setting_matters() -> None:
    inputs = {TEXT: tf.constant(["Straße naïve of a long text"]), LABEL: tf.constant([3], tf.int64)}

    def ids(**changed: Any) -> list[int]:
        outputs = preprocessing_fn(inputs, SETTINGS | changed)
        assert outputs[LABEL] is inputs[LABEL]
        values: list[int] = outputs[TOKEN_IDS].values.numpy().tolist()
        return values

    assert ids() != ids(lowercase=False)
    assert len(ids(max_length=5)) == 5
    assert ids(max_length=5)[:-1] == ids()[:4]
