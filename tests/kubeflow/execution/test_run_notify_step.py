"""What people are told of a run on a cluster, from what its steps have left."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from agnews.components.model_store import ModelStore
from agnews.kubeflow import entrypoint
from agnews.kubeflow.execution.run_note import leave_note, note_outputs, nothing_new, read_note
from agnews.kubeflow.execution.step_contract import NotePlace, StepContract
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
def told(tmp_path: Path, store: ModelStore) -> Any:
    """Runs the step as a pod does; returns what its channel was given, by event."""
    folder = tmp_path / "told"
    folder.mkdir()

    def run(*channels: dict[str, Any]) -> dict[str, dict[str, Any]]:
        command = {"kind": "command", "command": [sys.executable, "-c", KEEP, str(folder)]}
        # Numbers are floats on the way through KFP.
        notify = {"channels": [*channels, command], "on": ["failed", "held_back", "pushed", "nothing_new", "drift"]}
        notify |= {"retries": 0.0, "timeout_seconds": 20.0}
        values = {"run_id": RUN, "push_uri": str(tmp_path / "models"), "model_name": store.name, "notify": notify}
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
