"""`agnews submit --wait` and `agnews runs` on a server that behaves as a real one was seen to."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from twin.server import Twin
from typer.testing import CliRunner, Result

from agnews.pipeline.cli.main import app
from agnews.schemas.errors import AgnewsError, ExitCode

Agnews = Callable[..., Result]
PUSHED = 'AGNEWS-VERDICT {"node": "Pusher", "pushed": true, "reason": "version 3 is in production", "version": "3"}\n'
HELD_BACK = 'AGNEWS-VERDICT {"node": "Pusher", "pushed": false, "reason": "not blessed: min_accuracy"}\n'
REFUSAL = {
    "node": "DataGate",
    "problem": "The rows are not what the schema says.",
    "found": "skew of label: 0.5 (allowed: 0.1)",
    "fix": "Mend the rows.",
    "exit_code": 1,
    "final": True,
    "report": {"passed": False, "findings": [{"kind": "skew"}]},
}
LAUNCHER = "F1129 01:00:03.170447      45 main.go:60] failed to execute component: exit status 1\n"


@pytest.fixture
def agnews(server: Twin, monkeypatch: pytest.MonkeyPatch) -> Agnews:
    monkeypatch.setenv("AGNEWS_KFP_HOST", server.host)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def whole(server: Twin, repository: Path) -> Path:
    """The whole pipeline; runs of it go on by themselves."""
    server.plays = True
    server.says["pusher"] = PUSHED
    return repository / "tests/golden/pipeline.yaml"


def _submit(agnews: Agnews, pipeline: Path, *more: object) -> Result:
    given = ("--param", "data_uri=/data/news", "--param", "push_uri=/data/models", "--interval", 0)
    return agnews("submit", pipeline, *given, *more)


def _only_run(server: Twin) -> str:
    (run_id,) = server.runs
    return run_id


def _lines(result: Result) -> list[str]:
    """What `--wait` said, without the clock."""
    words = [line.split(" ", 1) for line in result.stdout.splitlines() if line[:2].isdigit()]
    return [line[1] for line in words]


def _states(result: Result) -> dict[str, str]:
    rows = [line.split() for line in result.stdout.splitlines()[2:] if line and line.split()[0][0].isupper()]
    return {row[0]: row[1] for row in rows if len(row) > 1}


def test_a_run_is_followed_to_its_pushed_model(server: Twin, agnews: Agnews, whole: Path) -> None:
    server.outcomes["transform"] = ["cached"]
    result = _submit(agnews, whole, "--wait")
    assert result.exit_code == ExitCode.OK, result.output
    lines = _lines(result)
    assert lines[0] == "Plan running"
    assert lines[-1] == "run SUCCEEDED"
    assert "Transform cached" in lines
    # The server says that the run has succeeded before it says so of its steps.
    assert "Report done" in lines
    assert not [line for line in lines if line.startswith(("executor", "root", "agnews"))]
    assert "pushed: version 3 is in production" in result.stdout
    shown = agnews("runs", "show", _only_run(server))
    assert shown.exit_code == ExitCode.OK
    states = _states(shown)
    assert (states["Plan"], states["Transform"], states["Report"]) == ("done", "cached", "done")
    assert list(states).index("Trainer") < list(states).index("Evaluator") < list(states).index("Report")
    assert "pushed: version 3 is in production" in shown.stdout
    assert "data_uri = /data/news" in shown.stdout


@pytest.mark.parametrize(
    ("says", "outcomes", "event", "words"),
    [
        (PUSHED, {}, "pushed", "version 3 is in production"),
        (HELD_BACK, {}, "held_back", "not blessed: min_accuracy"),
        (PUSHED, {"trainer": ["failed"]}, "failed", "Trainer"),
    ],
)
def test_who_wants_to_know_is_told_how_a_run_ended(
    server: Twin,
    agnews: Agnews,
    whole: Path,
    tmp_path: Path,
    says: str,
    outcomes: dict[str, list[str]],
    event: str,
    words: str,
) -> None:
    server.says["pusher"] = says
    server.outcomes.update(outcomes)
    script = "import sys; open(sys.argv[1], 'ab').write(sys.stdin.buffer.read() + b'\\n')"
    command = json.dumps([sys.executable, "-c", script, str(tmp_path / "told")])
    file = tmp_path / "execution.yaml"
    file.write_text(f"notify:\n  channels: [{{kind: command, command: {command}}}]\n")

    result = _submit(agnews, whole, "--wait", "--execution", file)

    (line,) = (tmp_path / "told").read_text().splitlines()
    message = json.loads(line)
    assert (message["event"], message["run_id"]) == (event, _only_run(server)), result.output
    assert words in message["detail"]
    assert message["report"].startswith("http")


def test_a_model_that_was_held_back_ends_with_3(server: Twin, agnews: Agnews, whole: Path) -> None:
    server.says["pusher"] = HELD_BACK
    result = _submit(agnews, whole, "--wait")
    assert result.exit_code == ExitCode.NOT_BLESSED
    assert "not pushed: not blessed: min_accuracy" in result.stdout
    shown = agnews("runs", "show", _only_run(server))
    assert shown.exit_code == ExitCode.NOT_BLESSED
    assert "not pushed: not blessed: min_accuracy" in shown.stdout


def test_whether_a_model_was_pushed_is_said_to_be_unknown_without_its_log(
    server: Twin, agnews: Agnews, whole: Path
) -> None:
    server.logs_reachable = False
    result = _submit(agnews, whole, "--wait")
    assert result.exit_code == ExitCode.OK
    assert "whether a model was pushed could not be read" in result.stdout


def test_where_nothing_is_new_the_other_steps_are_skipped(server: Twin, agnews: Agnews, whole: Path) -> None:
    server.outcomes["learn-and-push"] = ["skipped"]
    result = _submit(agnews, whole, "--wait")
    assert result.exit_code == ExitCode.OK
    states = _states(agnews("runs", "show", _only_run(server)))
    assert states.pop("Plan") == "done"
    assert set(states.values()) == {"skipped"}


def test_a_refusal_is_shown_with_what_the_gate_has_found_and_is_not_tried_again(
    server: Twin, agnews: Agnews, whole: Path
) -> None:
    server.outcomes["data-gate"] = ["failed"]
    server.says["data-gate"] = f"AGNEWS-REPORT {json.dumps(REFUSAL)}\nerror  The rows are not ...\n{LAUNCHER}"
    result = _submit(agnews, whole, "--wait", "--retries", 3)
    assert result.exit_code == ExitCode.FAILED
    words = f"{REFUSAL['problem']} ({REFUSAL['found']})"
    assert f"DataGate failed: {words}" in _lines(result)
    assert "no retry" in result.stdout
    assert server.calls("POST", ":retry") == 0
    shown = agnews("runs", "show", _only_run(server))
    assert shown.exit_code == ExitCode.FAILED
    assert words in shown.stdout
    assert 'report of DataGate: {"passed": false' in shown.stdout
    assert _states(shown)["Transform"] == "skipped"


def test_a_failed_run_is_taken_up_where_it_was_cut(server: Twin, agnews: Agnews, whole: Path) -> None:
    server.outcomes["trainer"] = ["failed", "done"]
    server.says["trainer"] = ["ValueError: the node was drained\n" + LAUNCHER, "epoch 3\n"]
    result = _submit(agnews, whole, "--wait", "--retries", 2)
    assert result.exit_code == ExitCode.OK, result.output
    lines = _lines(result)
    assert "Trainer failed: ValueError: the node was drained" in lines
    assert "run FAILED" in lines
    assert f"retry 1 of 2: run {_only_run(server)} goes on" in lines
    assert lines[-1] == "run SUCCEEDED"
    assert server.calls("POST", ":retry") == 1
    assert lines.count("Transform done") == 1
    history = [entry["state"] for entry in server.runs[_only_run(server)]["state_history"]]
    assert history == ["PENDING", "RUNNING", "FAILED", "RUNNING", "SUCCEEDED"]


def test_retries_end(server: Twin, agnews: Agnews, whole: Path) -> None:
    server.outcomes["trainer"] = ["failed"]
    result = _submit(agnews, whole, "--wait", "--retries", 2)
    assert result.exit_code == ExitCode.FAILED
    assert server.calls("POST", ":retry") == 2
    assert "--wait" in str(_submit(agnews, whole, "--retries", 2).exception)


def test_a_server_that_cannot_take_up_a_run_gets_a_new_one(server: Twin, agnews: Agnews, whole: Path) -> None:
    server.retries_runs = False
    server.outcomes["trainer"] = ["failed", "done"]
    assert _submit(agnews, whole, "--wait", "--service-account", "gpu").exit_code == ExitCode.FAILED
    first = _only_run(server)
    result = agnews("runs", "retry", first, "--wait", "--interval", 0)
    assert result.exit_code == ExitCode.OK, result.output
    (second,) = server.runs.keys() - {first}
    assert f"run {second} starts in its place" in result.stdout
    before, after = server.runs[first], server.runs[second]
    for key in ("display_name", "experiment_id", "pipeline_version_reference", "runtime_config", "service_account"):
        assert after[key] == before[key]


def test_stop_retry_and_what_has_ended_already(server: Twin, agnews: Agnews, whole: Path) -> None:
    server.plays = False
    _submit(agnews, whole)
    run_id = _only_run(server)
    server.play(run_id, 12)
    assert "There is nothing" not in agnews("runs", "stop", run_id).stdout
    assert server.runs[run_id]["state"] == "CANCELING"
    server.play(run_id)
    shown = agnews("runs", "show", run_id)
    assert shown.exit_code == ExitCode.INTERRUPTED
    assert "STOPPED" in shown.stdout
    assert "FAILED" not in shown.stdout
    again = agnews("runs", "stop", run_id)
    assert (again.exit_code, again.stdout) == (0, f"Run {run_id} has ended already: STOPPED.\n")
    server.plays = True
    result = agnews("runs", "retry", run_id, "--wait", "--interval", 0)
    assert result.exit_code == ExitCode.OK, result.output
    assert f"Run {run_id} goes on." in result.stdout
    for command in ("retry", "retry"):
        error = agnews("runs", command, run_id).exception
        assert "has succeeded" in str(error)
    assert isinstance(error, AgnewsError)
    assert error.exit_code == ExitCode.USAGE
    assert "SUCCEEDED" in agnews("runs", "stop", run_id).stdout


def test_a_run_that_ends_while_it_is_stopped_is_no_error(server: Twin, agnews: Agnews, whole: Path) -> None:
    server.plays = False
    _submit(agnews, whole)
    run_id = _only_run(server)
    server.before = lambda method, path: server.play(run_id) if path.endswith(":terminate") else None
    result = agnews("runs", "stop", run_id)
    assert result.exit_code == ExitCode.OK, result.exception
    assert "has ended already: SUCCEEDED" in result.stdout


def test_a_waiting_command_ends_with_130_when_its_run_is_stopped(server: Twin, agnews: Agnews, whole: Path) -> None:
    looks = 0

    def stop_later(run: dict[str, object]) -> None:
        nonlocal looks
        looks += 1
        if looks == 9:
            server.run_service_terminate_run(str(run["run_id"]))

    server.on_get_run = stop_later
    result = _submit(agnews, whole, "--wait", "--retries", 1)
    assert result.exit_code == ExitCode.INTERRUPTED
    assert _lines(result)[-1] == "run STOPPED"
    assert server.calls("POST", ":retry") == 0


@pytest.mark.parametrize("template_defaults", [True, False])
def test_logs_are_found_by_the_name_of_node_and_task_and_by_try(
    server: Twin, agnews: Agnews, whole: Path, template_defaults: bool
) -> None:
    server.template_defaults = template_defaults
    again = "pod deleted" if template_defaults else "failed"
    server.outcomes["baseline-model"] = [again, "done"]
    server.says["baseline-model"] = ["the first try ✓\n", "the second try\n"]
    server.outcomes["statistics-gen"] = ["cached"]
    assert _submit(agnews, whole, "--wait").exit_code == ExitCode.OK
    run_id = _only_run(server)
    for name in ("BaselineModel", "baseline-model", "baselinemodel"):
        assert agnews("runs", "logs", run_id, name).stdout == "the second try\n"
    assert agnews("runs", "logs", run_id, name, "--try", 1).stdout == "the first try ✓\n"
    assert "tries: 2" in str(agnews("runs", "logs", run_id, name, "--try", 3).exception)
    assert "from the cache" in str(agnews("runs", "logs", run_id, "StatisticsGen").exception)
    assert "Did you mean Trainer" in str(agnews("runs", "logs", run_id, "Trainr").exception)
    (row,) = [line for line in agnews("runs", "show", run_id).stdout.splitlines() if line.startswith("BaselineModel")]
    assert row.split()[:3] == ["BaselineModel", "done", "2"]


def test_an_error_of_the_server_is_no_log(server: Twin, agnews: Agnews, whole: Path) -> None:
    _submit(agnews, whole, "--wait")
    server.logs.clear()
    result = agnews("runs", "logs", _only_run(server), "Trainer")
    assert result.stdout == ""
    assert isinstance(result.exception, AgnewsError)
    assert result.exception.exit_code == ExitCode.FAILED
    assert "NoSuchKey" in str(result.exception)
    assert "kubectl logs -c main agnews-" in str(result.exception)
    assert "named" not in agnews("runs", "logs", _only_run(server), "Trainer", "--pod", "mine").stdout
    server.logs["mine"] = "my log\n"
    assert agnews("runs", "logs", _only_run(server), "Trainer", "--pod", "mine").stdout == "my log\n"


def test_a_log_grows_while_it_is_followed_through_its_tries(server: Twin, agnews: Agnews, whole: Path) -> None:
    server.plays = False
    server.outcomes["trainer"] = ["pod deleted", "done"]
    _submit(agnews, whole)
    run_id = _only_run(server)
    workflow = server.workflows[run_id]

    def grow(run: dict[str, object]) -> None:
        server.play(run_id, 1)
        for number, pod in enumerate(workflow.pods("trainer"), 1):
            if workflow.progress["trainer"].tries[number - 1] == "RUNNING":
                server.logs[pod] = server.logs.get(pod, "") + f"try {number}\n"

    server.says["trainer"] = ""
    server.on_get_run = grow
    result = agnews("runs", "logs", run_id, "Trainer", "--follow", "--interval", 0)
    assert result.exit_code == ExitCode.OK, result.exception
    assert result.stdout == "try 1\n--- try 2\ntry 2\n"


def test_where_the_host_hands_on_no_log_it_is_read_from_the_store_of_the_artifacts(
    server: Twin, agnews: Agnews, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _submit(agnews, whole, "--wait")
    run_id = _only_run(server)
    server.logs_reachable = False
    error = agnews("runs", "logs", run_id, "Trainer").exception
    assert "a page or a gateway" in str(error)
    assert "AGNEWS_KFP_ARTIFACTS" in str(error)
    folder = tmp_path / "agnews" / run_id / "trainer" / "00000000-0000-4000-8000-000000000694"
    folder.mkdir(parents=True)
    monkeypatch.setenv("AGNEWS_KFP_ARTIFACTS", str(tmp_path))
    assert "No executor-logs-0 below" in str(agnews("runs", "logs", run_id, "Trainer").exception)
    (folder / "executor-logs-0").write_text("from the store\n")
    assert agnews("runs", "logs", run_id, "Trainer").stdout == "from the store\n"


def test_a_step_that_the_server_could_not_prepare_shows_the_log_of_its_driver(
    server: Twin, agnews: Agnews, whole: Path
) -> None:
    from twin.workflow import node_hash

    server.outcomes["trainer"] = ["driver-failed"]
    assert _submit(agnews, whole, "--wait").exit_code == ExitCode.FAILED
    run_id = _only_run(server)
    workflow = server.workflows[run_id].name
    name = f"{workflow}(0).root(0).learn-and-push(0).trainer-driver(0)"
    server.logs[f"{workflow}-system-container-driver-{node_hash(name)}"] = "no such secret\n"
    assert agnews("runs", "logs", run_id, "Trainer").stdout == "no such secret\n"
    assert "no such secret" in agnews("runs", "show", run_id).stdout


def test_runs_are_listed_newest_first_with_one_question(server: Twin, agnews: Agnews, pipeline_file: Path) -> None:
    for name in ("first", "second"):
        agnews("submit", pipeline_file, "--param", "data_uri=s3://news", "--run-name", name)
    (version,) = server.versions.values()
    server.requests.clear()
    lines = agnews("runs", "list").stdout.splitlines()
    assert [line.split()[-1] for line in lines[1:]] == ["second", "first"]
    assert version["name"] in lines[1]
    assert "PENDING" in lines[1]
    assert len(server.requests) == 2, "the version of the server, and a page"
    assert version["name"] in agnews("runs", "list", "--versions").stdout
    server.versions.clear()
    assert "(deleted)" in agnews("runs", "list", "--versions").stdout
    assert "There is no experiment other" in str(agnews("runs", "list", "--experiment", "other").exception)


def test_what_a_server_and_a_step_say_is_shown_as_it_is(server: Twin, agnews: Agnews, whole: Path) -> None:
    hostile, shown = "[/b] [red]\x1b]0;owned", "[/b] [red]\\x1b]0;owned"
    server.outcomes["data-gate"] = ["failed"]
    refusal = {**REFUSAL, "problem": hostile}
    server.says["data-gate"] = f"AGNEWS-REPORT {json.dumps(refusal)}\n{LAUNCHER}"
    followed = _submit(agnews, whole, "--wait", "--run-name", hostile)
    run_id = _only_run(server)
    server.runs[run_id]["error"] = {"code": 1, "message": hostile}
    for result in (followed, agnews("runs", "show", run_id), agnews("runs", "list")):
        assert not isinstance(result.exception, Exception), result.exception
        assert shown in result.stdout
        assert "\x1b" not in result.stdout


@pytest.mark.parametrize(("limit", "pages"), [(20, 1), (100, 1), (101, 2), (230, 3)])
def test_the_number_of_questions_does_not_grow_with_the_versions(
    server: Twin, agnews: Agnews, pipeline_file: Path, limit: int, pages: int
) -> None:
    agnews("submit", pipeline_file, "--param", "data_uri=s3://news")
    template = server.runs.pop(_only_run(server))
    server.workflows.clear()
    for number in range(300):
        reference = {"pipeline_id": "p", "pipeline_version_id": f"v{number}"}
        run = {"run_id": f"r{number}", "created_at": server.now(), "pipeline_version_reference": reference}
        server.runs[f"r{number}"] = {**template, **run, "description": ""}
    server.requests.clear()
    lines = agnews("runs", "list", "--limit", limit).stdout.splitlines()
    assert len(lines) == limit + 1
    assert len(server.requests) == pages + 1
    assert "v299" in lines[1]


def test_a_run_of_a_schedule_has_no_state_until_argo_has_looked_at_it(
    server: Twin, agnews: Agnews, pipeline_file: Path
) -> None:
    agnews("submit", pipeline_file, "--param", "data_uri=s3://news")
    template = server.runs[_only_run(server)]
    template["recurring_run_id"] = "gone"
    assert "PENDING" in agnews("runs", "list").stdout
    shown = agnews("runs", "show", template["run_id"])
    assert "the run is lost" in " ".join(shown.output.split())


def test_what_this_server_retries_is_said(server: Twin, agnews: Agnews, whole: Path, pipeline_file: Path) -> None:
    for tag, said in (("2.17.0", "after a deleted pod, not after an exit code"), ("2.16.1", "after an exit code")):
        server.tag = tag
        assert said in _submit(agnews, whole).stdout
    server.tag = "unknown"
    assert "by servers from 2.17 on after a deleted pod only" in _submit(agnews, whole).stdout
    none = agnews("submit", pipeline_file, "--param", "data_uri=s3://news")
    assert "steps are not tried again by the server" in none.stdout


def test_a_run_is_entered_in_an_experiment_of_mlflow_where_the_server_can(
    server: Twin, agnews: Agnews, whole: Path
) -> None:
    result = _submit(agnews, whole, "--mlflow-experiment", "news")
    assert "MLflow: PLUGIN_FAILED MLflow config resolution failed" in result.stdout
    (run,) = server.runs.values()
    assert run["plugins_input"] == {"mlflow": {"experiment_name": "news"}}
    assert run["plugins_output"]["mlflow"]["entries"]["experiment_name"] == {"value": "news"}
    server.tag = "2.16.1"
    error = _submit(agnews, whole, "--mlflow-experiment", "news").exception
    assert "2.17 is the first that has one" in str(error)
    assert len(server.runs) == 1


def test_a_version_of_the_same_name_with_other_content_is_told(server: Twin, agnews: Agnews, whole: Path) -> None:
    _submit(agnews, whole)
    (version,) = server.versions.values()
    version["description"] = "mine"
    assert "with other content" in str(_submit(agnews, whole).exception)
    assert len(server.runs) == 1


SCHEDULES = """\
server_time_zone: UTC
schedules:
  - name: weekly
    cron: "0 3 * * mon"
    time_zone: UTC
    parameters: {{data_uri: /data/news, push_uri: /data/models{more}}}
