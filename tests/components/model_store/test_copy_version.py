"""From staging to production: the same bytes, a number of its own, and never over a model it was not compared with."""

from __future__ import annotations

from pathlib import Path

import pytest

from agnews.components.model_store import ModelStore
from agnews.components.model_store.copy_version import NOT_COMPARED, copy_version
from agnews.components.model_store.publish import publish
from agnews.components.model_store.rollback import rollback
from agnews.schemas.errors import AgnewsError

CLASSES = ("World", "Sports")


@pytest.fixture
def staging(tmp_path: Path) -> ModelStore:
    return ModelStore(str(tmp_path / "staging"), "agnews")


@pytest.fixture
def production(tmp_path: Path) -> ModelStore:
    return ModelStore(str(tmp_path / "production"), "agnews")


def push(store: ModelStore, content: str, folder: Path, classes: tuple[str, ...] = CLASSES) -> str:
    model = folder / content
    (model / "variables").mkdir(parents=True, exist_ok=True)
    (model / "saved_model.pb").write_text(content)
    (model / "variables" / "variables.index").write_text("index")
    current = store.production()
    done = publish(
        store,
        model=str(model),
        extra_files={"assets.extra/corpus.json": str(model / "saved_model.pb")},
        judged_against=current.version if current else "",
        replaces=current.version if current and current.classes != classes else "",
        fingerprint=content,
        run_id="run-1",
        accuracy=0.9,
        classes=classes,
    )
    return done.record.version


def test_a_copy_has_the_same_files_and_says_where_it_is_from(
    staging: ModelStore, production: ModelStore, tmp_path: Path
) -> None:
    version = push(staging, "one", tmp_path)
    done = copy_version(staging, version, production, reason="release of the week")
    assert done.is_new
    there = production.production()
    assert there is not None
    assert there.model_digest == staging.record(version).model_digest
    assert (there.accuracy, there.fingerprint, there.overruled) == (0.9, "one", ())
    production.fetch(there.version, str(tmp_path / "fetched"))
    assert (tmp_path / "fetched" / "assets.extra" / "corpus.json").read_text() == "one"
    (move,) = production.moves()
    assert "release of the week" in move.why
    assert f"copied from version {version} of {staging.uri}" in move.why
    # Once more changes nothing.
    again = copy_version(staging, version, production)
    assert (again.is_new, again.record.version) == (False, there.version)


def test_the_next_version_follows_the_one_that_it_was_compared_with(
    staging: ModelStore, production: ModelStore, tmp_path: Path
) -> None:
    copy_version(staging, push(staging, "one", tmp_path), production)
    second = push(staging, "two", tmp_path)
    assert copy_version(staging, second, production).is_new
    assert len(production.versions()) == 2


def test_a_model_that_was_compared_with_another_one_needs_force_and_a_record_of_it(
    staging: ModelStore, production: ModelStore, tmp_path: Path
) -> None:
    push(production, "theirs", tmp_path)
    version = push(staging, "ours", tmp_path)
    with pytest.raises(AgnewsError, match="not compared"):
        copy_version(staging, version, production)
    assert len(production.versions()) == 1
    done = copy_version(staging, version, production, force=True, reason="moved house")
    assert done.record.overruled == (NOT_COMPARED,)
    assert production.moves()[-1].action == "forced push"


def test_other_classes_are_told_before_anything_is_written(
    staging: ModelStore, production: ModelStore, tmp_path: Path
) -> None:
    copy_version(staging, push(staging, "one", tmp_path), production)
    version = push(staging, "two", tmp_path, ("World", "Sports", "Business"))
    with pytest.raises(AgnewsError, match=r"other classes|not compared"):
        copy_version(staging, version, production)


def test_what_is_damaged_or_withdrawn_is_not_copied(
    staging: ModelStore, production: ModelStore, tmp_path: Path
) -> None:
    first = push(staging, "one", tmp_path)
    copy_version(staging, first, production)
    second = push(staging, "two", tmp_path)
    copy_version(staging, second, production)
    rollback(production, why="bad")
    with pytest.raises(AgnewsError, match="withdrawn there"):
        copy_version(staging, second, production, force=True, reason="again")
    (Path(staging.folder(first)) / "saved_model.pb").write_text("flipped")
    with pytest.raises(AgnewsError):
        copy_version(staging, first, ModelStore(str(tmp_path / "third"), "agnews"))
