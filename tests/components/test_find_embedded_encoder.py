from __future__ import annotations

import importlib.util

import pytest

from agnews.components.encoders.find_encoder import embedded_folder
from agnews.components.text.vocabulary import EMBEDDED, find_embedded_encoder, load_vocabulary
from agnews.schemas.errors import AgnewsError


def test_it_has_what_a_checkpoint_needs() -> None:
    folder = find_embedded_encoder(instead="-")
    assert all((folder / name).is_file() for name in ("config.json", "vocab.txt", "model.safetensors"))


def test_where_it_is_not_installed_each_use_says_what_to_do_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(AgnewsError, match="not installed") as caught:
        embedded_folder()
    assert caught.value.fix == (
        "Run `make setup`, or use another encoder: a folder, or what `agnews encoder fetch` brought."
    )
    with pytest.raises(AgnewsError, match="not installed") as caught:
        load_vocabulary(EMBEDDED)
    assert caught.value.fix == "Run `make setup`, or set text.vocabulary to the path of a vocab.txt."
