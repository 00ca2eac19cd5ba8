"""A store that 0.1.0 wrote is read and carried on; one that a newer agnews wrote says so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from agnews.components.model_store import ModelStore
from agnews.components.model_store.find_pushed_model import find_pushed_model, pushed_model_at
from agnews.components.model_store.prune import prune
from agnews.components.model_store.rollback import rollback
from agnews.components.model_store.sound_copy import sound_copy
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.model_record import FORMAT


@pytest.fixture
def old(tmp_path: Path, repository: Path) -> ModelStore:
    """Three versions, pushed by 0.1.0, which then went back from the third to the second."""
    shutil.copytree(repository / "tests" / "golden" / "store_0_1_0", tmp_path / "models")
    return ModelStore(str(tmp_path / "models"), "agnews")


def test_a_store_of_0_1_0_is_read(old: ModelStore, tmp_path: Path) -> None:
    first, second, third = old.versions()

    production = old.production()
    assert production is not None
    assert (production.version, production.format, production.accuracy) == (second, 1, 0.91)
    assert [record.version for record in old.withdrawn()] == [third]
    assert old.moves() == ()
    found = find_pushed_model(old)
    with sound_copy(found.folder, found.record.model_digest) as folder:
        assert (Path(folder) / "saved_model.pb").read_bytes() == b"graph 1\n"
    assert old.fetch(first, str(tmp_path / "copy")).version == first
    assert pushed_model_at(old.folder(third)).record.run_id == "run-2"


def test_a_store_of_0_1_0_is_carried_on(old: ModelStore) -> None:
    first, second, third = old.versions()

    assert rollback(old, third, why="it was better after all").before.version == second

    pointer = old.look().pointer
    assert pointer is not None
    assert (pointer.version, pointer.format, pointer.digest) == (third, FORMAT, old.record(third).model_digest)
    assert [(move.before, move.version, move.why) for move in old.moves()] == [
        (second, third, "it was better after all")
    ]
    assert [each.version for each in prune(old, 1) if not each.kept_because] == [first, second]


def _change(path: Path, **keys: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


def test_what_a_newer_agnews_wrote_is_refused_with_words(old: ModelStore) -> None:
    _change(Path(old.uri) / "latest.json", format=FORMAT + 1)
    _change(Path(old.folder(old.versions_beside("")[0])) / "assets.extra" / "record.json", format=FORMAT + 1)

    for read in (
        old.production,
        lambda: find_pushed_model(old),
        lambda: pushed_model_at(old.folder(old.versions_beside("")[0])),
    ):
        with pytest.raises(AgnewsError, match="too old") as caught:
            read()
        assert f"format {FORMAT + 1}" in str(caught.value.found)
        assert "Update" in caught.value.fix
        assert caught.value.exit_code == ExitCode.FAILED


def test_a_key_that_is_not_known_is_ignored(old: ModelStore) -> None:
    _change(Path(old.uri) / "latest.json", colour="blue")

    production = old.production()
    assert production is not None
    assert production.version == old.versions()[1]


@pytest.mark.parametrize(
    "keys",
    [
        {"version": "../../etc"},
        {"version": "9" * 5000},
        {"version": ""},
        {"name": "../x"},
        {"name": "a/b"},
    ],
)
def test_a_record_does_not_name_places_outside_of_the_store(old: ModelStore, keys: dict[str, str]) -> None:
    _change(Path(old.uri) / "latest.json", **keys)

    with pytest.raises(AgnewsError, match="is not a model record"):
        old.production()
