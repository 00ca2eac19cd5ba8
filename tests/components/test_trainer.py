"""The Trainer as TFX runs it, and the model that it leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tfx.components.trainer.executor import GenericExecutor
from tfx.proto import trainer_pb2
from tfx.types import standard_artifacts
from tfx.types.artifact import Artifact
from tfx.utils import proto_utils

from agnews.components.training.train_classifier import find_temperature
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.errors import AgnewsError
from agnews.schemas.features import CLASS_ID, CONTRIBUTIONS, EXPLAIN, LABEL, TEXT, TOKENS

pytestmark = pytest.mark.integration

MODEL = {"hidden_dim": 16, "num_heads": 2, "intermediate_dim": 32, "word_dropout": 0.1}
TRAINING = {"epochs": 10, "batch_size": 16, "learning_rate": 0.02, "average_decay": 0.9, "label_smoothing": 0.0}


def run_trainer(transformed: Path, root: Path, training: dict[str, object], base_model: Path | None = None) -> Path:
    """Runs TFX's Trainer with our run_fn and returns the folder of the served model."""

    def artifact(kind: type[Artifact], folder: Path) -> Artifact:
        made = kind()
        made.uri = str(folder)
        if kind is standard_artifacts.Examples:
            made.split_names = '["train", "eval"]'
        return made

    config = {
        "corpus": packaged_corpus().canonical(),
        "text": {"vocabulary": str(transformed / "vocab.txt"), "lowercase": True, "max_length": 16},
        "model": MODEL,
        "training": training,
        "devices": {},
        "scratch_uri": str(root / "scratch"),
        "code_version": "1",
    }
    GenericExecutor().Do(
        {
            "examples": [artifact(standard_artifacts.Examples, transformed / "examples")],
            "transform_graph": [artifact(standard_artifacts.TransformGraph, transformed / "graph")],
            "schema": [artifact(standard_artifacts.Schema, transformed / "schema")],
            "base_model": [artifact(standard_artifacts.Model, base_model)] if base_model else [],
        },
        {
            "model": [artifact(standard_artifacts.Model, root / "model")],
            "model_run": [artifact(standard_artifacts.ModelRun, root / "model_run")],
        },
        {
            "run_fn": "agnews.components.trainer.run_fn",
            "train_args": proto_utils.proto_to_json(trainer_pb2.TrainArgs(splits=["train"])),
            "eval_args": proto_utils.proto_to_json(trainer_pb2.EvalArgs(splits=["eval"])),
            "custom_config": json.dumps(config),
            "module_file": None,
            "module_path": None,
        },
    )
    return root / "model" / "Format-Serving"


