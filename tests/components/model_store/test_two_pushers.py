"""Of two who push at once one wins, the other says so, and what lies in the folder is the winner's."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from agnews.components.model_store import ModelStore
from agnews.components.model_store.find_pushed_model import find_pushed_model
from agnews.components.model_store.publish import Push, publish
from agnews.components.model_store.rollback import rollback
from agnews.components.model_store.sound_copy import sound_copy
from agnews.components.storage import files_at as door
from agnews.components.storage.local_files import LocalFiles
from agnews.components.storage.s3_files import S3Files
from agnews.schemas.errors import AgnewsError


def _push(store: ModelStore, folder: str, judged_against: str) -> Push:
    return publish(
        store,
        model=folder,
        extra_files={},
        judged_against=judged_against,
        fingerprint="",
        run_id=folder,
        accuracy=0.9,
        classes=("a", "b"),
    )


def _race(seeded_world: ModuleType, world: Any) -> bool:
    """Lets two push, one of them between two steps of the other; whether they met."""
    for name in ("old", "a", "b"):
        world.files[f"seeded://sources/{name}/saved_model.pb"] = f"graph of {name}".encode()
    with world.process(seeded_world.Client(world)):
        before = _push(ModelStore("seeded://store", "agnews"), "seeded://sources/old", "").record.version
    outcomes: dict[str, Push | AgnewsError] = {}

    def run(name: str, client: object) -> None:
        with world.process(client):
            try:
                outcomes[name] = _push(ModelStore("seeded://store", "agnews"), f"seeded://sources/{name}", before)
            except AgnewsError as error:
                outcomes[name] = error

    moment = world.random.randint(1, 40)
    run("a", seeded_world.Client(world, meanwhile={moment: lambda: run("b", seeded_world.Client(world))}))
    met = "b" in outcomes
    if not met:
        run("b", seeded_world.Client(world))

    won = [name for name, outcome in outcomes.items() if isinstance(outcome, Push)]
    lost = [outcome for outcome in outcomes.values() if isinstance(outcome, AgnewsError)]
    assert len(won) == len(lost) == 1, outcomes
    assert "moved since" in lost[0].problem or "has been pushing" in lost[0].problem
    with world.process(seeded_world.Client(world, observes=True)):
        found = find_pushed_model(ModelStore("seeded://store", "agnews"))
        assert found.record.run_id == f"seeded://sources/{won[0]}"
        with sound_copy(found.folder, found.record.model_digest) as folder:
            assert (Path(folder) / "saved_model.pb").read_text() == f"graph of {won[0]}"
    return met


@pytest.mark.parametrize("kind", ["disk", "conditional", "plain"])
def test_two_hundred_races_of_two_pushers(seeded_world: ModuleType, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    met = 0
    for seed in range(200):
        world = seeded_world.World(seed, kind, list_delay=40 if kind == "conditional" and seed % 2 else 0)
        monkeypatch.setitem(door._BY_SCHEME, seeded_world.SCHEME, partial(getattr, world, "current"))
        try:
            met += _race(seeded_world, world)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}") from error
    assert met > 100


def test_the_same_number_in_a_bucket(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both take the same number at the same second, and the second one comes before the first one's pointer."""
    folders = {}
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "saved_model.pb").write_text(f"graph of {name}")
        folders[name] = str(tmp_path / name)
    outcomes: dict[str, Push | AgnewsError] = {}
    began: list[str] = []
    real = S3Files.create

    def create(self: S3Files, path: str, content: bytes) -> str:
        if path.endswith("latest.json") and not began:
            began.append(path)
            outcomes["b"] = _push(ModelStore(bucket, "agnews"), folders["b"], "")
        return real(self, path, content)

    monkeypatch.setattr(S3Files, "create", create)
    with pytest.raises(AgnewsError, match="moved since"):
        _push_a_within(bucket, folders["a"], outcomes)

    store = ModelStore(bucket, "agnews")
    assert store.production() == outcomes["b"].record  # type: ignore[union-attr]
    found = find_pushed_model(store)
    with sound_copy(found.folder, found.record.model_digest) as folder:
        assert (Path(folder) / "saved_model.pb").read_text() == "graph of b"
    assert store.versions() == (found.record.version,)


def _push_a_within(bucket: str, folder: str, outcomes: dict[str, Push | AgnewsError]) -> None:
    outcomes.setdefault("first", _push(ModelStore(bucket, "agnews"), folder, ""))


