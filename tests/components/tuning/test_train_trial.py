"""A real study on toy rows, which the components' tests share."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import pytest
from rich.console import Console

from agnews.components.tuning.read_search_space import Dimension, Setting
from agnews.components.tuning.trial_study import OnEpoch, TrialFailed, TrialOutcome, TrialStudy
from agnews.pipeline.load_config import load_config
from agnews.pipeline.tuning.apply_settings import apply_settings
from agnews.pipeline.tuning.fit_space import fit_space
from agnews.pipeline.tuning.train_trial import train_trial
from agnews.pipeline.tuning.tuning_view import TuningView

pytestmark = pytest.mark.integration

SPACE = {
    "training.learning_rate": Dimension(values=(0.02, 1e30, 1e-6)),
    "model.hidden_dim": Dimension(values=(8, 16)),
}


def test_a_study_finds_settings_that_learn_and_outlives_those_that_do_not(toy_transform: Path, tmp_path: Path) -> None:
    config = load_config(
        "transformer",
        [
            f"text.vocabulary={toy_transform / 'vocab.txt'}",
            "text.lowercase=true",
            "text.max_length=16",
            "model.hidden_dim=16",
            "model.num_heads=2",
            "model.intermediate_dim=16",
            "model.bigram_buckets=0",
            "model.word_dropout=0.1",
            "training.epochs=10",
            "training.batch_size=16",
            "training.learning_rate=1e-6",
            "training.average_decay=0.0",
            "training.label_smoothing=0.0",
        ],
    )
    space, start = fit_space(SPACE, config)

    def train(settings: Mapping[str, Setting], on_epoch: OnEpoch) -> TrialOutcome:
        return train_trial(
            apply_settings(config, settings),
            examples_uri=str(toy_transform / "examples"),
            transform_graph=str(toy_transform / "graph"),
            scratch_uri=str(tmp_path / "scratch"),
            on_epoch=on_epoch,
        )

    study = TrialStudy(tmp_path / "study.sqlite", space=space, start=start, facts={}, seed=1)
    out = io.StringIO()
    with TuningView(Console(file=out, width=200), trials=5, ended=[]) as view:
        study.run(train, trials=5, listener=view)

    records = study.records()
    rates = [record.settings["training.learning_rate"] for record in records]
    assert rates[0] == 1e-6
    assert {0.02, 1e30} <= set(rates)
    for record in records:
        if record.settings["training.learning_rate"] == 1e30:
            assert record.state == "failed"
            assert "not a number" in record.reason
        else:
            assert record.loss is not None
            assert record.loss < records[0].loss + 0.1  # type: ignore[operator]
    assert min(record.loss or 9.0 for record in records) < 0.8 * (records[0].loss or 0.0)
    assert len(out.getvalue().splitlines()) == 5
    assert "as it stands" in out.getvalue().splitlines()[0]
    # Backups of thirty trials of an encoder would fill a disk.
    assert not (tmp_path / "scratch").exists()
    with pytest.raises(TrialFailed, match="TensorFlow sees none"):
        train_trial(
            apply_settings(config, {"devices.accelerator": "gpu"}),
            examples_uri=str(toy_transform / "examples"),
            transform_graph=str(toy_transform / "graph"),
            scratch_uri=str(tmp_path / "scratch"),
            on_epoch=lambda *_: None,
        )
