"""A store that other people's servers read from: never half a version, never a lost one."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from agnews.components.model_store import ModelStore
from agnews.components.model_store.prune import prune
from agnews.components.model_store.publish import Push, publish
from agnews.components.model_store.rollback import rollback
from agnews.components.model_store.serving_leases import ServingLease
from agnews.components.storage.local_files import LocalFiles
from agnews.schemas.errors import AgnewsError, ExitCode

CLASSES = ("World", "Sports", "Business", "Sci/Tech")


@pytest.fixture
def model(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a folder that looks like a SavedModel; its content differs by name."""

    def make(name: str) -> Path:
        folder = tmp_path / "models" / name
        (folder / "variables").mkdir(parents=True, exist_ok=True)
        (folder / "saved_model.pb").write_bytes(b"graph of " + name.encode())
        (folder / "variables" / "variables.index").write_bytes(b"index")
        (folder / "variables" / "variables.data-00000-of-00001").write_bytes(name.encode() * 50_000)
        return folder

    return make


def push(store: ModelStore, model: Path, *, judged_against: str | None = None, fingerprint: str = "") -> Push:
    current = store.production()
    statistics = model / "variables" / "variables.index"
    return publish(
        store,
        model=str(model),
        extra_files={"assets.extra/statistics/FeatureStats.pb": str(statistics)},
        judged_against=(current.version if current else "") if judged_against is None else judged_against,
        fingerprint=fingerprint,
        run_id="run-1",
        accuracy=0.9,
        classes=CLASSES,
    )


def check_consistent(store: ModelStore, tmp_path: Path) -> None:
    """What a reader relies on at any moment, also right after a kill."""
    current = store.production()
    versions = store.versions()
    assert (current is None) == (not versions)
    if current:
        assert current.version == versions[-1]
    for version in versions:
        store.fetch(version, str(tmp_path / "check" / version))  # raises where a file is missing or cut


def test_first_push_is_a_folder_that_tf_serving_loads_and_a_pointer(
    tmp_path: Path, model: Callable[[str], Path]
) -> None:
    store = ModelStore(str(tmp_path / "store"), "agnews")
    assert store.production() is None
    assert store.versions() == ()

    pushed = push(store, model("a"))

    assert pushed.is_new
    folder = tmp_path / "store" / "agnews" / pushed.record.version
    assert (folder / "saved_model.pb").read_bytes() == b"graph of a"
    assert (folder / "assets.extra" / "statistics" / "FeatureStats.pb").read_bytes() == b"index"
    assert store.production() == pushed.record == store.record(pushed.record.version)
    pointer = json.loads((folder.parent / "latest.json").read_text())
    assert json.loads((folder / "assets.extra" / "record.json").read_text()).items() <= pointer.items()
    assert (pointer["format"], pointer["digest"]) == (2, pushed.record.model_digest)
    assert sorted(path.name for path in folder.parent.iterdir()) == [
        ".lock",
        pushed.record.version,
        "history",
        "latest.json",
    ]


def test_versions_grow_even_within_one_second_and_with_a_clock_behind(
    tmp_path: Path, model: Callable[[str], Path]
) -> None:
    store = ModelStore(str(tmp_path / "store"), "agnews")
    future = str(int(time.time()) + 10_000_000)
    first = push(store, model("a")).record
    (tmp_path / "store/agnews" / first.version).rename(tmp_path / "store/agnews" / future)
    record = tmp_path / "store/agnews" / future / "assets.extra/record.json"
    record.write_text(record.read_text().replace(first.version, future))
    (tmp_path / "store/agnews/latest.json").write_text(record.read_text())

    versions = [int(push(store, model(name)).record.version) for name in "bcd"]

    assert versions == [int(future) + 1, int(future) + 2, int(future) + 3]


@pytest.mark.parametrize("same", ["digest", "fingerprint"])
def test_the_model_in_production_is_not_pushed_twice(tmp_path: Path, model: Callable[[str], Path], same: str) -> None:
    store = ModelStore(str(tmp_path / "store"), "agnews")
    first = push(store, model("a"), fingerprint="f")

    again = push(
        store,
        model("a" if same == "digest" else "b"),
        judged_against="",
        fingerprint="f" if same == "fingerprint" else "",
    )

    assert again == Push(first.record, is_new=False)
    assert store.versions() == (first.record.version,)