@pytest.fixture
def local(tmp_path: Path) -> ModelStore:
    store = ModelStore(str(tmp_path / "store"), "agnews")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "saved_model.pb").write_text(f"graph of {name}")
        _push(store, str(tmp_path / name), store.look().version)
    return store


def test_a_folder_does_not_vouch_for_itself(local: ModelStore, tmp_path: Path) -> None:
    """The refused model's files under the accepted one's pointer, with a record that fits them."""
    one, two = local.versions()
    for path in ("saved_model.pb", "assets.extra/record.json"):
        content = (Path(local.folder(one)) / path).read_text().replace(one, two)
        (Path(local.folder(two)) / path).write_text(content)

    with pytest.raises(AgnewsError, match="corrupt"):
        local.fetch(two, str(tmp_path / "copy"))
    found = find_pushed_model(local)
    with pytest.raises(AgnewsError, match="not what was pushed"), sound_copy(found.folder, found.record.model_digest):
        pass


def _fail_to_remove(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: LocalFiles, folder: str) -> None:
        raise OSError(errno.EIO, "Input/output error", folder)

    monkeypatch.setattr(LocalFiles, "remove", refuse)


def test_a_push_that_is_done_does_not_say_that_nothing_was(
    local: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "three").mkdir()
    (tmp_path / "three" / "saved_model.pb").write_text("graph of three")
    with monkeypatch.context() as patch:
        real = LocalFiles.replace

        def replace(self: LocalFiles, path: str, content: bytes, expected_etag: str | None = None) -> str:
            etag = real(self, path, content, expected_etag)
            _fail_to_remove(patch)
            return etag

        patch.setattr(LocalFiles, "replace", replace)
        done = _push(local, str(tmp_path / "three"), local.look().version)

    assert done.is_new
    assert local.production() == done.record
    assert "is in production" in caplog.text
    # What was left is tidied up by the next one, and the version stays.
    rollback(local)
    assert done.record.version in local.versions()


def test_the_trail_says_who_when_from_where_and_why(local: ModelStore) -> None:
    one, two = local.versions()
    rollback(local, why="sports came out as business")

    moves = local.moves()

    assert [(move.number, move.action, move.before, move.version) for move in moves] == [
        (1, "push", "", one),
        (2, "push", one, two),
        (3, "rollback", two, one),
    ]
    assert moves[2].why == "sports came out as business"
    assert all(move.by and move.host and move.digest for move in moves)
    files = sorted((Path(local.uri) / "history").iterdir())
    assert [json.loads(file.read_text())["number"] for file in files] == [1, 2, 3]
    assert moves[-2:] == local.moves(2)


def test_an_answer_that_was_lost_is_looked_up(local: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pointer moved, and the storage said that it failed."""
    one, _ = local.versions()
    real = LocalFiles.replace
    calls: list[Callable[[], None]] = []

    def replace(self: LocalFiles, path: str, content: bytes, expected_etag: str | None = None) -> str:
        real(self, path, content, expected_etag)
        calls.append(lambda: None)
        raise OSError(errno.EIO, "Input/output error", path)

    monkeypatch.setattr(LocalFiles, "replace", replace)

    assert rollback(local).after.version == one
    assert len(calls) == 1


def test_a_foreign_numbered_folder_stops_nothing(local: ModelStore, tmp_path: Path) -> None:
    one, two = local.versions()
    foreign = Path(local.uri) / "20271231235959"
    foreign.mkdir()
    (foreign / "saved_model.pb").write_text("somebody else's")

    assert local.versions() == (one, two)
    assert local.foreign() == ("20271231235959",)
    assert local.withdrawn() == ()
    (Path(local.uri) / "latest.json").write_text("{")
    with pytest.raises(AgnewsError) as caught:
        local.production()
    assert f"go on from version {two}" in caught.value.fix
    (Path(local.uri) / "latest.json").write_text((Path(local.folder(two)) / "assets.extra/record.json").read_text())
    (tmp_path / "three").mkdir()
    (tmp_path / "three" / "saved_model.pb").write_text("graph of three")
    done = _push(local, str(tmp_path / "three"), two)
    # TensorFlow Serving takes the highest number.
    assert int(done.record.version) > 20271231235959
    assert foreign.is_dir()
