"""What people are told of a run on a cluster, from what its steps have left."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agnews.components.model_store import ModelStore
from agnews.kubeflow import entrypoint
from agnews.kubeflow.client.kfp_api import KfpApi
from agnews.kubeflow.client.submit_pipeline import submit_pipeline
from agnews.kubeflow.execution.find_failed_step import FailedStep, connection_of_pod, find_failed_steps
from agnews.kubeflow.execution.run_note import RunNote, leave_note, note_outputs, nothing_new, read_note
from agnews.kubeflow.execution.step_contract import NotePlace, StepContract
from agnews.kubeflow.log_lines import NODE, REFUSED
from agnews.pipeline.notification.message import Message
from agnews.schemas.data_check import DataCheck, Finding
from agnews.schemas.errors import ExitCode
from agnews.schemas.push_outcome import PushOutcome
from agnews.schemas.run_report import RunDocuments, RunReport

RUN = "00000000-0000-4000-8000-000000000008"
KEEP = "import sys, uuid; open(f'{sys.argv[1]}/{uuid.uuid4()}', 'w').write(sys.stdin.read())"


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(str(tmp_path / "models"), "agnews")


@pytest.fixture
def told(tmp_path: Path, store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the step as a pod does that reaches no server; returns what its channel was given, by event."""
    folder = tmp_path / "told"
    folder.mkdir()
    monkeypatch.setenv("AGNEWS_KFP_HOST", "http://127.0.0.1:9")
    monkeypatch.setenv("AGNEWS_KFP_ATTEMPTS", "1")

    def run(*channels: dict[str, Any], run_id: str = RUN) -> dict[str, dict[str, Any]]:
        command = {"kind": "command", "command": [sys.executable, "-c", KEEP, str(folder)]}
        # Numbers are floats on the way through KFP.
        notify = {"channels": [*channels, command], "on": ["failed", "held_back", "pushed", "nothing_new", "drift"]}
        notify |= {"retries": 0.0, "timeout_seconds": 20.0}
        values = {"run_id": run_id, "push_uri": str(tmp_path / "models"), "model_name": store.name, "notify": notify}
        code = entrypoint.main(["--notify", "--executor-input", json.dumps({"inputs": {"parameterValues": values}})])
        assert code == ExitCode.OK
        found = [json.loads(file.read_text()) for file in folder.iterdir()]
        return {message["event"]: message for message in found}

    return run


def _contract(node: str) -> StepContract:
    return StepContract(
        node=node,
        executor="x.Executor",
        run_id="run_id",
        note=NotePlace(store="push_uri", model="agnews"),
    )


def _note(store: ModelStore, folder: Path, node: str) -> None:
    uri = store.uri.removesuffix("/agnews")
    note_outputs(_contract(node), [folder.parent / "nothing", folder], {"run_id": RUN, "push_uri": uri})


def test_a_run_that_was_killed_before_it_decided_failed(told: Any) -> None:
    messages = told()
    assert messages.keys() == {"failed"}
    assert messages["failed"]["run_id"] == RUN
    assert f"agnews runs show {RUN}" in messages["failed"]["detail"]
    assert "could not be asked of the server" in messages["failed"]["detail"]
    assert "http://127.0.0.1:9 cannot be reached" in messages["failed"]["detail"]


def _refused(node: str, problem: str, found: str) -> str:
    line = {"node": node, "problem": problem, "found": found, "fix": "y", "exit_code": 2, "final": True}
    return f"{REFUSED}{json.dumps(line)}\nI1129 01:07:48.100078      45 launcher_v2.go:1230] failed\n"


def _begun(node: str) -> str:
    return f"{NODE}{json.dumps({'node': node, 'state': 'started', 'seconds': 0})}\n"


@pytest.fixture
def start(server: Any, connect: Callable[..., KfpApi]) -> Callable[[Path], str]:
    """Starts a run, and lets it go on until its last step runs."""

    def begin(pipeline: Path) -> str:
        given = {"data_uri": "/data/news", "push_uri": "/data/models"}
        run_id = submit_pipeline(connect(), pipeline.read_text(), commit="c0ffee", parameters=given).run.run_id
        while server.workflows[run_id].progress["notify"].state != "running":
            server.play(run_id, 1)
        return run_id

    return begin


