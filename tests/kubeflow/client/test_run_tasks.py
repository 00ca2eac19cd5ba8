"""The tasks that were submitted, told from the rows that a real server listed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from twin.server import Twin

from agnews.kubeflow.client.kfp_api import KfpApi
from agnews.kubeflow.client.run_record import RunRecord
from agnews.kubeflow.client.run_tasks import SpecTask, TaskState, find_task, node_hash, read_spec_tasks, tasks_of
from agnews.kubeflow.client.step_log import last_line
from agnews.schemas.errors import AgnewsError, ExitCode

NAMES = [
    *["baseline-model", "import-schema-gen", "news-example-gen", "statistics-gen", "example-validator", "data-gate"],
    *["transform", "token-gate", "trainer", "evaluator", "smoke-test", "pusher", "report"],
]
SUBMITTED = (SpecTask("plan", ("Plan",)), *(SpecTask(name, groups=("learn-and-push",)) for name in NAMES))


@pytest.fixture
def recorded(server: Twin, connect: Callable[..., KfpApi], recordings: dict[str, Any]) -> Callable[[str], RunRecord]:
    """Reads a recorded run as our client does."""

    def read(name: str) -> RunRecord:
        answer = dict(recordings[f"api/run-get-{name}.json"]["response"])
        rows = answer.pop("run_details", {}).get("task_details", [])
        server.runs[answer["run_id"]] = answer
        server.rows = lambda run_id: rows
        return connect().get_run(answer["run_id"])

    return read


def _states(run: RunRecord, submitted: tuple[SpecTask, ...] = SUBMITTED) -> dict[str, str]:
    return {task.name: str(task.state) for task in tasks_of(run, submitted)}


def test_the_hash_is_that_of_argo(recordings: dict[str, Any]) -> None:
    for path in [path for path in recordings if path.startswith("argo/")]:
        document = recordings[path]
        nodes = document["nodes"].values() if isinstance(document["nodes"], dict) else document["nodes"]
        for node in nodes:
            assert node["id"] in (document["workflow"], f"{document['workflow']}-{node_hash(node['name'])}")


def test_a_failed_run_shows_what_failed_and_what_never_ran(recorded: Callable[[str], RunRecord]) -> None:
    run = recorded("failed")
    states = _states(run)
    assert list(states) == [task.name for task in SUBMITTED]
    assert Counter(states.values()) == {"done": 1, "failed": 3, "skipped": 10}
    assert {name for name, state in states.items() if state == "failed"} == {
        *("baseline-model", "import-schema-gen", "news-example-gen"),
    }
    assert run.exit_code is ExitCode.FAILED
    assert not run.stopped


def test_a_running_run_with_a_second_try_and_answers_from_the_cache(recorded: Callable[[str], RunRecord]) -> None:
    tasks = {task.name: task for task in tasks_of(recorded("running"), SUBMITTED)}
    assert Counter(task.state for task in tasks.values()) == {"done": 1, "cached": 8, "running": 1, "waiting": 4}
    trainer = tasks["trainer"]
    assert (trainer.state, len(trainer.pods)) == (TaskState.RUNNING, 2)
    pod = "agnews-ckwdq-retry-system-container-impl-"
    base = "agnews-ckwdq(0).root(0).learn-and-push(0).trainer(0).executor"
    assert [pods[0] for pods in trainer.pods] == [f"{pod}{node_hash(f'{base}({number})')}" for number in (0, 1)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cached-no-template-defaults", {"cached": 7, "done": 7}),
        ("nothing-new-no-template-defaults", {"done": 1, "skipped": 13}),
        ("succeeded-after-retry", {"done": 14}),
        ("scheduled-running", {"running": 1, "waiting": 13}),
        ("pending", {"waiting": 14}),
        # The last answer of a wait that ended too early: Report still runs.
        ("succeeded", {"done": 13, "running": 1}),
    ],
)
def test_other_runs(recorded: Callable[[str], RunRecord], name: str, expected: dict[str, int]) -> None:
    assert Counter(_states(recorded(name)).values()) == expected


def test_a_run_has_ended_when_its_rows_have(recorded: Callable[[str], RunRecord]) -> None:
    assert recorded("succeeded").finished
    assert not recorded("succeeded").settled
    assert recorded("succeeded-after-retry").settled
    assert recorded("failed").settled


def test_a_stopped_run_failed_after_it_was_cancelled(recorded: Callable[[str], RunRecord]) -> None:
    run = recorded("stopped")
    assert (run.state, run.outcome, run.exit_code) == ("FAILED", "STOPPED", ExitCode.INTERRUPTED)
    states = _states(run)
    assert Counter(states.values()) == {"done": 1, "stopped": 3, "skipped": 10}
    canceling = recorded("canceling")
    assert (canceling.outcome, canceling.finished) == ("CANCELING", False)
    assert _states(canceling)["trainer"] == "running"


def test_a_run_that_was_stopped_and_taken_up_again_is_not_stopped(recorded: Callable[[str], RunRecord]) -> None:
    run = recorded("succeeded-after-retry")
    assert run.history == ("PENDING", "RUNNING", "FAILED", "RUNNING", "SUCCEEDED")
    assert run.exit_code is ExitCode.OK
    history = ("RUNNING", "CANCELING", "FAILED", "RUNNING", "FAILED")
    assert not RunRecord("r", "r", state="FAILED", history=history).stopped
    assert RunRecord("r", "r", state="FAILED", history=history[:3]).stopped


def test_tries_without_defaults_of_templates(recorded: Callable[[str], RunRecord], recordings: dict[str, Any]) -> None:
    names = ["capped", "childkill", "deleted", "evicted", "exit1", "late", "nomax", "oom", "timeout"]
    run = recorded("retries-no-template-defaults")
    tasks = {task.name: task for task in tasks_of(run, tuple(SpecTask(name) for name in names))}
    assert {name: len(task.pods) for name, task in tasks.items()} == {
        **dict.fromkeys(("deleted", "late", "nomax"), 1),
        **dict.fromkeys(("capped", "evicted", "oom", "timeout"), 2),
        **dict.fromkeys(("childkill", "exit1"), 3),
    }
    nodes = recordings["argo/retries-no-template-defaults.json"]["nodes"]
    nodes = nodes.values() if isinstance(nodes, dict) else nodes
    real = {f"retry-b-fvnz7-{n['templateName']}-{node_hash(n['name'])}" for n in nodes if n["type"] == "Pod"}
    assert {pods[0] for task in tasks.values() for pods in task.pods} <= real


@pytest.mark.parametrize("name", ["failed", "running", "cached-no-template-defaults", "retries-no-template-defaults"])
def test_without_the_version_rows_tell_the_tasks(recorded: Callable[[str], RunRecord], name: str) -> None:
    run = recorded(name)
    guessed = tasks_of(run)
    known = tuple(SpecTask(task.name) for task in guessed) if name.startswith("retries") else SUBMITTED
    expected = {task.name: (task.state, task.pods) for task in tasks_of(run, known)}
    reached = {name: seen for name, seen in expected.items() if seen[0] is not TaskState.WAITING}
    assert {task.name: (task.state, task.pods) for task in guessed} == reached


def test_tasks_are_listed_in_the_order_in_which_they_run(repository: Any) -> None:
    import yaml

    (spec, *_) = yaml.safe_load_all((repository / "tests/golden/pipeline.yaml").read_text())
    for given in (spec, {"pipeline_spec": spec, "platform_spec": {}}):
        tasks = read_spec_tasks(given)
        nodes = [node for task in tasks for node in task.nodes]
        assert nodes[0] == "Plan"
        for before, after in (("NewsExampleGen", "Transform"), ("Trainer", "Evaluator"), ("Pusher", "Report")):
            assert nodes.index(before) < nodes.index(after)


def test_nodes_that_share_a_step_are_found_in_it() -> None:
    group = '{"name": "data", "members": [{"node": "NewsExampleGen"}, {"node": "DataGate"}]}'
    executor = {"container": {"args": ["--group", group, "--executor-input", "{{$}}"]}}
    spec = {
        "root": {"dag": {"tasks": {"data": {"componentRef": {"name": "comp-data"}}}}},
        "components": {"comp-data": {"executorLabel": "exec-data"}},
        "deploymentSpec": {"executors": {"exec-data": executor}},
    }
    (task,) = tasks_of(RunRecord("r", "r"), read_spec_tasks(spec))
    assert task.nodes == ("NewsExampleGen", "DataGate")
    for name in ("datagate", "data-gate", "DataGate", "data"):
        assert find_task([task], name, "r") is task
    with pytest.raises(AgnewsError, match="Did you mean DataGate"):
        find_task([task], "DataGte", "r")


def test_the_last_words_are_not_those_of_the_launcher(recordings: dict[str, Any]) -> None:
    log = "ValueError: no good\nF1129 01:07:48.170447      45 main.go:60] failed to execute component: exit status 1\n"
    assert last_line(log) == "ValueError: no good"
    assert last_line("") == ""
