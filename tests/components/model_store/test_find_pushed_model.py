"""Commands that use a model find it by store, by number or by folder, and say so where they cannot."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from agnews.components.model_store import ModelStore
from agnews.components.model_store.find_pushed_model import find_pushed_model, pushed_model_at
from agnews.components.model_store.publish import Push, publish
from agnews.schemas.errors import AgnewsError


def _push(store: ModelStore, folder: Path, content: str) -> Push:
    folder.mkdir(exist_ok=True)
    (folder / "saved_model.pb").write_text(content)
    current = store.production()
    return publish(
        store,
        model=str(folder),
        extra_files={},
        judged_against=current.version if current else "",
        fingerprint="",
        run_id="",
        accuracy=0.9,
        classes=("World",),
    )


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """A store with two versions."""
    store = ModelStore(str(tmp_path / "models"), "agnews")
    for content in ("old", "new"):
        _push(store, tmp_path / "model", content)
    return store


def test_without_a_number_it_is_the_one_in_production(store: ModelStore) -> None:
    found = find_pushed_model(store)
    assert found.record == store.production()
    assert (Path(found.folder) / "saved_model.pb").read_text() == "new"


def test_a_number_names_a_version(store: ModelStore) -> None:
    oldest = store.versions()[0]
    found = find_pushed_model(store, oldest)
    assert found.record.version == oldest
    assert (Path(found.folder) / "saved_model.pb").read_text() == "old"


def test_a_copied_folder_is_as_good(store: ModelStore, tmp_path: Path) -> None:
    shutil.copytree(find_pushed_model(store).folder, tmp_path / "elsewhere")
    assert pushed_model_at(f"{tmp_path}/elsewhere/").record == store.production()


def test_an_empty_store_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(AgnewsError, match="No model was pushed yet") as caught:
        find_pushed_model(ModelStore(str(tmp_path), "agnews"))
    assert "agnews run" in caught.value.fix


def test_another_folder_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(AgnewsError, match="no pushed version"):
        pushed_model_at(str(tmp_path))


def test_a_damaged_record_is_named(store: ModelStore) -> None:
    folder = Path(find_pushed_model(store).folder)
    (folder / "assets.extra" / "record.json").write_text("{")
    with pytest.raises(AgnewsError, match=r"record\.json is not a model record"):
        pushed_model_at(str(folder))