"""


def test_a_schedule_settles_is_replaced_while_it_runs_and_keeps_its_run(
    server: Twin, agnews: Agnews, whole: Path, tmp_path: Path
) -> None:
    file = tmp_path / "schedules.yaml"
    file.write_text(SCHEDULES.format(more=""))
    first = agnews("schedule", "apply", whole, "--file", file)
    assert first.exit_code == ExitCode.OK, first.exception
    assert "1 change" in first.stdout
    server.requests.clear()
    assert "no change" in agnews("schedule", "apply", whole, "--file", file).stdout
    assert server.calls("POST") == server.calls("DELETE") == 0
    server.plays = False
    (recurring,) = server.recurring
    run_id = server.fire(recurring)["run_id"]
    server.play(run_id, 12)
    file.write_text(SCHEDULES.format(more=", epochs: 3"))
    replaced = agnews("schedule", "apply", whole, "--file", file)
    assert replaced.exit_code == ExitCode.OK, replaced.exception
    assert recurring not in server.recurring
    assert server.killed == []
    server.plays = True
    # It is not lost, although its schedule is gone.
    server.play(run_id)
    shown = agnews("runs", "show", run_id)
    assert shown.exit_code == ExitCode.OK
    assert "SUCCEEDED" in shown.stdout
    assert "no change" in agnews("schedule", "apply", whole, "--file", file).stdout