def test_a_model_judged_against_another_version_than_production_is_refused(
    tmp_path: Path, model: Callable[[str], Path]
) -> None:
    store = ModelStore(str(tmp_path / "store"), "agnews")
    first = push(store, model("a")).record
    second = push(store, model("b")).record

    with pytest.raises(AgnewsError, match="moved since this model was judged") as caught:
        push(store, model("c"), judged_against=first.version)

    assert first.version in str(caught.value)
    assert second.version in str(caught.value)
    assert store.production() == second
    assert store.versions() == (first.version, second.version)


def test_of_two_pushers_at_once_one_wins_and_the_other_is_told(tmp_path: Path, model: Callable[[str], Path]) -> None:
    outcomes: list[Push | AgnewsError] = []
    folders = [model(name) for name in "ab"]
    barrier = threading.Barrier(2)

    def run(folder: Path) -> None:
        store = ModelStore(str(tmp_path / "store"), "agnews")
        barrier.wait()
        try:
            outcomes.append(push(store, folder, judged_against=""))
        except AgnewsError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=run, args=(folder,)) for folder in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    store = ModelStore(str(tmp_path / "store"), "agnews")
    winners = [outcome for outcome in outcomes if isinstance(outcome, Push)]
    losers = [outcome for outcome in outcomes if isinstance(outcome, AgnewsError)]
    assert len(winners) == len(losers) == 1
    assert "moved since" in losers[0].problem
    assert store.versions() == (winners[0].record.version,)
    check_consistent(store, tmp_path)


