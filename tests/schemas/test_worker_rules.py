"""Several processes are refused where they would do nothing or break, before anything is trained."""

from __future__ import annotations

import pytest

from agnews.pipeline.load_config import choose_config
from agnews.schemas.errors import AgnewsError


def choose(*settings: str, model: str | None = None) -> int:
    tree = choose_config(data=None, model=model, config=None, settings=["devices.workers=2", *settings])
    return tree.devices.workers


@pytest.mark.parametrize(
    ("model", "setting", "word"),
    [
        ("linear", "", "trained in one process"),
        ("bert_frozen", "", "trained in one process"),
        (None, "devices.strategy=mirrored", "devices.strategy=mirrored"),
        (None, "devices.strategy=none", "devices.strategy=none"),
        (None, "devices.xla=on", "XLA"),
        (None, "training.batch_size=1", "fewer rows"),
    ],
)
def test_what_does_nothing_or_breaks_is_refused_with_both_settings(model: str | None, setting: str, word: str) -> None:
    with pytest.raises(AgnewsError, match=word) as caught:
        choose(*([setting] if setting else []), model=model)
    assert "devices.workers 2" in str(caught.value.found)
    assert caught.value.exit_code == 2


def test_what_works_is_taken() -> None:
    assert choose() == 2
    assert choose(model="bert_finetune") == 2
    assert choose("devices.xla=on", "devices.accelerator=gpu") == 2
