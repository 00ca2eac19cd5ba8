from __future__ import annotations

from pathlib import Path

import pytest

from agnews.components.text.vocabulary import load_vocabulary
from agnews.components.training import train_classifier as module
from agnews.schemas.errors import AgnewsError
from agnews.schemas.run_config import DevicesConfig, TrainingConfig


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
            train_files=[],
            eval_files=[],
            model=model,
            training=TrainingConfig(),
            vocabulary=load_vocabulary("minilm"),
            lowercase=True,
            max_length=16,
            num_classes=4,
            scratch_uri=str(scratch),
            devices=DevicesConfig.model_validate(devices),
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