class _Killed(LocalFiles):
    """Dies, as the out-of-memory killer has it, at the nth change to the disk: before it, half-way, or after it."""

    def __init__(self, at: int, moment: str) -> None:
        self._left, self._moment = at, moment

    def _due(self, moment: str) -> bool:
        if moment == "before":
            self._left -= 1
        return self._left == 0 and moment == self._moment

    def _die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def write(self, path: str, chunks: Iterable[bytes]) -> None:
        if self._due("before"):
            self._die()
        super().write(path, self._cut(chunks) if self._due("half") else chunks)
        if self._due("after"):
            self._die()

    def create(self, path: str, content: bytes) -> str:
        if self._due("before") or self._due("half"):
            self._die()
        etag = super().create(path, content)
        if self._due("after"):
            self._die()
        return etag

    def _cut(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        content = b"".join(chunks)
        yield content[: len(content) // 2]
        self._die()

    def rename(self, source: str, target: str) -> None:
        if self._due("before") or self._due("half"):
            self._die()
        super().rename(source, target)
        if self._due("after"):
            self._die()

    def remove(self, folder: str) -> None:
        if self._due("before") or self._due("half"):
            self._die()
        super().remove(folder)
        if self._due("after"):
            self._die()


@pytest.mark.integration
@pytest.mark.parametrize("moment", ["before", "half", "after"])
def test_a_push_killed_at_any_step_leaves_the_old_or_the_new_version(
    tmp_path: Path, model: Callable[[str], Path], moment: str
) -> None:
    store = ModelStore(str(tmp_path / "store"), "agnews")
    old = push(store, model("old")).record
    steps = 0
    while True:
        candidate = model(f"new{steps}")
        child = os.fork()
        if child == 0:  # pragma: no cover - the child is killed
            doomed = ModelStore(str(tmp_path / "store"), "agnews")
            doomed.files = _Killed(steps + 1, moment)
            push(doomed, candidate)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        current = store.production()
        assert current is not None
        assert current == old or current.version > old.version
        check_consistent(store, tmp_path)
        if os.WIFEXITED(status):
            break
        # The next push works and removes what the killed one left.
        old = push(store, model(f"next{steps}")).record
        assert not [path.name for path in (tmp_path / "store/agnews").glob(".incoming-*") if path.is_dir()]
        check_consistent(store, tmp_path)
        steps += 1
    assert steps >= 8  # marker, record, three files, statistics, rename, pointer, and the marker's removal


@pytest.mark.integration
def test_pushes_killed_at_random_moments_leave_a_consistent_store(tmp_path: Path, model: Callable[[str], Path]) -> None:
    folders = [str(model(f"m{number}")) for number in range(4)]
    script = textwrap.dedent(
        f"""
        import itertools
        from agnews.components.model_store import ModelStore
        from agnews.components.model_store.publish import publish
        store = ModelStore({str(tmp_path / "store")!r}, "agnews")
        print("ready", flush=True)
        for folder in itertools.cycle({folders!r}):
            current = store.production()
            publish(store, model=folder, extra_files={{}}, judged_against=current.version if current else "",
                          fingerprint="", run_id="", accuracy=0.9, classes=("a", "b"))
        """
    )
    store = ModelStore(str(tmp_path / "store"), "agnews")
    moments = random.Random(5)
    seen = 0
    for _ in range(8):
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(moments.uniform(0.01, 0.25))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        check_consistent(store, tmp_path)
        seen = max(seen, len(store.versions()))
    assert seen > 0
    push(store, model("last"))
    assert not [path for path in (tmp_path / "store/agnews").glob(".incoming-*") if path.is_dir()]
    check_consistent(store, tmp_path)


@pytest.mark.parametrize("file", ["variables.data", "latest.json"])
def test_a_full_disk_is_named_and_nothing_is_lost(
    tmp_path: Path, model: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    store = ModelStore(str(tmp_path / "store"), "agnews")
    old = push(store, model("old")).record
    real_write = LocalFiles.write

    def write(self: LocalFiles, path: str, chunks: Iterable[bytes]) -> None:
        real_write(self, path, fill(chunks) if file in path else chunks)

    def fill(chunks: Iterable[bytes]) -> Iterator[bytes]:
        yield b"".join(chunks)[:100]
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(LocalFiles, "write", write)
        with pytest.raises(AgnewsError, match="The disk is full") as caught:
            push(store, model("new"))

    assert caught.value.exit_code == ExitCode.FAILED
    assert "Free some space" in caught.value.fix
    assert store.production() == old
    assert store.versions() == (old.version,)
    assert {path.name for path in (tmp_path / "store/agnews").iterdir() if path.is_dir()} == {old.version, "history"}
    assert push(store, model("new")).is_new


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, model: Callable[[str], Path]) -> None:
    (tmp_path / "store").write_text("a file where the folder should be")

    with pytest.raises(AgnewsError, match="pushing to") as caught:
        push(ModelStore(str(tmp_path / "store"), "agnews"), model("a"))

    assert str(tmp_path / "store") in str(caught.value)


def test_a_model_without_a_graph_is_refused(tmp_path: Path, model: Callable[[str], Path]) -> None:
    folder = model("a")
    (folder / "saved_model.pb").unlink()

    with pytest.raises(AgnewsError, match=r"holds no saved_model\.pb"):
        push(ModelStore(str(tmp_path / "store"), "agnews"), folder)


@pytest.mark.parametrize("content", ["", "{", '{"version": "1"}', "[]", '{"nonsense": 1}'])
def test_a_malformed_pointer_says_how_to_mend_it(tmp_path: Path, model: Callable[[str], Path], content: str) -> None:
    store = ModelStore(str(tmp_path / "store"), "agnews")
    version = push(store, model("a")).record.version
    pointer = tmp_path / "store/agnews/latest.json"
    pointer.write_text(content)

    with pytest.raises(AgnewsError, match="is not a model record") as caught:
        store.production()

    assert "delete" in caught.value.fix
    assert f"{version}/assets.extra/record.json" in caught.value.fix
    # The advice works.
    pointer.write_bytes((tmp_path / "store/agnews" / version / "assets.extra/record.json").read_bytes())
    assert push(store, model("b")).is_new


def test_a_missing_version_says_which_ones_there_are(tmp_path: Path, model: Callable[[str], Path]) -> None:
    store = ModelStore(str(tmp_path / "store"), "agnews")
    version = push(store, model("a")).record.version

    with pytest.raises(AgnewsError, match="no whole version 17") as caught:
        store.fetch("17", str(tmp_path / "out"))

    assert version in str(caught.value.found)


@pytest.mark.parametrize("damage", ["changed", "cut", "missing", "added"])
def test_a_corrupt_version_is_noticed(tmp_path: Path, model: Callable[[str], Path], damage: str) -> None:
    store = ModelStore(str(tmp_path / "store"), "agnews")
    version = push(store, model("a")).record.version
    weights = tmp_path / "store/agnews" / version / "variables/variables.data-00000-of-00001"
    match damage:
        case "changed":
            weights.write_bytes(b"b" + weights.read_bytes()[1:])
        case "cut":
            weights.write_bytes(weights.read_bytes()[:-1])
        case "missing":
            weights.unlink()
        case "added":
            weights.with_name("more").write_bytes(b"")

    with pytest.raises(AgnewsError, match="is corrupt"):
        store.fetch(version, str(tmp_path / "out"))


@pytest.fixture(params=["ram", "s3"])
def remote(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place on TensorFlow's file layer, and a bucket."""
    if request.param == "s3":
        return f"{request.getfixturevalue('bucket')}/store"
    return f"ram://{tmp_path.name}/store"


def test_a_store_on_a_remote_storage_behaves_the_same(
    tmp_path: Path, model: Callable[[str], Path], remote: str
) -> None:
    store = ModelStore(remote, "agnews")
    assert store.production() is None

    first = push(store, model("a")).record
    second = push(store, model("b")).record

    assert store.versions() == (first.version, second.version)
    assert store.production() == second
    assert store.fetch(first.version, str(tmp_path / "out")) == first
    assert (tmp_path / "out" / "saved_model.pb").read_bytes() == b"graph of a"
    with pytest.raises(AgnewsError, match="moved since"):
        push(store, model("c"), judged_against=first.version)


def test_a_remote_push_that_was_cut_does_not_count_and_is_swept_when_it_is_old(
    model: Callable[[str], Path], remote: str
) -> None:
    store = ModelStore(remote, "agnews")
    first = push(store, model("a")).record
    cut, young = str(int(first.version) + 5), str(int(first.version) + 6)
    for version, started in ((cut, "2020-01-01T00:00:00+00:00"), (young, "2999-01-01T00:00:00+00:00")):
        store.files.write(f"{store.uri}/.incoming-{version}/started", [started.encode()])
        store.files.write(f"{store.uri}/{version}/saved_model.pb", [b"graph"])
    assert store.versions() == (first.version,)

    second = push(store, model("b")).record

    assert store.versions() == (first.version, second.version)
    assert cut not in store.files.names(store.uri)
    assert young in store.files.names(store.uri)  # another pusher may still be writing it


def test_storage_that_nothing_here_can_open_is_named(tmp_path: Path) -> None:
    with pytest.raises(AgnewsError, match="The storage failed") as caught:
        ModelStore("hdfs://host/models", "agnews").production()

    assert "hdfs" in str(caught.value.found)


@pytest.fixture(params=["disk", "ram", "s3"])
def four(tmp_path: Path, model: Callable[[str], Path], request: pytest.FixtureRequest) -> ModelStore:
    """A store with four versions, on a disk, on TensorFlow's file layer, and in a bucket."""
    uri = {"disk": str(tmp_path / "store"), "ram": f"ram://{tmp_path.name}/four"}.get(request.param)
    store = ModelStore(uri or request.getfixturevalue("bucket"), "agnews")
    for name in "abcd":
        push(store, model(name), fingerprint=f"fingerprint of {name}")
    return store


def test_a_rollback_moves_the_pointer_and_nothing_else(four: ModelStore) -> None:
    a, b, c, d = four.versions()

    assert (done := rollback(four)).before.version == d
    assert done.after.version == c
    assert four.production() == four.record(c)
    assert rollback(four).after.version == b
    assert [record.version for record in four.withdrawn()] == [c, d]
    assert rollback(four, d).after.version == d
    assert four.withdrawn() == ()
    assert rollback(four, a).before.version == d
    assert (again := rollback(four, a)).before == again.after

    with pytest.raises(AgnewsError, match=f"no version of agnews before {a}"):
        rollback(four)
    with pytest.raises(AgnewsError, match="no whole version 17"):
        rollback(four, "17")
    assert four.production() == four.record(a)
    assert four.versions() == (a, b, c, d)


def test_a_rollback_needs_something_in_production(tmp_path: Path) -> None:
    with pytest.raises(AgnewsError, match="no version of agnews in production"):
        rollback(ModelStore(str(tmp_path), "agnews"))


def test_a_damaged_version_is_not_put_into_production(four: ModelStore) -> None:
    *_, c, d = four.versions()
    four.files.write(f"{four.folder(c)}/variables/variables.index", [b"not what was pushed"])

    with pytest.raises(AgnewsError, match=f"Version {c} .* is corrupt"):
        rollback(four)

    assert four.production() == four.record(d)


@pytest.mark.parametrize("same", ["digest", "fingerprint"])
def test_what_was_rolled_back_does_not_come_back_by_itself(
    four: ModelStore, model: Callable[[str], Path], same: str
) -> None:
    *_, c, d = four.versions()
    rollback(four)

    push_again = push(
        four,
        model("d" if same == "digest" else "another"),
        fingerprint="fingerprint of d" if same == "fingerprint" else "",
    )

    assert push_again == Push(four.record(c), is_new=False, withdrawn=four.record(d))
    assert four.production() == four.record(c)
    assert len(four.versions()) == 4


def test_a_push_after_a_rollback_is_a_new_beginning(four: ModelStore, model: Callable[[str], Path]) -> None:
    *_, d = four.versions()
    rollback(four)

    newer = push(four, model("e"))

    assert newer.is_new
    assert int(newer.record.version) > int(d)
    assert four.withdrawn() == ()
    # By now it has been compared with the version in production, as any other model.
    assert push(four, model("d")).is_new


def test_pruning_spares_what_somebody_needs(four: ModelStore) -> None:
    a, b, c, d = four.versions()
    lease = ServingLease(four.uri, a)
    rollback(four)

    planned = prune(four, 1, dry_run=True)

    assert [(each.version, each.kept_because.partition(" ")[0]) for each in planned] == [
        (a, "served"),
        (b, ""),
        (c, "in"),
        (d, "withdrawn;"),
    ]
    assert all(each.size > 50_000 for each in planned)
    assert four.versions() == (a, b, c, d)
    assert prune(four, 1) == planned
    assert four.versions() == (a, c, d)
    assert not [name for name in four.files.names(four.uri) if name.startswith(".incoming-")]
    lease.release()
    prune(four, 3)
    assert four.versions() == (a, c, d)
    prune(four, 2)
    assert four.versions() == (c, d)
    with pytest.raises(ValueError, match="keep is 0"):
        prune(four, 0)


def test_a_server_that_is_gone_keeps_nothing(four: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    a, *rest = four.versions()
    ServingLease(four.uri, a)
    monkeypatch.setattr("agnews.components.model_store.serving_leases.LEASE_TIME", timedelta(0))

    prune(four, 3)

    assert four.versions() == tuple(rest)
    assert not four.files.names(f"{four.uri}/.serving")


def test_a_server_that_comes_while_versions_are_measured_keeps_its_own(
    four: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, *_, d = four.versions()
    real_size = ModelStore.size

    def size(self: ModelStore, version: str) -> int:
        if version == d:
            ServingLease(four.uri, a)
        return real_size(self, version)

    monkeypatch.setattr(ModelStore, "size", size)

    prunings = prune(four, 2)

    assert [each.version for each in prunings if not each.kept_because] == [b]
    assert a in four.versions()


@pytest.mark.integration
@pytest.mark.parametrize("moment", ["before", "half", "after"])
@pytest.mark.parametrize("action", ["prune", "rollback"])
def test_a_pruning_or_rollback_killed_at_any_step_leaves_whole_versions(
    tmp_path: Path, model: Callable[[str], Path], action: str, moment: str
) -> None:
    store = ModelStore(str(tmp_path / "store"), "agnews")
    steps = 0
    while True:
        while len(store.versions()) < 3:
            push(store, model(f"{steps}-{len(store.versions())}"))
        before = store.production()
        assert before is not None
        child = os.fork()
        if child == 0:  # pragma: no cover - the child is killed
            doomed = ModelStore(str(tmp_path / "store"), "agnews")
            doomed.files = _Killed(steps + 1, moment)
            if action == "prune":
                prune(doomed, 1)
            else:
                rollback(doomed)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        versions, current = store.versions(), store.production()
        for version in versions:
            store.fetch(version, str(tmp_path / "check" / version))  # raises where a file is missing
        assert current is not None
        if action == "prune":
            assert current == before
        else:
            assert len(versions) == 3
            assert current.version in versions[-2:]
        if os.WIFEXITED(status):
            break
        if current != before:
            rollback(store, before.version)
        # What was left behind goes with the next one.
        prune(store, 3)
        assert not [path.name for path in (tmp_path / "store/agnews").glob(".incoming-*") if path.is_dir()]
        steps += 1
    assert steps >= (6 if action == "prune" else 1)
