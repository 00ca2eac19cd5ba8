"""The Trainer as TFX runs it, and the model that it leaves."""

from __future__ import annotations

import json
import os
import shutil
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

from agnews.components.encoders.convert_checkpoint import export_checkpoint
from agnews.components.encoders.hugging_face_checkpoint import open_checkpoint
from agnews.components.encoders.resolve_encoder import resolve_encoder
from agnews.components.encoders.safetensors_file import SafetensorsFile, write_safetensors
from agnews.components.modeling.pooled_encoder import PooledEncoder
from agnews.components.training.find_temperature import find_temperature
from agnews.components.training.warm_start import WEIGHT_NAMES
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.errors import AgnewsError
from agnews.schemas.features import (
    CLASS_ID,
    CONTRIBUTIONS,
    EXPLAIN,
    LABEL,
    PADDING_MASK,
    PROBABILITIES,
    SERVE_TEXT,
    TEXT,
    TOKEN_IDS,
    TOKENS,
    TRANSFORM_FEATURES,
)

pytestmark = pytest.mark.integration

MODEL: dict[str, object] = {"hidden_dim": 16, "num_heads": 2, "intermediate_dim": 32, "word_dropout": 0.1}
TRAINING = {"epochs": 10, "batch_size": 16, "learning_rate": 0.02, "average_decay": 0.9, "label_smoothing": 0.0}


def run_trainer(
    transformed: Path,
    root: Path,
    training: dict[str, object],
    base_model: Path | None = None,
    model: dict[str, object] = MODEL,
) -> Path:
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
        "model": model,
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


def test_a_linear_model_is_trained_explained_and_kept_like_any_other(toy_transform: Path, tmp_path: Path) -> None:
    served = run_trainer(toy_transform, tmp_path, {}, model={"kind": "linear", "buckets": 65_536})

    rows = eval_rows(toy_transform)
    texts = tf.constant([row.features.feature[TEXT].bytes_list.value[0] for row in rows])
    labels = np.array([row.features.feature[LABEL].int64_list.value[0] for row in rows])
    model = tf.saved_model.load(str(served))
    answer = model.signatures[SERVE_TEXT](text=texts)
    is_right = answer[CLASS_ID].numpy() == labels
    assert np.mean(is_right) > 0.85
    assert find_temperature(np.log(answer[PROBABILITIES]), labels) == pytest.approx(1.0, abs=0.02)
    document = json.loads((tmp_path / "model_run" / "training.json").read_text())
    (entry,) = document["curve"]
    assert (document["best_epoch"], entry["epoch"]) == (1, 1.0)
    assert entry["val_accuracy"] == pytest.approx(np.mean(is_right)), "served is what was measured in training"
    assert entry["val_loss"] == pytest.approx(-np.log(answer[PROBABILITIES].numpy()[range(len(labels)), labels]).mean())

    explained = model.signatures[EXPLAIN](text=texts)
    tokens, contributions = explained[TOKENS].numpy().astype(str), explained[CONTRIBUTIONS].numpy()
    np.testing.assert_allclose(explained[PROBABILITIES], answer[PROBABILITIES], atol=1e-5)
    strongest = tokens[np.arange(len(texts)), contributions.argmax(axis=1)]
    is_keyword = np.array([not word.startswith(("word", "[")) for word in strongest])
    assert np.mean(is_keyword[is_right]) > 0.95


def test_an_ensemble_is_as_right_as_its_linear_member_and_explained(toy_transform: Path, tmp_path: Path) -> None:
    model: dict[str, object] = {"kind": "ensemble", "network": MODEL, "linear": {"buckets": 65_536}}
    served = run_trainer(toy_transform, tmp_path / "ensemble", TRAINING, model=model)
    linear = run_trainer(toy_transform, tmp_path / "linear", {}, model={"kind": "linear", "buckets": 65_536})

    rows = eval_rows(toy_transform)
    texts = tf.constant([row.features.feature[TEXT].bytes_list.value[0] for row in rows])
    labels = np.array([row.features.feature[LABEL].int64_list.value[0] for row in rows])
    loaded = tf.saved_model.load(str(served))
    answer = loaded.signatures[SERVE_TEXT](text=texts)

    def loss(probabilities: tf.Tensor) -> float:
        return float(-np.log(probabilities.numpy()[np.arange(len(labels)), labels]).mean())

    alone = tf.saved_model.load(str(linear)).signatures[SERVE_TEXT](text=texts)
    # Weighed on these very rows, so the sum cannot be worse than a member; labels are smoothed by one row in all.
    assert loss(answer[PROBABILITIES]) < loss(alone[PROBABILITIES]) + 0.01
    assert find_temperature(np.log(answer[PROBABILITIES]), labels) == pytest.approx(1.0, abs=0.05)
    facts = json.loads((served / "assets.extra" / "model.json").read_text())
    assert [member["name"] for member in facts["members"]] == ["transformer", "linear"]
    assert facts["members"][1]["eval_accuracy"] == pytest.approx(
        np.mean(alone[PROBABILITIES].numpy().argmax(axis=1) == labels)
    )
    explained = loaded.signatures[EXPLAIN](text=texts)
    np.testing.assert_allclose(explained[PROBABILITIES], answer[PROBABILITIES], atol=1e-5)
    tokens, contributions = explained[TOKENS].numpy().astype(str), explained[CONTRIBUTIONS].numpy()
    strongest = tokens[np.arange(len(texts)), contributions.argmax(axis=1)]
    is_right = answer[CLASS_ID].numpy() == labels
    assert np.mean([not word.startswith(("word", "[")) for word in strongest[is_right]]) > 0.9


