from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import special
from sklearn.metrics import log_loss

from agnews.components.training import train_classifier as module
from agnews.components.training.find_temperature import find_temperature
from agnews.schemas.errors import AgnewsError
from agnews.schemas.learning_config import DevicesConfig, TextConfig, TrainingConfig, parse_model_config
from agnews.schemas.training_job import TrainingJob


class Chosen(Exception):  # noqa: N818 - it is no error
    """Ends a training once it knows what to compute on."""


def asked(monkeypatch: pytest.MonkeyPatch, scratch: Path, model: dict[str, object], **devices: str) -> dict[str, str]:
    """What a training asks of `choose_devices`."""
    found: dict[str, str] = {}

    def choose(**settings: str) -> None:
        found.update(settings)
        raise Chosen

    monkeypatch.setattr(module, "choose_devices", choose)
    with pytest.raises(Chosen):
        module.train_classifier(
            TrainingJob(
                train_files=(),
                eval_files=(),
                num_classes=4,
                text=TextConfig(vocabulary="minilm", lowercase=True, max_length=16),
                model=parse_model_config(model),
                training=TrainingConfig(),
                devices=DevicesConfig.model_validate(devices),
                scratch_uri=str(scratch),
            )
        )
    return found


def test_what_is_asked_for_is_what_the_model_can_use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def auto(**model: object) -> dict[str, str]:
        return asked(monkeypatch, tmp_path, model, strategy="mirrored")

    assert (auto()["strategy"], auto()["xla"]) == ("mirrored", "auto")
    # The head of a frozen encoder learns in seconds.
    assert auto(kind="bert_frozen")["strategy"] == "none"
    assert (auto(kind="bert_finetune")["strategy"], auto(kind="bert_finetune")["xla"]) == ("mirrored", "off")


def test_xla_for_an_encoder_that_learns_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(AgnewsError, match="anew for each batch"):
        asked(monkeypatch, tmp_path, {"kind": "bert_finetune"}, xla="on")


def rows_of_a_calibrated_model(count: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from the very probabilities that the logits stand for."""
    chance = np.random.default_rng(5)
    logits = 2.0 * chance.normal(size=(count, 4))
    draws = chance.random((count, 1))
    labels = (special.softmax(logits, axis=1).cumsum(axis=1) < draws).sum(axis=1)
    return logits.astype(np.float32), labels


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_it_undoes_what_made_a_model_too_sure_or_not_sure_enough(temperature: float) -> None:
    logits, labels = rows_of_a_calibrated_model()
    assert find_temperature(logits * temperature, labels) == pytest.approx(temperature, rel=0.03)


def test_no_other_temperature_has_a_lower_loss_by_scikit_learn() -> None:
    logits, labels = rows_of_a_calibrated_model(2_000)
    found = find_temperature(3.0 * logits, labels)

    def loss(temperature: float) -> float:
        return float(log_loss(labels, special.softmax(3.0 * logits.astype(np.float64) / temperature, axis=1)))

    assert loss(found) <= min(loss(other) for other in np.geomspace(0.1, 10, 200)) + 1e-6


def test_few_rows_without_a_mistake_are_no_reason_to_be_sure_without_bound() -> None:
    labels = np.arange(40) % 4
    logits = np.eye(4, dtype=np.float32)[labels]
    sure = special.softmax(logits / find_temperature(logits, labels), axis=1).max(axis=1)
    assert sure == pytest.approx(np.full(40, 1 - 1 / 44 * 3 / 4), abs=0.002)


def test_without_rows_it_changes_nothing() -> None:
    assert find_temperature(np.zeros((0, 4), np.float32), np.zeros(0, np.int64)) == 1.0