@pytest.mark.parametrize(
    ("telling", "task", "log", "name", "words"),
    [
        (
            "none",
            "trainer",
            _refused("Trainer", "The loss is no number.", "step 7"),
            "Trainer",
            "The loss is no number. (step 7)",
        ),
        ("none", "data-gate", "\nKilled\n", "DataGate", "Killed"),
        ("light", "data", _begun("StatisticsGen") + "counts\nKilled\n", "StatisticsGen", "Killed"),
        (
            "light",
            "decide",
            _begun("SmokeTest") + _refused("SmokeTest", "The model cannot be served.", "x"),
            "SmokeTest",
            "The model cannot be served. (x)",
        ),
    ],
    indirect=["telling"],
)
def test_the_step_that_failed_is_named_with_its_last_words(
    server: Any,
    telling: Path,
    start: Callable[[Path], str],
    told: Any,
    monkeypatch: pytest.MonkeyPatch,
    task: str,
    log: str,
    name: str,
    words: str,
) -> None:
    server.outcomes[task], server.says[task] = ["oom"], log
    run_id = start(telling)
    assert server.runs[run_id]["state"] == "RUNNING", "it tells before the run has ended"
    monkeypatch.setenv("AGNEWS_KFP_HOST", server.host)
    message = told(run_id=run_id)["failed"]
    assert message["title"] == f"agnews: the run failed in {name}"
    assert message["detail"].splitlines() == [f"{name}: {words}", f"`agnews runs show {run_id}` has the rest."]


@pytest.mark.parametrize("telling", ["light"], indirect=True)
def test_a_step_whose_log_is_gone_is_named_all_the_same(
    server: Any,
    telling: Path,
    start: Callable[[Path], str],
    told: Any,
    monkeypatch: pytest.MonkeyPatch,
    store: ModelStore,
) -> None:
    server.outcomes["decide"] = ["oom"]
    run_id = start(telling)
    server.logs.clear()
    note = Message(event="pushed", model="agnews", run_id=run_id, title="agnews: pushed")
    leave_note(store, run_id, RunNote(complete=False, messages=(note,)))
    monkeypatch.setenv("AGNEWS_KFP_HOST", server.host)
    messages = told(run_id=run_id)
    assert messages.keys() == {"pushed", "failed"}
    assert messages["failed"]["title"] == "agnews: the run failed behind the push in decide"
    assert "decide: its log is gone" in messages["failed"]["detail"]


@pytest.mark.parametrize("telling", ["light"], indirect=True)
def test_it_waits_until_the_server_has_seen_the_failure(
    server: Any, telling: Path, connect: Callable[..., KfpApi], start: Callable[[Path], str]
) -> None:
    server.outcomes["trainer"], server.says["trainer"] = ["oom"], "Killed\n"
    run_id = start(telling)
    server.workflows[run_id].progress["trainer"].state = "running"
    connection, waits = connect().connection, []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            server.workflows[run_id].progress["trainer"].state = "failed"

    assert find_failed_steps(run_id, connection=connection, sleep=sleep) == (FailedStep("Trainer", "Killed"),)
    assert len(waits) == 2
    server.workflows[run_id].progress["trainer"].state = "done"
    waits.clear()
    assert find_failed_steps(run_id, connection=connection, sleep=waits.append) == ()
    assert sum(waits) == 30.0
    server.runs[run_id]["state"] = "CANCELING"
    assert find_failed_steps(run_id, connection=connection, sleep=lambda _: pytest.fail("it waited")) == ()


