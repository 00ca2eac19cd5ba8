"""Cleaning makes room, and whatever stays is answered from the cache as before."""

from __future__ import annotations

import json
import logging
import os
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agnews.components.model_store import ModelStore
from agnews.components.model_store.publish import publish
from agnews.pipeline.cleaning.clean import clean
from agnews.pipeline.cleaning.clean_bucket import clean_bucket, plan_bucket
from agnews.pipeline.cleaning.plan_cleaning import Cleaning, Wish, plan_cleaning
from agnews.pipeline.local.same_run import find_same_run, remember_run
from agnews.pipeline.observer import NodeResult
from agnews.pipeline.paths import Paths, prepare_root
from agnews.schemas.errors import AgnewsError

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
NODES = ("NewsExampleGen", "Transform", "Trainer")
TABLES = """
CREATE TABLE Artifact (id INTEGER PRIMARY KEY, uri TEXT, state INTEGER);
CREATE TABLE ArtifactProperty (
  artifact_id INTEGER, name TEXT, is_custom_property INTEGER, string_value TEXT);
CREATE TABLE Event (artifact_id INTEGER, execution_id INTEGER);
CREATE TABLE Association (execution_id INTEGER, context_id INTEGER);
CREATE TABLE Context (id INTEGER PRIMARY KEY, name TEXT);
"""


@dataclass
class Workspace:
    """A root folder as runs leave it, with executions recorded where TFX records them."""

    paths: Paths
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    executions: int = 0

    def run(self, day: int, inputs: dict[str, int], *, report: bool = True) -> str:
        """Makes a run; a node with the input of an earlier run is answered from the cache. Returns its name."""
        when = NOW - timedelta(days=100 - day)
        name = f"{when:%Y%m%dT%H%M%S}-{day:04x}"
        used = {}
        with closing(sqlite3.connect(self.paths.metadata)) as store, store:
            (context,) = store.execute("INSERT INTO Context (name) VALUES (?) RETURNING id", (name,)).fetchone()
            for node in NODES:
                key = f"{node} {inputs[node]}"
                if key not in self.outputs:
                    self.executions += 1
                    folder = self.paths.artifacts / node / "out" / str(self.executions)
                    folder.mkdir(parents=True)
                    (folder / "data").write_bytes(b"x" * self.executions)
                    self._age(folder, when + timedelta(minutes=1))
                    self.outputs[key] = {"uri": str(folder)}
                    (artifact,) = store.execute(
                        "INSERT INTO Artifact (uri, state) VALUES (?, 2) RETURNING id", (str(folder),)
                    ).fetchone()
                    files = json.dumps({"data": self.executions})
                    store.execute("INSERT INTO ArtifactProperty VALUES (?, 'files', 1, ?)", (artifact, files))
                used[node] = self.outputs[key]["uri"]
                execution = context * 100 + len(used)
                store.execute("INSERT INTO Association VALUES (?, ?)", (execution, context))
                store.execute(
                    "INSERT INTO Event SELECT id, ? FROM Artifact WHERE uri = ?", (execution, self.outputs[key]["uri"])
                )
        folder = self.paths.run(name)
        folder.mkdir(parents=True)
        (folder / "run.log").write_text("words")
        if report:
            nodes = {node: {"outputs": {"out": uri}} for node, uri in used.items()}
            self.paths.report(name).write_text(json.dumps({"nodes": nodes}))
            remember_run(
                self.paths,
                f"{name:>32}"[-32:],
                {node: NodeResult(node, "done", 0.0, {"out": uri}) for node, uri in used.items()},
            )
        self._age(folder, when + timedelta(minutes=2))
        return name

    def _age(self, folder: Path, when: datetime) -> None:
        for path in (*folder.rglob("*"), folder):
            os.utime(path, (when.timestamp(), when.timestamp()))

    def is_cached(self, run: str) -> bool:
        """Whether the same run would be answered from what this one has left."""
        return find_same_run(self.paths, f"{run:>32}"[-32:]) is not None

    def push(self, run: str, model: bytes, against: str = "") -> str:
        """Pushes a model that a run has made; returns its version."""
        folder = self.paths.root / "model"
        folder.mkdir(exist_ok=True)
        (folder / "saved_model.pb").write_bytes(model)
        store = ModelStore(str(self.paths.models), "agnews")
        push = publish(
            store,
            model=str(folder),
            extra_files={},
            judged_against=against,
            fingerprint="",
            run_id=run,
            accuracy=0.9,
            classes=("a", "b"),
        )
        return push.record.version

    def tree(self) -> dict[str, bytes]:
        """All files but what SQLite writes."""
        return {
            str(path.relative_to(self.paths.root)): path.read_bytes()
            for path in self.paths.root.rglob("*")
            if path.is_file() and "metadata.sqlite" not in path.name and path.name not in ("lock", ".lock")
        }


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    found = Workspace(prepare_root(tmp_path / "root"))
    with closing(sqlite3.connect(found.paths.metadata)) as store:
        store.executescript(TABLES)
    return found


def plan(workspace: Workspace, **wish: object) -> Cleaning:
    return plan_cleaning(workspace.paths, Wish(**wish), now=NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(12))