@pytest.fixture(params=["distilbert", "electra_small"])
def toy_encoder(request: pytest.FixtureRequest, repository: Path, toy_transform: Path, tmp_path: Path) -> Path:
    """A tiny checkpoint of a family, with the word pieces of the toy texts."""
    folder = tmp_path / "encoder"
    shutil.copytree(repository / "tests" / "golden" / "hugging_face_bert" / request.param, folder)
    shutil.copy(toy_transform / "vocab.txt", folder)
    size = len((folder / "vocab.txt").read_text().splitlines())
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "vocab_size": size}))
    file = SafetensorsFile(folder / "model.safetensors")
    weights = {name: file.read(name) for name in file.shapes}
    (words,) = (name for name in weights if name.endswith("word_embeddings.weight"))
    weights[words] = weights[words][:size].copy()
    # Encoders have seen texts, and words of a kind are alike to them: six keywords of each class end the vocabulary.
    of_class = weights[words][-24:].reshape(4, 6, -1)
    of_class[:, :, :4] += 8.0 * np.eye(4, dtype=np.float32)[:, None, :]
    write_safetensors(folder / "model.safetensors", weights)
    return folder


@pytest.mark.parametrize("section", ["model", "model.network"])
def test_what_an_encoder_lacks_is_named_as_the_user_writes_it(
    section: str, toy_encoder: Path, toy_transform: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGNEWS_CACHE", str(tmp_path / "cache"))
    network: dict[str, object] = {"kind": "bert_frozen", "encoder": str(toy_encoder), "pooling": "pooled"}
    model: dict[str, object] = network if section == "model" else {"kind": "ensemble", "network": network}
    with pytest.raises(AgnewsError, match="without the layer that `pooled` needs") as caught:
        run_trainer(toy_transform, tmp_path, TRAINING, model=model)
    assert f"--set {section}.pooling=mean" in str(caught.value.fix)


@pytest.mark.parametrize("kind", ["bert_frozen", "bert_finetune"])
def test_encoders_of_other_families_are_trained_served_and_taken_out_again(
    kind: str, toy_encoder: Path, toy_transform: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGNEWS_CACHE", str(tmp_path / "cache"))
    settings = {"kind": kind, "encoder": str(toy_encoder), "dropout": 0.0}
    served = run_trainer(toy_transform, tmp_path, TRAINING, model=settings)
    export_checkpoint(served, tmp_path / "out")

    # What is served.
    rows = eval_rows(toy_transform)
    texts = tf.constant([row.features.feature[TEXT].bytes_list.value[0] for row in rows])
    labels = [row.features.feature[LABEL].int64_list.value[0] for row in rows]
    model = tf.saved_model.load(str(served))
    answer = model.signatures[SERVE_TEXT](text=texts)
    curve = json.loads((tmp_path / "model_run" / "training.json").read_text())["curve"]
    assert curve[-1]["loss"] < 0.98 * curve[0]["loss"]
    # A frozen encoder of random weights leaves little to learn from.
    assert kind == "bert_frozen" or np.mean(answer[CLASS_ID].numpy() == labels) > 0.7
    explained = model.signatures[EXPLAIN](text=texts)
    np.testing.assert_allclose(explained[PROBABILITIES], answer[PROBABILITIES], atol=1e-5)
    assert np.ptp(explained[CONTRIBUTIONS].numpy()) > 0.1

    # What was taken out is of the same family, and with the served head it says the same.
    before, after = open_checkpoint(toy_encoder), open_checkpoint(tmp_path / "out")
    assert after.config == before.config
    original, written = (SafetensorsFile(each / "model.safetensors") for each in (toy_encoder, tmp_path / "out"))
    changed = {
        plain
        for plain, name in before.stored_names.items()
        if not np.array_equal(original.read(name), written.read(after.stored_names[plain]))
    }
    assert changed == (set(before.stored_names) if kind == "bert_finetune" else set())
    seen = model.signatures[TRANSFORM_FEATURES](serialized=tf.constant([row.SerializeToString() for row in rows]))
    encoder = PooledEncoder(
        str(resolve_encoder(str(tmp_path / "out")).folder), pooling="mean", trainable=False, name="again"
    )
    features = encoder({TOKEN_IDS: seen[TOKEN_IDS], PADDING_MASK: seen[PADDING_MASK]})
    reader = tf.train.load_checkpoint(str(served / "variables" / "variables"))
    facts = json.loads((served / "assets.extra" / "model.json").read_text())
    kernel, bias = (
        reader.get_tensor(f"_weights/{place}/.ATTRIBUTES/VARIABLE_VALUE")
        for place, name in enumerate(facts[WEIGHT_NAMES])
        if "logits/" in name
    )
    np.testing.assert_allclose(
        tf.nn.softmax((features @ kernel + bias) / facts["temperature"]), answer[PROBABILITIES], atol=1e-4
    )
