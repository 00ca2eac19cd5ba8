"""What whoever reads sees of a store, and in which words they are told that something is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from agnews.components.model_store import ModelStore
from agnews.components.model_store.model_digest import model_digest
from agnews.components.model_store.publish import publish
from agnews.components.model_store.rollback import rollback
from agnews.components.storage.local_files import LocalFiles
from agnews.schemas.errors import AgnewsError, ExitCode

Push = Callable[[str], str]


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(str(tmp_path / "store"), "agnews")


@pytest.fixture
def push(store: ModelStore, tmp_path: Path) -> Push:
    """Pushes a model with some content, and returns its version."""

    def push(content: str) -> str:
        folder = tmp_path / "models" / content
        (folder / "variables").mkdir(parents=True)
        (folder / "saved_model.pb").write_text(f"graph of {content}")
        (folder / "variables" / "data").write_text(content * 10)
        (tmp_path / "card.md").write_text(f"# {content}\n")
        return publish(
            store,
            model=str(folder),
            extra_files={"assets.extra/model_card.md": str(tmp_path / "card.md")},
            judged_against=store.look().version,
            fingerprint=f"f-{content}",
            run_id=f"run-{content}",
            accuracy=0.9,
            classes=("a", "b"),
        ).record.version

    return push


def test_places_are_below_uri_and_name(tmp_path: Path) -> None:
    for uri in ("/a/b", "/a/b/", "file:///a/b", "file:///a/b//"):
        store = ModelStore(uri, "m")
        assert store.uri == "/a/b/m"
        assert store.name == "m"
        assert store.folder("17") == "/a/b/m/17"
        assert store.marker("17") == "/a/b/m/.incoming-17"
        assert isinstance(store.files, LocalFiles)


def test_an_empty_store_has_nothing(store: ModelStore) -> None:
    assert store.versions() == ()
    assert store.foreign() == ()
    assert store.production() is None
    assert store.withdrawn() == ()
    assert store.moves() == ()
    assert (store.look().pointer, store.look().etag, store.look().version) == (None, None, "")


def test_a_file_in_the_place_of_a_folder_is_an_empty_store(store: ModelStore, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    assert store.production() is None


def test_versions_are_listed_by_number_and_not_by_letters(store: ModelStore, push: Push) -> None:
    first = push("a")
    root = Path(store.uri)
    for name in ("9", "10", "8000000000000"):
        (root / name / "assets.extra").mkdir(parents=True)
        (root / name / "saved_model.pb").write_text("")
        (root / name / "assets.extra" / "record.json").write_text("{}")
    assert store.versions() == ("9", "10", first, "8000000000000")


def test_what_is_no_version_is_none(store: ModelStore, push: Push) -> None:
    version = push("a")
    root = Path(store.uri)
    for name in ("x1", "1" * 19, "\u0661", "007x", "17", "18", "19"):
        (root / name).mkdir()
    (root / "17" / "saved_model.pb").write_text("")
    (root / "18" / "assets.extra").mkdir()
    (root / "18" / "assets.extra" / "record.json").write_text("{}")
    assert store.versions() == (version,)
    # Nobody pushed what has no record.
    assert store.foreign() == ("17", "19")
    (root / ".incoming-17").mkdir()
    assert store.foreign() == ("19",)
    for name in ("9", "1" * 18):
        (root / name).mkdir()
    assert store.foreign() == ("9", "19", "1" * 18)


def test_a_marked_version_counts_if_it_is_in_production(store: ModelStore, push: Push) -> None:
    first, second = push("a"), push("b")
    root = Path(store.uri)
    (root / f".incoming-{first}").mkdir()
    (root / f".incoming-{second}").mkdir()
    assert store.versions() == (second,)
    assert store.versions_beside("") == ()
    assert store.versions_beside(first) == (first,)


def test_the_pointer_and_the_records_tell_what_was_pushed(store: ModelStore, push: Push) -> None:
    first, second = push("a"), push("b")
    production = store.production()
    assert production is not None
    assert (production.version, production.fingerprint) == (second, "f-b")
    assert store.look().etag
    assert store.record(first).fingerprint == "f-a"
    assert store.record(second) == production
    assert store.model_card(first) == "# a\n"
    folder = Path(store.folder(first))
    assert store.size(first) == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("version", ["17", "../17", "", "1" * 60])
def test_a_version_that_is_not_there_is_told_with_those_that_are(version: str, store: ModelStore, push: Push) -> None:
    with pytest.raises(AgnewsError) as raised:
        store.record(version)
    assert raised.value.found == "versions none"
    first = push("a")
    with pytest.raises(AgnewsError) as raised:
        store.record(version)
    assert raised.value.problem == f"The model store {store.uri} has no whole version {version[:40]}."
    assert raised.value.found == f"versions {first}"
    assert raised.value.exit_code == ExitCode.FAILED
    assert raised.value.fix.startswith(f"Either restore {store.folder(version)} from a backup" if version else "Either")
    assert f"go on from version {first}" in raised.value.fix
    second = push("b")
    with pytest.raises(AgnewsError) as raised:
        store.record(version)
    assert raised.value.found == f"versions {first}, {second}"


def test_a_record_that_is_none_is_told_with_its_place(store: ModelStore, push: Push) -> None:
    first, second = push("a"), push("b")
    path = Path(store.folder(first)) / "assets.extra" / "record.json"
    path.write_text('{"version": 17}')
    with pytest.raises(AgnewsError) as raised:
        store.record(first)
    assert raised.value.problem == f"{path} is not a model record."
    assert raised.value.exit_code == ExitCode.FAILED
    pointer = f"{store.uri}/latest.json"
    assert raised.value.fix == (
        f"Either restore {store.folder(first)} from a backup, or go on from version {second} (copy "
        f"{store.folder(second)}/assets.extra/record.json to {pointer}), or delete {pointer} to start without a "
        "baseline."
    )


def test_a_pointer_that_is_none_is_told_with_what_can_be_done(store: ModelStore, push: Push) -> None:
    version = push("a")
    pointer = Path(store.uri) / "latest.json"
    pointer.write_text("[]")
    for ask in (store.look, store.production, store.withdrawn, store.moves):
        with pytest.raises(AgnewsError) as raised:
            ask()
        assert raised.value.problem == f"{pointer} is not a model record."
        assert raised.value.found
        assert raised.value.fix.startswith(f"Either restore {pointer} from a backup, or go on from version {version} ")


def test_a_store_of_one_broken_version_can_be_restored_or_begun_anew(store: ModelStore, push: Push) -> None:
    version = push("a")
    pointer = f"{store.uri}/latest.json"
    assert store.repair(version) == (
        f"Either restore {store.folder(version)} from a backup, or delete {pointer} to start without a baseline."
    )


def test_a_copy_is_compared_with_the_pointer_and_not_with_the_folder(
    store: ModelStore, push: Push, tmp_path: Path
) -> None:
    first, second = push("a"), push("b")
    assert store.fetch(first, str(tmp_path / "first")) == store.record(first)
    assert store.fetch(second, str(tmp_path / "second")) == store.production()
    assert (tmp_path / "first" / "variables" / "data").read_text() == "a" * 10
    assert (tmp_path / "second" / "assets.extra" / "record.json").is_file()
    # Another model lies in the folder, with a record that fits it.
    folder = Path(store.folder(second))
    (folder / "saved_model.pb").write_text("evil")
    files = {path.relative_to(folder).as_posix(): str(path) for path in folder.rglob("*") if path.is_file()}
    record = folder / "assets.extra" / "record.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "model_digest": model_digest(files)}))
    production = store.production()
    assert production is not None
    with pytest.raises(AgnewsError) as raised:
        store.fetch(second, str(tmp_path / "again"))
    assert raised.value.problem == (
        f"Version {second} in the model store {store.uri} is corrupt: its files are not what was pushed."
    )
    assert raised.value.found == f"sha256 {model_digest(files)}, its record says {production.model_digest}"
    assert raised.value.exit_code == ExitCode.FAILED
    assert raised.value.fix.startswith(f"Either restore {folder} from a backup")
    with pytest.raises(AgnewsError, match="is corrupt") as raised:
        store.require_sound(production)
    assert raised.value.found == f"sha256 {model_digest(files)}, its record says {production.model_digest}"
    # An older version has its record alone, so the same change goes unnoticed there: signatures are for that.
    store.require_sound(store.record(first))


def test_a_change_in_an_older_version_is_noticed(store: ModelStore, push: Push, tmp_path: Path) -> None:
    first, _ = push("a"), push("b")
    (Path(store.folder(first)) / "variables" / "data").write_text("x")
    with pytest.raises(AgnewsError, match=f"Version {first} .* is corrupt"):
        store.fetch(first, str(tmp_path / "copy"))
    with pytest.raises(AgnewsError, match="is corrupt"):
        store.require_sound(store.record(first))


def test_what_was_rolled_back_from_is_what_is_newer(store: ModelStore, push: Push) -> None:
    first, second, third = push("a"), push("b"), push("c")
    assert store.withdrawn() == ()
    rollback(store, first, why="wrong")
    assert [record.version for record in store.withdrawn()] == [second, third]
    rollback(store, second, why="less wrong")
    assert [record.version for record in store.withdrawn()] == [third]


def test_the_trail_is_in_order_and_forgives_a_file_that_was_not_written(store: ModelStore, push: Push) -> None:
    versions = [push(content) for content in "abc"]
    rollback(store, versions[0], why="wrong")
    moves = store.moves()
    assert [move.version for move in moves] == [*versions, versions[0]]
    assert [move.action for move in moves] == ["push", "push", "push", "rollback"]
    assert [move.version for move in store.moves(newest=2)] == [versions[2], versions[0]]
    history = Path(store.uri) / "history"
    newest = sorted(history.glob("*.json"))[-1]
    newest.unlink()
    assert store.moves() == moves
    (history / "notes.txt").write_text("x")
    (history / ".hidden.json").write_text("x")
    assert store.moves() == moves
    (history / "00000002-broken.json").write_text("{}")
    with pytest.raises(AgnewsError) as raised:
        store.moves()
    assert raised.value.problem == f"{history}/00000002-broken.json does not say how production moved."
    assert "Field required" in str(raised.value.found)
    assert raised.value.fix == "Delete the file: nothing but the list of moves needs it."
    assert raised.value.exit_code == ExitCode.FAILED
    # Whoever asks for the last one alone does not read those before it.
    assert store.moves(newest=1) == moves[-1:]


def test_a_version_without_a_card_has_an_empty_one(store: ModelStore, push: Push) -> None:
    version = push("a")
    (Path(store.folder(version)) / "assets.extra" / "model_card.md").unlink()
    assert store.model_card(version) == ""


def test_what_cannot_be_read_is_told_with_what_was_done(
    store: ModelStore, push: Push, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = push("a")
    folder = store.folder(version)

    def fail(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    for method in ("read_tagged", "read_bytes", "files_below", "names"):
        monkeypatch.setattr(LocalFiles, method, fail)
    done = {
        f"reading the pointer {store.uri}/latest.json": store.look,
        f"reading the trail in {store.uri}/history": store.moves,
        f"reading {folder}/assets.extra/record.json": lambda: store.record(version),
        f"reading {folder}/assets.extra/model_card.md": lambda: store.model_card(version),
        f"measuring {folder}": lambda: store.size(version),
    }
    for doing, ask in done.items():
        with pytest.raises(AgnewsError) as raised:
            ask()
        assert raised.value.problem == f"No permission while {doing}."
        assert "Permission denied" in str(raised.value.found)
    monkeypatch.undo()
    monkeypatch.setattr(LocalFiles, "files_below", fail)
    with pytest.raises(AgnewsError, match=f"copying {folder} to {tmp_path}/copy"):
        store.fetch(version, f"{tmp_path}/copy")