def test_what_stays_is_cached_as_before_and_the_same_again_removes_nothing(workspace: Workspace, seed: int) -> None:
    chance = random.Random(seed)
    runs = [workspace.run(day, {node: chance.randrange(4) for node in NODES}) for day in range(1, 15)]
    pushed = chance.choice(runs)
    workspace.push(pushed, b"one")
    wish: dict[str, object]
    if chance.random() < 0.5:
        keep = chance.randint(1, 8)
        wish, stay = {"keep": keep}, runs[-keep:]
    else:
        age = timedelta(days=chance.randint(86, 98))
        wish = {"older_than": age}
        stay = [run for day, run in enumerate(runs, 1) if 100 - day <= age.days]
    models = {name: data for name, data in workspace.tree().items() if name.startswith("models/")}
    before = workspace.tree()

    found = plan(workspace, **wish)
    assert workspace.tree() == before
    assert set(found.kept) == {*stay, pushed}
    named = {str(item.path) for item in found.items}
    assert [item.path for item in clean(workspace.paths, found)] == [item.path for item in found.items]

    for run in (*stay, pushed):
        assert workspace.is_cached(run)
        assert workspace.paths.report(run).is_file()
    gone = set(before) - set(workspace.tree())
    assert all(any(str(workspace.paths.root / path).startswith(name) for name in named) for path in gone)
    assert {name: data for name, data in workspace.tree().items() if name.startswith("models/")} == models
    assert not any(workspace.paths.run(run).exists() for run in runs if run not in (*stay, pushed))
    assert plan(workspace, **wish).items == ()


def test_a_removed_artifact_is_not_counted_on_by_any_cache(workspace: Workspace) -> None:
    old = workspace.run(1, dict.fromkeys(NODES, 1))
    workspace.run(2, dict.fromkeys(NODES, 2))

    list(clean(workspace.paths, plan(workspace, keep=1)))

    assert not workspace.is_cached(old)
    with closing(sqlite3.connect(workspace.paths.metadata)) as store:
        states = dict(store.execute("SELECT uri, state FROM Artifact"))
    assert {state for uri, state in states.items() if not Path(uri).exists()} == {4}
    assert {state for uri, state in states.items() if Path(uri).exists()} == {2}


def test_a_run_that_was_killed_keeps_what_it_had_got_so_far(workspace: Workspace) -> None:
    workspace.run(1, dict.fromkeys(NODES, 1))
    killed = workspace.run(2, {"NewsExampleGen": 1, "Transform": 1, "Trainer": 2}, report=False)

    found = plan(workspace, keep=1)

    assert set(found.kept) == {killed}
    assert [item.path.parts[-3] for item in found.items if item.kind == "artifact"] == ["Trainer"]


def test_a_cut_leaves_a_workspace_that_works_and_the_rest_goes_with_the_next_call(workspace: Workspace) -> None:
    for day in (1, 2, 3):
        workspace.run(day, dict.fromkeys(NODES, day))
    whole = len(plan(workspace, keep=1).items)
    for cut in range(whole):
        rest = plan(workspace, keep=1)
        for _ in zip(range(min(1, len(rest.items))), clean(workspace.paths, rest), strict=False):
            pass
        assert cut < whole

    assert plan(workspace, keep=1).items == ()
    assert workspace.is_cached(next(iter(plan(workspace, keep=1).kept)))


def test_studies_go_and_the_settings_that_came_of_them_stay(workspace: Workspace) -> None:
    folder = workspace.paths.root / "tuning"
    folder.mkdir()
    for number, name in enumerate(("old", "new")):
        for suffix in ("sqlite", "yaml"):
            (folder / f"{name}.{suffix}").write_text(name)
            os.utime(folder / f"{name}.{suffix}", (number, number))

    assert [item.path.name for item in plan(workspace, keep=1).items] == ["old.sqlite"]


def test_a_damaged_record_of_executions_stops_it_before_anything_is_removed(workspace: Workspace) -> None:
    workspace.run(1, dict.fromkeys(NODES, 1))
    workspace.run(2, dict.fromkeys(NODES, 2))
    workspace.paths.metadata.write_bytes(b"no database" * 100)

    with pytest.raises(AgnewsError, match="nobody knows what runs need"):
        plan(workspace, keep=1)


@pytest.fixture(params=["local", "bucket"])
def pipeline_root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "local":
        yield str(tmp_path / "pipelines")
        return
    from moto.server import ThreadedMotoServer
    from pyarrow.fs import S3FileSystem

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "ours",
        "AWS_SECRET_ACCESS_KEY": "nobody knows",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    address = f"{host}:{port}"
    S3FileSystem(endpoint_override=address, scheme="http", region="us-east-1", allow_bucket_creation=True).create_dir(
        "artifacts"
    )
    yield "s3://artifacts/pipelines"
    server.stop()


def test_runs_in_a_pipeline_root_go_but_for_what_newer_ones_use(pipeline_root: str) -> None:
    from agnews.components.storage.files_at import files_at

    files = files_at(pipeline_root)
    for run in ("run-1", "run-2", "run-3"):
        files.write(f"{pipeline_root}/agnews/{run}/trainer/model/saved_model.pb", [run.encode()])
        uses = "run-1" if run == "run-3" else run
        report = {"nodes": {"Trainer": {"outputs": {"model": f"{pipeline_root}/agnews/{uses}/trainer/model"}}}}
        files.write(f"{pipeline_root}/agnews/{run}/report/report/report.json", [json.dumps(report).encode()])
        time.sleep(1.1)

    runs = plan_bucket(pipeline_root, Wish(keep=1))
    assert {run.uri.rsplit("/", 1)[-1]: run.kept_because for run in runs} == {
        "run-3": "new enough",
        "run-2": "",
        "run-1": "a newer run uses what it has made",
    }
    assert [run.uri.rsplit("/", 1)[-1] for run in clean_bucket(pipeline_root, runs)] == ["run-2"]
    assert files.names(f"{pipeline_root}/agnews") == ["run-1", "run-3"]
    assert list(clean_bucket(pipeline_root, plan_bucket(pipeline_root, Wish(keep=1)))) == []
    assert plan_bucket(pipeline_root, Wish(older_than=timedelta(days=1)))[0].kept_because
