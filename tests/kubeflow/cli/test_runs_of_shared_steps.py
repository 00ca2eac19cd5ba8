"""`agnews submit --wait` and `agnews runs` where nodes share steps, as they do by default."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from twin.server import Twin
from typer.testing import CliRunner, Result

from agnews.kubeflow.log_lines import NODE, REFUSED, VERDICT
from agnews.pipeline.cli.main import app
from agnews.schemas.errors import ExitCode

Agnews = Callable[..., Result]
STEPS = {
    "Plan": ("Plan",),
    "data": ("NewsExampleGen", "StatisticsGen", "ImportSchemaGen", "ExampleValidator", "BaselineModel", "DataGate"),
    "transform": ("Transform", "TokenGate"),
    "Trainer": ("Trainer",),
    "decide": ("Evaluator", "SmokeTest", "Pusher", "Report"),
}


def _log(*nodes: str, end: str = "done", said: str = "") -> str:
    """What a step writes that runs these nodes; the last one ends otherwise, or not at all."""
    lines = ["I1129 01:07:48.100078      45 launcher_v2.go:1230] publishing\n"]
    for node in nodes:
        lines += [_mark(node, "started"), f"{node} works\n"]
        last = node == nodes[-1]
        lines += [said] * last + [_mark(node, end if last else "done")] * bool(end or not last)
    return "".join(lines)


def _mark(node: str, state: str) -> str:
    return f"{NODE}{json.dumps({'node': node, 'state': state, 'seconds': 1.5})}\n"


@pytest.fixture
def agnews(server: Twin, monkeypatch: pytest.MonkeyPatch) -> Agnews:
    monkeypatch.setenv("AGNEWS_KFP_HOST", server.host)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def submit(server: Twin, agnews: Agnews, repository: Path) -> Callable[..., Result]:
    """Submits the whole pipeline; its runs go on by themselves."""
    server.plays = True
    server.says |= {"data": _log(*STEPS["data"]), "transform": _log(*STEPS["transform"])}
    verdict = f'{VERDICT}{{"node": "Pusher", "pushed": true, "reason": "version 3 is in production"}}\n'
    server.says["decide"] = _log("Evaluator", "SmokeTest", "Pusher", said=verdict) + _log("Report")
    given = ("--param", "data_uri=/data/news", "--param", "push_uri=/data/models", "--interval", 0)
    return lambda *more: agnews("submit", repository / "tests/golden/pipeline_fused.yaml", *given, *more)


def _run(server: Twin) -> str:
    (run_id,) = server.runs
    return run_id


def _lines(result: Result) -> list[str]:
    return [line.split(" ", 1)[1] for line in result.stdout.splitlines() if line[:2].isdigit()]


@pytest.mark.parametrize("template_defaults", [True, False])
def test_steps_are_followed_and_shown_with_their_nodes(
    server: Twin, agnews: Agnews, submit: Callable[..., Result], template_defaults: bool
) -> None:
    server.template_defaults = template_defaults
    server.outcomes["data"] = ["cached"]
    result = submit("--wait")
    assert result.exit_code == ExitCode.OK, result.output
    ended = [line for line in _lines(result) if not line.endswith(" running")]
    assert ended == ["Plan done", "data cached", "transform done", "Trainer done", "decide done", "run SUCCEEDED"]
    assert "pushed: version 3 is in production" in result.stdout
    shown = agnews("runs", "show", _run(server))
    rows = [line for line in shown.stdout.splitlines() if line.split() and line.split()[0] in STEPS]
    assert [row.split()[0] for row in rows] == list(STEPS)
    for row, nodes in zip(rows, STEPS.values(), strict=True):
        assert all(node in row for node in nodes)


@pytest.mark.parametrize("template_defaults", [True, False])
def test_a_node_has_its_part_of_the_log_in_any_spelling(
    server: Twin, agnews: Agnews, submit: Callable[..., Result], template_defaults: bool
) -> None:
    server.template_defaults = template_defaults
    submit("--wait")
    run_id = _run(server)
    part = f"{_mark('SmokeTest', 'started')}SmokeTest works\n{_mark('SmokeTest', 'done')}"
    for name in ("SmokeTest", "smoke-test", "smoketest", "Smoke Test"):
        assert agnews("runs", "logs", run_id, name).stdout == part
        assert agnews("runs", "logs", run_id, name, "--follow", "--interval", 0).stdout == part
    # A step has the name of its node there: as the task is spelled, it is the step.
    assert agnews("runs", "logs", run_id, "transform").stdout == server.says["transform"]
    assert agnews("runs", "logs", run_id, "Transform").stdout.splitlines()[1] == "Transform works"
    assert agnews("runs", "logs", run_id, "decide").stdout == server.says["decide"]
    assert "Did you mean SmokeTest" in str(agnews("runs", "logs", run_id, "SmokeTst").exception)


def test_a_refusal_names_the_node_and_is_not_tried_again(
    server: Twin, agnews: Agnews, submit: Callable[..., Result]
) -> None:
    refusal = {"node": "DataGate", "problem": "The rows are not what the schema says.", "found": "skew", "final": True}
    refusal["report"] = {"passed": False}
    server.outcomes["data"] = ["failed"]
    server.says["data"] = _log(*STEPS["data"], end="failed", said=f"{REFUSED}{json.dumps(refusal)}\n")
    result = submit("--wait", "--retries", 2)
    assert result.exit_code == ExitCode.FAILED
    assert "data failed: DataGate: The rows are not what the schema says. (skew)" in _lines(result)
    assert server.calls("POST", ":retry") == 0
    shown = agnews("runs", "show", _run(server))
    assert 'report of DataGate: {"passed": false}' in shown.stdout


@pytest.mark.parametrize(("end", "said"), [("failed", "ValueError: no good\n"), ("", "epoch 3\n")])
def test_the_last_words_name_the_node_that_was_cut(
    server: Twin, agnews: Agnews, submit: Callable[..., Result], end: str, said: str
) -> None:
    server.outcomes["decide"] = ["failed"]
    server.says["decide"] = _log("Evaluator", "SmokeTest", end=end, said=said)
    result = submit("--wait")
    assert f"decide failed: SmokeTest: {said.strip()}" in _lines(result)
    error = agnews("runs", "logs", _run(server), "Pusher").exception
    assert "Pusher had not begun in the step decide." in str(error)
    assert "Evaluator, SmokeTest" in str(error)


def test_a_part_grows_while_it_is_followed_through_the_tries_of_its_step(
    server: Twin, agnews: Agnews, submit: Callable[..., Result]
) -> None:
    server.plays = False
    server.outcomes["decide"] = ["pod deleted", "done"]
    server.says["decide"] = ""
    submit()
    run_id = _run(server)
    workflow = server.workflows[run_id]
    written = {
        1: _log("Evaluator", "SmokeTest", end=""),
        2: _log("Evaluator", "SmokeTest", "Pusher"),
    }

    def grow(run: dict[str, object]) -> None:
        server.play(run_id, 1)
        for number, pod in enumerate(workflow.pods("decide"), 1):
            if workflow.progress["decide"].tries[number - 1] != "PENDING":
                # First a line of the launcher and half a mark, later all of it.
                have = server.logs.get(pod) or written[number][:90]
                server.logs[pod] = written[number] if have == server.logs.get(pod) else have

    server.on_get_run = grow
    result = agnews("runs", "logs", run_id, "smoke-test", "--follow", "--interval", 0)
    assert result.exit_code == ExitCode.OK, result.exception
    start = f"{_mark('SmokeTest', 'started')}SmokeTest works\n"
    assert result.stdout == f"{start}--- try 2\n{start}{_mark('SmokeTest', 'done')}"


@pytest.mark.parametrize(("template_defaults", "killed"), [(True, ""), (False, "plan"), (True, "trainer")])
def test_a_run_ends_with_the_step_that_tells_of_it_whatever_became_of_the_others(
    server: Twin, agnews: Agnews, telling: Path, template_defaults: bool, killed: str
) -> None:
    server.plays, server.template_defaults = True, template_defaults
    if killed:
        server.outcomes[killed] = ["oom"]
    server.says["notify"] = "Told by channel 1, slack: failed\n"
    given = ("--param", "data_uri=/data/news", "--param", "push_uri=/data/models", "--interval", 0)
    result = agnews("submit", telling, *given, "--wait")
    assert result.exit_code == (ExitCode.FAILED if killed else ExitCode.OK), result.output
    assert "Notify done" in _lines(result)
    names = {"plan": "Plan", "trainer": "Trainer"}
    assert (f"{names[killed]} failed" in " ".join(_lines(result))) if killed else "Trainer done" in _lines(result)
    run_id = _run(server)
    assert agnews("runs", "logs", run_id, "Notify").stdout == server.says["notify"]
    # The pods of the others are found through both groups.
    assert agnews("runs", "logs", run_id, "Plan").stdout == "plan says nothing of note\n"
    if killed != "plan":
        assert agnews("runs", "logs", run_id, "Trainer").stdout == "trainer says nothing of note\n"
    if killed:
        # Taken up again, it ends well and tells anew.
        server.outcomes.clear()
        assert agnews("runs", "retry", run_id, "--wait", "--interval", 0).exit_code == ExitCode.OK
    # Where the version is gone, the rows alone lead to the pods.
    server.versions.clear()
    assert agnews("runs", "logs", run_id, "trainer").stdout == "trainer says nothing of note\n"
    assert agnews("runs", "logs", run_id, "notify").stdout == server.says["notify"]


def test_a_command_that_waits_does_not_tell_what_the_run_tells(
    server: Twin, agnews: Agnews, telling: Path, tmp_path: Path
) -> None:
    server.plays = True
    execution = tmp_path / "execution.yaml"
    execution.write_text(f"notify: {{channels: [{{kind: command, command: [touch, {tmp_path}/told]}}]}}\n")
    given = ("--param", "data_uri=/data/news", "--param", "push_uri=/data/models", "--interval", 0)
    server.outcomes["trainer"] = ["oom"]
    result = agnews("submit", telling, *given, "--wait", "--execution", execution)
    assert "tells of its end itself" in result.stdout
    assert not (tmp_path / "told").exists()