@pytest.fixture(scope="module")
def trained(toy_transform: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the outputs `model` and `model_run`."""
    root = tmp_path_factory.mktemp("trained")
    run_trainer(toy_transform, root, TRAINING)
    return root


def eval_rows(transformed: Path) -> list[tf.train.Example]:
    files = tf.io.gfile.glob(str(transformed / "raw" / "Split-eval" / "*"))
    records = tf.data.TFRecordDataset(files, compression_type="GZIP")
    return [tf.train.Example.FromString(record) for record in records.as_numpy_iterator()]


def test_the_exported_model_has_learnt_its_classes_in_a_process_of_its_own(
    trained: Path, toy_transform: Path, tmp_path: Path
) -> None:
    rows = eval_rows(toy_transform)
    texts = [row.features.feature[TEXT].bytes_list.value[0].decode() for row in rows]
    labels = [row.features.feature[LABEL].int64_list.value[0] for row in rows]
    script = """
import json, sys
import tensorflow as tf
import tensorflow_text
model = tf.saved_model.load(sys.argv[1])
answer = model.signatures["serving_default"](text=tf.constant(json.load(sys.stdin)))
nothing = model.signatures["serving_default"](text=tf.constant([], tf.string))
print(json.dumps({
    "label": [label.decode() for label in answer["label"].numpy()],
    "class_id": answer["class_id"].numpy().tolist(),
    "probabilities": answer["probabilities"].numpy().tolist(),
    "shapes_of_nothing": {name: value.shape.as_list() for name, value in nothing.items()},
    "ours": [name for name in sys.modules if name.split(".")[0] in ("agnews", "tfx", "tensorflow_transform")],
}))
"""
    environment = {name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}
    done = subprocess.run(
        [sys.executable, "-c", script, str(trained / "model" / "Format-Serving")],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=environment,
    )
    answer = json.loads(done.stdout)

    assert answer["ours"] == []
    assert np.mean(np.array(answer["class_id"]) == labels) > 0.85
    np.testing.assert_array_equal(np.argmax(answer["probabilities"], axis=1), answer["class_id"])
    np.testing.assert_allclose(np.sum(answer["probabilities"], axis=1), 1.0, atol=1e-5)
    assert find_temperature(np.log(answer["probabilities"]), np.array(labels)) == pytest.approx(1.0, abs=0.02)
    names = ("World", "Sports", "Business", "Sci/Tech")
    assert answer["label"] == [names[each] for each in answer["class_id"]]
    assert answer["shapes_of_nothing"] == {"class_id": [0], "label": [0], "probabilities": [0, 4]}


def test_the_keyword_of_the_class_is_what_speaks_for_it_most(trained: Path, toy_transform: Path) -> None:
    """In each toy text one word decides, and the model has learnt which."""
    rows = eval_rows(toy_transform)
    texts = [row.features.feature[TEXT].bytes_list.value[0].decode() for row in rows]
    model = tf.saved_model.load(str(trained / "model" / "Format-Serving"))

    answer = model.signatures[EXPLAIN](text=tf.constant(texts))

    tokens, contributions = answer[TOKENS].numpy().astype(str), answer[CONTRIBUTIONS].numpy()
    is_right = [
        row.features.feature[LABEL].int64_list.value[0] == found
        for row, found in zip(rows, answer[CLASS_ID].numpy(), strict=True)
    ]
    strongest = tokens[np.arange(len(texts)), contributions.argmax(axis=1)]
    is_keyword = [not word.startswith(("word", "[")) for word in strongest]
    assert np.mean(np.array(is_keyword)[is_right]) > 0.95
    assert np.all(contributions.max(axis=1)[is_right] > 0.0)


def test_the_curve_and_the_facts_are_kept_beside_the_model(trained: Path, toy_transform: Path) -> None:
    document = json.loads((trained / "model_run" / "training.json").read_text())
    facts = json.loads((trained / "model" / "Format-Serving" / "assets.extra" / "model.json").read_text())

    assert 1 <= document["best_epoch"] <= len(document["curve"]) <= 10
    best = min(document["curve"], key=lambda entry: entry["val_loss"])
    assert best["val_loss"] == document["curve"][document["best_epoch"] - 1]["val_loss"]
    assert document["config"]["model"] == MODEL
    assert list((trained / "model_run").glob("*/events.out.tfevents.*"))
    assert facts["class_names"] == ["World", "Sports", "Business", "Sci/Tech"]
    assert facts["train_rows"] == 240
    assert facts["parameters"] > 0
    assert facts["temperature"] != 1.0
    assert len(facts["vocabulary_sha256"]) == 64


def test_the_export_holds_weights_and_no_optimizer(trained: Path, toy_transform: Path) -> None:
    reader = tf.train.load_checkpoint(str(trained / "model" / "Format-Serving" / "variables" / "variables"))
    facts = json.loads((trained / "model" / "Format-Serving" / "assets.extra" / "model.json").read_text())

    shapes = reader.get_variable_to_shape_map().items()
    stored = sum(np.prod(shape, dtype=int) for name, shape in shapes if name != "_CHECKPOINTABLE_OBJECT_GRAPH")
    # Beside what was trained: the table of frequent tokens, and a counter that the transform graph may bring along.
    tokens = len((toy_transform / "vocab.txt").read_text().splitlines())
    assert facts["parameters"] + tokens <= stored <= facts["parameters"] + tokens + 8


def test_training_that_goes_astray_fails_the_step_and_exports_nothing(toy_transform: Path, tmp_path: Path) -> None:
    with pytest.raises(AgnewsError, match="not a number"):
        run_trainer(toy_transform, tmp_path, {**TRAINING, "learning_rate": 1e30, "clip_norm": None})

    assert not (tmp_path / "model" / "Format-Serving").exists()


@pytest.mark.parametrize("first", [False, True], ids=["in production", "none yet"])
def test_a_warm_start_goes_on_from_the_model_in_production(
    trained: Path, toy_transform: Path, tmp_path: Path, first: bool
) -> None:
    base = tmp_path / "empty" if first else trained / "model"
    settings = {**TRAINING, "epochs": 1, "learning_rate": 1e-6, "warm_start": True}

    run_trainer(toy_transform, tmp_path, settings, base)

    document = json.loads((tmp_path / "model_run" / "training.json").read_text())
    before = json.loads((trained / "model_run" / "training.json").read_text())
    best = min(entry["val_loss"] for entry in before["curve"])
    if first:
        assert "no model in production yet" in document["warm_start"]
        assert document["curve"][0]["val_loss"] > 2 * best
    else:
        assert document["curve"][0]["val_loss"] == pytest.approx(best, rel=0.01)
    assert document["devices"]["taken"]["global_batch_size"] == 16
    assert not list((tmp_path / "scratch").glob("training/*")), "the backup is removed once the model is exported"
