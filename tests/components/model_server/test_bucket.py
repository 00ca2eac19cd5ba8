"""Models in a bucket that speaks S3, which TensorFlow cannot open: they are copied before they are loaded."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agnews.components.model_store import ModelStore
from agnews.components.model_store.find_pushed_model import find_pushed_model
from agnews.components.model_store.publish import publish
from agnews.components.model_store.serving_leases import living_leases
from agnews.components.serving_model.predictor import Predictor
from agnews.components.storage.local_copy import local_copy

CLASSES = ("World", "Sports", "Business", "Sci/Tech")
TEXT = "The coach praised his team"


def _push(store: ModelStore, model: Path) -> str:
    current = store.production()
    return publish(
        store,
        model=str(model),
        extra_files={},
        judged_against=current.version if current else "",
        fingerprint="",
        run_id="run",
        accuracy=0.9,
        classes=CLASSES,
    ).record.version


def test_a_server_follows_a_store_in_a_bucket(
    bucket: str, toy_models: dict[str, Path], start_server: Callable[..., AbstractContextManager[Any]]
) -> None:
    store = ModelStore(f"{bucket}/models", "agnews")
    first = _push(store, toy_models["sure"])
    with start_server(store) as server:
        assert server.predict(TEXT).json()["predictions"][0]["probabilities"][1] == pytest.approx(0.8700, abs=1e-3)
        assert [lease.version for lease in living_leases(store.uri)] == [first]
        second = _push(store, toy_models["unsure"])
        server.wait_for(lambda: server.state.host.current.record.version == second)
        assert server.predict(TEXT).json()["predictions"][0]["probabilities"][1] == pytest.approx(0.4754, abs=1e-3)


def test_a_model_from_a_bucket_answers_after_its_copy_is_gone(bucket: str, toy_models: dict[str, Path]) -> None:
    store = ModelStore(f"{bucket}/models", "agnews")
    _push(store, toy_models["sure"])
    folder = find_pushed_model(store).folder
    with local_copy(folder) as copy:
        assert "saved_model.pb" in os.listdir(copy)  # noqa: PTH208 - a list of names is what is wanted
    assert not Path(copy).exists()
    here = Predictor(str(toy_models["sure"]), CLASSES).probabilities(np.array([TEXT], object))
    np.testing.assert_array_equal(Predictor(folder, CLASSES).probabilities(np.array([TEXT], object)), here)


def test_what_tensorflow_can_open_is_not_copied(tmp_path: Path) -> None:
    with local_copy(str(tmp_path)) as same:
        assert same == str(tmp_path)