def test_a_pod_knows_the_way_to_its_server(tmp_path: Path) -> None:
    assert connection_of_pod({}, tmp_path).host == "http://ml-pipeline.kubeflow.svc:8888"
    account = tmp_path / "kubernetes.io" / "serviceaccount"
    account.mkdir(parents=True)
    (account / "namespace").write_text("team\n")
    there = connection_of_pod({}, tmp_path)
    assert (there.host, there.namespace, there.kind) == ("http://ml-pipeline.kubeflow.svc:8888", "team", "none")
    here = connection_of_pod({"ML_PIPELINE_SERVICE_HOST": "10.0.0.7"}, tmp_path)
    assert here.host == "http://ml-pipeline.team.svc:8888"
    (tmp_path / "kubeflow" / "pipelines").mkdir(parents=True)
    (tmp_path / "kubeflow" / "pipelines" / "token").write_text("secret")
    assert connection_of_pod({}, tmp_path).headers() == {"authorization": "Bearer secret"}
    said = connection_of_pod({"AGNEWS_KFP_HOST": "https://kfp.example", "AGNEWS_KFP_TOKEN": "mine"}, tmp_path)
    assert (said.host, said.headers()) == ("https://kfp.example", {"authorization": "Bearer mine"})


def test_that_nothing_is_new_is_told_as_plan_found_it(told: Any, store: ModelStore) -> None:
    leave_note(store, RUN, nothing_new("agnews", RUN, "Nothing is new since version 3 was pushed."))
    messages = told()
    assert {event: message["detail"] for event, message in messages.items()} == {
        "nothing_new": "Nothing is new since version 3 was pushed."
    }
    # Told once: the note is gone, and another run's is not taken for it.
    assert read_note(store, RUN) is None


def test_a_push_is_told_with_what_the_report_knows(told: Any, store: ModelStore, tmp_path: Path) -> None:
    outcome = PushOutcome(pushed=True, reason="version 7 is in production", version="7")
    outcome.write(str(tmp_path / "pushed_model"), _write)
    _note(store, tmp_path / "pushed_model", "Pusher")
    note = read_note(store, RUN)
    assert note is not None
    assert not note.complete
    finding = Finding(kind="drift", where="train", feature="label", seen="0.3", allowed="0.1", stops=False)
    check = DataCheck(passed=True, rows={"train": 9}, findings=(finding,), distances=(), baseline="6")
    empty: dict[str, Any] = dict.fromkeys(
        ("data", "fingerprint", "metrics", "baseline", "pushed_model", "seconds", "peak_rss_mb", "command")
    )
    empty |= {"model": {}, "settings": {}, "reasons": (), "nodes": {}, "training_curve": (), "versions": {}}
    documents = RunDocuments(push=outcome, data_check=check)
    RunReport(run_id=RUN, blessed=True, documents=documents, **empty).write(str(tmp_path / "report"), _write)
    _note(store, tmp_path / "report", "Report")
    messages = told()
    assert messages.keys() == {"pushed", "drift"}
    assert (messages["pushed"]["version"], messages["pushed"]["run_id"]) == ("7", RUN)


def _write(path: str, chunks: Any) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(b"".join(chunks))


def test_a_run_cut_behind_its_push_is_told_as_both(told: Any, store: ModelStore, tmp_path: Path) -> None:
    folder = tmp_path / "pushed_model"
    PushOutcome(pushed=False, reason="not blessed: not_worse").write(str(folder), _write)
    _note(store, folder, "Pusher")
    messages = told()
    assert messages["held_back"]["detail"] == "not blessed: not_worse"
    assert messages["failed"]["title"].endswith("failed behind the push")


def test_nothing_here_fails_the_run(told: Any, store: ModelStore, capfd: pytest.CaptureFixture[str]) -> None:
    Path(store.uri, ".told").mkdir(parents=True)
    Path(store.uri, ".told", f"{RUN}.json").write_text("half a no")
    messages = told({"kind": "slack", "url": {"env": "NOT_SET_ANYWHERE"}})
    assert messages["failed"]["title"].endswith("how the run ended is not known")
    values = {"notify": {"channels": "none"}, "run_id": RUN, "push_uri": store.uri, "model_name": "agnews"}
    text = json.dumps({"inputs": {"parameterValues": values}})
    assert entrypoint.main(["--notify", "--executor-input", text]) == ExitCode.OK


def test_a_node_that_is_told_nothing_of_it_leaves_no_note(store: ModelStore, tmp_path: Path) -> None:
    folder = tmp_path / "pushed_model"
    PushOutcome(pushed=False, reason="no").write(str(folder), _write)
    note_outputs(_contract("Pusher").model_copy(update={"note": None}), [folder], {})
    assert not Path(store.uri).exists()
