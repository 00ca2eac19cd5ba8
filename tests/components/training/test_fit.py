from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from agnews.components.modeling.factory import build_model
from agnews.components.optimization.adamw import create_adamw
from agnews.components.training.fit import FitResult, fit
from agnews.components.training.token_rows import TokenRows, length_bucketed_dataset
from agnews.schemas.errors import AgnewsError
from agnews.schemas.learning_config import TrainingConfig, parse_model_config
from agnews.schemas.progress import LOGGER, Progress

MakeRows = Callable[..., TokenRows]

MODEL = {"hidden_dim": 8, "num_heads": 2, "intermediate_dim": 16, "head_dim": 8, "bigram_buckets": 500}


def build() -> keras.Model:
    return build_model(
        parse_model_config(MODEL),
        token_counts=np.ones(30, np.int64),
        unknown_id=1,
        special_ids=(0, 2, 3),
        max_length=16,
        num_classes=4,
    ).network


def train(network: keras.Model, rows: TokenRows, evaluation: TokenRows, **settings: object) -> FitResult:
    defaults = {
        "epochs": 6,
        "batch_size": 16,
        "learning_rate": 0.02,
        "warmup_share": 0.1,
        "weight_decay": 0.01,
        "create_optimizer": partial(create_adamw, weight_decays={"bias": 0.0}),
        "label_smoothing": 0.0,
        "clip_norm": 1.0,
        "patience": 6,
        "average_decay": 0.0,
        "seed": 4,
    }
    given = {**defaults, **settings}
    how = {name: given.pop(name) for name in TrainingConfig.model_fields if name in given}
    return fit(network, rows, evaluation, TrainingConfig.model_validate(how), **given)


def accuracy(network: keras.Model, rows: TokenRows) -> float:
    right = [
        np.argmax(network(features), axis=-1) == labels
        for features, labels in length_bucketed_dataset(rows, batch_size=7)
    ]
    return float(np.mean(np.concatenate(right)))


def test_learns_what_can_be_learnt_and_keeps_the_curve(make_rows: MakeRows) -> None:
    keras.utils.set_random_seed(0)
    rows, evaluation = make_rows(600), make_rows(100, seed=1)
    network = build()

    result = train(network, rows, evaluation, label_smoothing=0.05)

    assert accuracy(network, evaluation) > 0.95
    assert [entry["epoch"] for entry in result.curve] == [1, 2, 3, 4, 5, 6]
    last = result.curve[-1]
    assert last["learning_rate"] == pytest.approx(0.0, abs=1e-6)
    assert last["loss"] < result.curve[0]["loss"]
    assert last["val_loss"] < result.curve[0]["val_loss"]
    assert last["rows_per_second"] > 0
    assert last["seconds"] > 0


@pytest.mark.parametrize("average_decay", [0.0, 0.9])
def test_stops_early_and_ends_with_the_best_weights(make_rows: MakeRows, average_decay: float) -> None:
    keras.utils.set_random_seed(0)
    # Labels are noise, so the eval loss rises as the training rows are memorised: the last epoch is not the best one.
    rows, evaluation = make_rows(120, wrong=1.0), make_rows(60, seed=1, wrong=1.0)
    network = build()

    result = train(network, rows, evaluation, epochs=40, patience=2, average_decay=average_decay)

    found = [entry["val_loss"] for entry in result.curve]
    assert len(result.curve) < 40
    assert len(result.curve) == result.best_epoch + 2
    assert found[result.best_epoch - 1] == min(found)
    best = result.curve[result.best_epoch - 1]
    assert accuracy(network, evaluation) == pytest.approx(best["val_accuracy"], abs=1e-6)
    assert found[-1] > min(found)


def test_the_same_seed_gives_the_same_weights_and_history(make_rows: MakeRows) -> None:
    weights, curves = [], []
    for seed in (3, 3, 5):
        keras.utils.set_random_seed(seed)
        network = build()
        result = train(network, make_rows(90), make_rows(30, seed=1), epochs=2, seed=seed)
        weights.append(np.concatenate([weight.ravel() for weight in network.get_weights()]))
        curves.append([(entry["loss"], entry["val_loss"], entry["val_accuracy"]) for entry in result.curve])

    np.testing.assert_array_equal(weights[0], weights[1])
    assert curves[0] == curves[1]
    assert not np.array_equal(weights[0], weights[2])


def test_lengths_do_not_make_tensorflow_trace_again(make_rows: MakeRows) -> None:
    network = build()

    train(network, make_rows(300), make_rows(60, seed=1), epochs=2)

    assert network.train_function.experimental_get_tracing_count() == 1
    assert network.test_function.experimental_get_tracing_count() == 1


def test_a_loss_that_is_no_number_stops_the_run(make_rows: MakeRows) -> None:
    network = build()
    network.logits.bias.assign([np.nan] * 4)

    with pytest.raises(AgnewsError, match="not a number") as caught:
        train(network, make_rows(50), make_rows(20))

    assert "learning_rate" in caught.value.fix


def test_progress_counts_steps_and_shows_figures(make_rows: MakeRows, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger=LOGGER.name):
        train(build(), make_rows(50), make_rows(20), epochs=2)

    reports: list[Progress] = [vars(record)["progress"] for record in caplog.records if record.name == LOGGER.name]
    assert {report.node for report in reports} == {"Trainer"}
    assert [report.done for report in reports] == [4, 4, 8, 8]
    assert {report.total for report in reports} == {8}
    assert reports[-1].unit == "steps"
    assert {"epoch", "loss", "accuracy", "val_accuracy", "rows_per_second"} <= reports[-1].metrics.keys()


def test_tensorboard_finds_the_curve(make_rows: MakeRows, tmp_path: Path) -> None:
    result = train(build(), make_rows(50), make_rows(20), epochs=2, log_dir=str(tmp_path))

    written = {}
    for file in sorted(tmp_path.glob("*/events.out.tfevents.*")):
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            for value in event.summary.value:
                assert value.metadata.plugin_data.plugin_name == "scalars"
                written[file.parent.name, value.tag, event.step] = float(tf.make_ndarray(value.tensor))
    for step, entry in enumerate(result.curve):
        assert written["train", "epoch_loss", step] == pytest.approx(entry["loss"])
        assert written["train", "epoch_learning_rate", step] == pytest.approx(entry["learning_rate"])
        assert written["validation", "epoch_accuracy", step] == pytest.approx(entry["val_accuracy"])
