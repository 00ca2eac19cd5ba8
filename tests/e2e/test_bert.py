"""Models with a pre-trained encoder, cut to two layers, through the whole pipeline. The tests build on each other."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from agnews.components.encoders.convert_checkpoint import export_checkpoint
from agnews.components.encoders.safetensors_file import SafetensorsFile
from agnews.components.text.vocabulary import find_embedded_encoder
from agnews.pipeline.load_config import load_config
from agnews.pipeline.local.live_view import LiveView
from agnews.pipeline.paths import new_run_id, prepare_root
from agnews.schemas.run_report import RunReport

pytestmark = pytest.mark.e2e

Run = Callable[..., RunReport]

QUICK = ("data.limit=600", "model.num_layers=2", "evaluation.min_accuracy=0.5", "evaluation.min_class_recall=0.3")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("root")


@pytest.fixture(scope="module")
def run(root: Path) -> Run:
    def run(model: str, *settings: str) -> RunReport:
        from agnews.pipeline.local.run_locally import RunRequest, run_locally
        from agnews.pipeline.reports.describe_node import describe_node

        request = RunRequest(
            config=load_config(model, [*QUICK, *settings]),
            paths=prepare_root(root),
            run_id=new_run_id(),
            command="agnews run",
        )
        with (
            LiveView(Console(file=io.StringIO()), "", describe_node) as view,
            pytest.MonkeyPatch.context() as environment,
        ):
            environment.setenv("AGNEWS_CACHE", str(root / "cache"))
            return run_locally(request, view)

    return run


@pytest.fixture(scope="module")
def frozen(run: Run) -> RunReport:
    return run("bert_frozen")


def facts(report: RunReport) -> dict[str, object]:
    assert report.pushed_model is not None
    found: dict[str, object] = json.loads((Path(report.pushed_model) / "assets.extra" / "model.json").read_text())
    return found


def test_a_frozen_encoder_ends_as_a_pushed_model_that_takes_raw_text(frozen: RunReport) -> None:
    import tensorflow as tf
    import tensorflow_text  # noqa: F401 - registers the operations of the tokenizer

    assert frozen.blessed
    assert frozen.pushed_model is not None
    model = tf.saved_model.load(frozen.pushed_model)
    answer = model.signatures["serving_default"](tf.constant(["Stocks rise", ""]))
    assert answer["probabilities"].shape == (2, 4)
    np.testing.assert_allclose(tf.reduce_sum(answer["probabilities"], axis=1), 1.0, atol=1e-5)


def test_only_the_head_was_trained(frozen: RunReport) -> None:
    told = facts(frozen)
    width, hidden, classes = 2 * 384, 512, 4  # the means of both layers
    assert told["trained_parameters"] == width * hidden + hidden + hidden * classes + classes
    assert told["parameters"] > 10_000_000  # type: ignore[operator]
    assert len(str(told["encoder_sha256"])) == 64


def test_training_again_with_other_settings_does_not_run_the_encoder_again(
    run: Run, frozen: RunReport, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "agnews.components.training.extract_features"):
        report = run("bert_frozen", "training.epochs=2")

    assert report.nodes["Trainer"].state == "done"
    assert report.nodes["Transform"].state == "cached"
    assert "600 rows: 0 computed, 600 from" in caplog.text


def test_a_fine_tuned_encoder_shares_the_data_steps_and_can_be_taken_out_again(
    run: Run, root: Path, frozen: RunReport, tmp_path: Path
) -> None:
    settings = ("training.epochs=1", "text.max_length=128", "model.frozen_layers=1", "training.learning_rate=3e-4")
    report = run("bert_finetune", *settings)

    assert report.nodes["Transform"].state == "cached"
    assert report.nodes["Evaluator"].state == "done"
    assert report.baseline == Path(str(frozen.pushed_model)).name
    assert report.metrics is not None
    assert report.metrics.accuracy > 0.5
    newest = max((root / "artifacts" / "Trainer" / "model").iterdir(), key=lambda folder: int(folder.name))
    export_checkpoint(newest / "Format-Serving", tmp_path / "out")
    tuned, original = (
        SafetensorsFile(folder / "model.safetensors")
        for folder in (tmp_path / "out", find_embedded_encoder(instead=""))
    )
    first, second = (f"encoder.layer.{layer}.output.dense.weight" for layer in (0, 1))
    np.testing.assert_array_equal(tuned.read(first), original.read(first))
    assert np.abs(tuned.read(second) - original.read(second)).max() > 1e-4


@pytest.mark.long
def test_the_frozen_encoder_is_exported_judged_and_pushed_and_nothing_is_trained_again(
    run: Run, frozen: RunReport
) -> None:
    for name in ("openvino", "nncf"):
        pytest.importorskip(name, reason="the extra openvino is not installed")
    report = run("bert_frozen", "export.formats=[openvino]", "export.precision=int8", "evaluation.margin=0.05")

    assert report.nodes["Trainer"].state == "cached"
    assert {report.nodes[node].state for node in ("Exporter", "Evaluator", "SmokeTest", "Pusher")} == {"done"}
    assert report.documents.evaluation is not None
    (outcome,) = report.documents.evaluation.exports
    assert outcome.passed
    # An encoder is faster in OpenVINO, so that the figures are those of its answers.
    assert outcome.answers
    assert outcome.milliseconds < outcome.tensorflow_milliseconds
    assert report.pushed_model is not None
    assert (Path(report.pushed_model) / "assets.extra" / "engines" / "openvino-int8" / "export.json").is_file()
