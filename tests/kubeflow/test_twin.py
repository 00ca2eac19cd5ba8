"""Each recording of a real server against its twin: where they differ, the twin is wrong."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from twin.listen import listening
from twin.server import Twin, describe_rows
from twin.workflow import Progress, Task, Workflow, count_tries, node_hash

GONE = "11111111-2222-3333-4444-555555555555"
RETRIES = {"maxRetryCount": 2, "backoffDuration": "5s", "backoffFactor": 2.0, "backoffMaxDuration": "600s"}
NEEDS = {
    "baseline-model": [],
    "news-example-gen": [],
    "import-schema-gen": [],
    "statistics-gen": ["news-example-gen"],
    "example-validator": ["import-schema-gen", "statistics-gen"],
    "data-gate": ["baseline-model", "example-validator", "import-schema-gen", "statistics-gen"],
    "transform": ["data-gate", "import-schema-gen", "news-example-gen"],
    "token-gate": ["transform"],
    "trainer": ["import-schema-gen", "token-gate", "transform"],
    "evaluator": ["baseline-model", "news-example-gen", "trainer"],
    "smoke-test": ["evaluator", "trainer"],
    "pusher": ["evaluator", "news-example-gen", "smoke-test", "statistics-gen", "trainer"],
}
NEEDS["report"] = [name for name in NEEDS if name != "import-schema-gen"]
GROUP = "learn-and-push"
CAUSES = ["capped", "childkill", "deleted", "evicted", "exit1", "late", "nomax", "oom", "timeout"]


def _tasks(kind: str) -> dict[str, Task]:
    """What was submitted: the pipeline of that time, or nine small steps."""
    if kind == "retries":
        return {name: Task(name, policy=RETRIES) for name in CAUSES}
    inner = {name: Task(name, tuple(needs), policy=RETRIES) for name, needs in NEEDS.items()}
    return {"plan": Task("plan", policy=RETRIES), GROUP: Task(GROUP, ("plan",), inner)}


def _states(rows: list[dict[str, Any]]) -> dict[str, str | None]:
    return {row.get("display_name", ""): row.get("state") for row in rows}


_OF_A_TASK = {"RUNNING": "running", "SUCCEEDED": "done", "FAILED": "failed", "SKIPPED": "skipped"}


def _recorded_workflow(rows: list[dict[str, Any]], kind: str) -> Workflow:
    """How far the recorded workflow was, read from its rows; which rows and children follow from it is the twin's."""
    children = {child["pod_name"]: row for row in rows for child in row.get("child_tasks", [])}
    name = next(iter(children)).rpartition("-")[0]
    workflow = Workflow(name, _tasks(kind), f"{name}(0)" in _states(rows))
    states = _states(rows)
    workflow.root = Progress(_OF_A_TASK[str(states[name])])
    z = "(0)" if workflow.template_defaults else ""
    for task in workflow.all_tasks():
        progress = workflow.progress[task.name]
        driver = states.get(f"{task.name}-driver", "none")
        if driver == "none":
            continue
        if driver in ("RUNNING", "PENDING", "FAILED"):
            progress.state = "driver-failed" if driver == "FAILED" else "driving"
            continue
        state = states.get(task.name)
        progress.state = _OF_A_TASK[state] if state else "omitted"
        base = f"{workflow._bases()[task.name]}.{task.name}{z}.executor"
        executor = next((children.get(f"{name}-{node_hash(f'{base}({number})')}") for number in (0,)), None)
        tries = len(executor["child_tasks"]) if executor else 0
        if state == "SUCCEEDED" and not tries and not task.inner:
            progress.state = "cached"
        # The rows of pods do not say whose they are: the last one ended as its task, those before failed.
        progress.tries = ["FAILED"] * (tries - 1) + ["FAILED" if state == "FAILED" else str(state)] * bool(tries)
    _pods_that_differ(workflow, rows)
    return workflow


def _pods_that_differ(workflow: Workflow, rows: list[dict[str, Any]]) -> None:
    """A pod may wait, or have ended, while its task runs."""
    running = [progress for progress in workflow.progress.values() if progress.tries and progress.state == "running"]
    seen = sorted(row["state"] for row in rows if re.fullmatch(r"executor\(\d+\)", row.get("display_name", "")))
    ours = [state for progress in workflow.progress.values() for state in progress.tries]
    left = [state for state in seen if not (state in ours and (ours.remove(state) or True))]
    for progress, state in zip(running, left, strict=False):
        progress.tries[-1] = state


def _plain_rows(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """What the rows that have a name say, in an order."""
    named = [row for row in rows if "display_name" in row]
    plain: list[tuple[Any, ...]] = [
        (
            row["display_name"],
            row.get("state", ""),
            tuple(sorted(child["pod_name"] for child in row.get("child_tasks", []))),
            # A pod that was just stopped has failed and not ended yet.
            row["end_time"] == "0001-01-01T00:00:00Z" and row.get("state") != "FAILED",
            tuple(sorted(row.keys())),
            row["state_history"][-1].get("state", ""),
        )
        for row in named
    ]
    return sorted(plain)


def _executions(rows: list[dict[str, Any]]) -> set[tuple[str, ...]]:
    return {tuple(sorted(row)) for row in rows if "display_name" not in row}


def _same(value: Any) -> Any:
    """Leaves out what is another one each time: identifiers and times."""
    if isinstance(value, dict):
        return {key: _same(item) for key, item in value.items() if key not in ("pipeline_spec", "task_details")}
    if isinstance(value, list):
        return [_same(item) for item in value]
    if isinstance(value, str):
        # Go's protobuf writes one or the other space, so that nobody relies on it.
        value = value.replace("\xa0", " ")
        value = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "ID", value)
        return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", value)
    return value


@pytest.fixture
def seeded(recordings: dict[str, Any]) -> Iterator[Twin]:
    """A twin with all that the recorded server had."""
    twin = Twin()
    spec = {
        "pipelineInfo": {"name": "agnews"},
        "schemaVersion": "2.1.0",
        "components": {},
        "root": {
            "dag": {"tasks": {}},
            "inputDefinitions": {
                "parameters": {
                    "data_uri": {"parameterType": "STRING"},
                    **{name: {"isOptional": True} for name in ("push_uri", "epochs", "force_promotion", "model")},
                }
            },
        },
    }
    for path, recorded in recordings.items():
        answer = recorded.get("response", {}) if path.startswith("api/") and path.endswith(".json") else {}
        if path == "api/runs-list.json":
            continue
        for key, items in (("pipelines", twin.pipelines), ("experiments", twin.experiments)):
            items |= {entry[f"{key[:-1]}_id"]: dict(entry) for entry in answer.get(key, [])}
        for version in answer.get("pipeline_versions", []):
            twin.versions[version["pipeline_version_id"]] = {**version, "pipeline_spec": spec}
    twin.experiments = {
        key: entry for key, entry in twin.experiments.items() if entry["display_name"] in ("agnews", "Default")
    }
    with listening(twin):
        yield twin


def _send(twin: Twin, method: str, path: str, body: Any = None, kind: str = "application/json") -> tuple[int, Any, str]:
    data = (
        body
        if isinstance(body, bytes)
        else (None if body is None else json.dumps(body, separators=(",", ":")).encode())
    )
    parts = urllib.parse.urlsplit(twin.host + urllib.parse.quote(path, safe="/?&=:"))
    request = urllib.request.Request(parts.geturl(), data, {"Content-Type": kind}, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            status, text, kind = answer.status, answer.read().decode(), answer.headers["Content-Type"]
    except urllib.error.HTTPError as error:
        status, text, kind = error.code, error.read().decode(), error.headers["Content-Type"]
    try:
        return status, json.loads(text), kind
    except ValueError:
        return status, text, kind


def _upload(text: str) -> tuple[bytes, str]:
    body = (
        '--b\r\nContent-Disposition: form-data; name="uploadfile"; filename="p.yaml"\r\n\r\n' + text + "\r\n--b--\r\n"
    )
    return body.encode(), "multipart/form-data; boundary=b"


PIPELINE_TEXT = "pipelineInfo: {name: agnews}\nschemaVersion: 2.1.0\nroot: {dag: {tasks: {}}}\ncomponents: {}\n"

RUNS = [
    "failed",
    "running",
    "succeeded",
    "canceling",
    "stopped",
    "scheduled-running",
    "pending",
    "succeeded-after-retry",
    "cached-no-template-defaults",
    "nothing-new-no-template-defaults",
    "retries-no-template-defaults",
]


@pytest.mark.parametrize("name", RUNS)
def test_a_run_and_its_rows(name: str, recordings: dict[str, Any], seeded: Twin) -> None:
    expected = recordings[f"api/run-get-{name}.json"]["response"]
    run_id, rows = expected["run_id"], expected.get("run_details", {}).get("task_details", [])
    seeded.runs[run_id] = {key: value for key, value in expected.items() if key != "run_details"}
    if rows:
        seeded.workflows[run_id] = _recorded_workflow(rows, "retries" if name.startswith("retries") else "pipeline")
    status, answer, _ = _send(seeded, "GET", f"/apis/v2beta1/runs/{run_id}")
    assert status == 200
    assert _same(answer) == _same(expected)
    ours = answer.get("run_details", {}).get("task_details", [])
    assert _plain_rows(ours) == _plain_rows(rows)
    # Executions have rows without a name, which come some time after.
    assert _executions(rows) <= _executions(ours)


def test_all_recorded_runs_are_replayed(recordings: dict[str, Any]) -> None:
    found = {path for path in recordings if path.startswith("api/run-get-")}
    assert found == {f"api/run-get-{name}.json" for name in RUNS}


def test_lists_of_runs_carry_all_rows(recordings: dict[str, Any], seeded: Twin) -> None:
    recorded = recordings["api/runs-list.json"]
    for run in recorded["response"]["runs"]:
        seeded.runs[run["run_id"]] = {key: value for key, value in run.items() if key != "run_details"}
        seeded.workflows[run["run_id"]] = _recorded_workflow(run["run_details"]["task_details"], "pipeline")
    status, answer, _ = _send(seeded, "GET", recorded["path"])
    assert status == 200
    assert len(answer["runs"]) == 2
    for ours, theirs in zip(answer["runs"], recorded["response"]["runs"], strict=True):
        assert _same({**ours, "run_details": 0}) == _same({**theirs, "run_details": 0})
        assert _plain_rows(ours["run_details"]["task_details"]) == _plain_rows(theirs["run_details"]["task_details"])


EXCHANGES = [
    *["healthz", "pipelines-list-found", "pipelines-list-none", "pipeline-create", "versions-list-found"],
    *["versions-list-none", "version-get", "version-upload", "experiments-list-found", "experiments-list-none"],
    *["experiment-create", "run-create", "run-terminate", "run-retry", "recurring-run-create"],
    *["recurring-run-create-disabled", "recurring-run-create-periodic", "recurring-run-get", "recurring-run-enable"],
    *["recurring-run-disable", "recurring-run-delete", "recurring-runs-list-none", "recurring-runs-list-one"],
    *["recurring-runs-list-two", "recurring-runs-list-disabled", "recurring-runs-list-periodic"],
]


def _prepare(twin: Twin, name: str, recorded: dict[str, Any], recordings: dict[str, Any]) -> None:
    if "runs-list" in name:
        twin.recurring = {run["recurring_run_id"]: run for run in recorded["response"].get("recurringRuns", [])}
    for prefix in ("recurringruns/", "runs/"):
        key = re.search(rf"{prefix}([^/:]+)", recorded["path"])
        if key and prefix == "recurringruns/":
            twin.recurring[key[1]] = dict(recordings["api/recurring-run-get.json"]["response"])
        elif key and "recurring" not in recorded["path"]:
            state = "FAILED" if name == "run-retry" else "RUNNING"
            twin.runs[key[1]] = {"run_id": key[1], "state": state, "display_name": "x", "created_at": twin.now()}
            twin.workflows[key[1]] = Workflow("x-1", _tasks("pipeline"))
    if (recorded["request"] or {}) and "experiment_id" in recorded["request"]:
        twin.experiments[recorded["request"]["experiment_id"]] = {"display_name": "any", "created_at": twin.now()}
        reference = recorded["request"]["pipeline_version_reference"]["pipeline_version_id"]
        twin.versions.setdefault(reference, next(iter(twin.versions.values())))


@pytest.mark.parametrize("name", EXCHANGES)
def test_requests_of_our_client(name: str, recordings: dict[str, Any], seeded: Twin) -> None:
    recorded = recordings[f"api/{name}.json"]
    if name != "version-upload":
        _prepare(seeded, name, recorded, recordings)
        sent: tuple[Any, str] = (recorded["request"], "application/json")
    else:
        sent = _upload(PIPELINE_TEXT)
    if name == "healthz":  # it was built from source
        seeded.tag = "unknown"
    status, answer, kind = _send(seeded, recorded["method"], recorded["path"], *sent)
    assert (status, kind) == (recorded["status"], recorded["content_type"])
    assert _same(answer) == _same(recorded["response"])
    assert seeded.broken_rules == []


RUN = {
    "display_name": "r",
    "experiment_id": "00000000-0000-4000-8000-000000000005",
    "pipeline_version_reference": {
        "pipeline_id": "00000000-0000-4000-8000-000000000001",
        "pipeline_version_id": "00000000-0000-4000-8000-000000000004",
    },
    "runtime_config": {"parameters": {"data_uri": "sample"}},
}
RECURRING = {
    **RUN,
    "max_concurrency": "1",
    "mode": "ENABLE",
    "trigger": {"cron_schedule": {"cron": "0 0 3 * * 1"}},
}
V2 = "/apis/v2beta1"
OWNER = "00000000-0000-4000-8000-000000000001"


def _with(document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**document, **changes}


ERRORS: dict[str, tuple[Any, ...]] = {
    "bad-filter": ("GET", f"{V2}/pipelines?filter=nonsense"),
    "bad-page-token": ("GET", f"{V2}/runs?page_token=nonsense"),
    "create-pipeline-same-name": ("POST", f"{V2}/pipelines", {"display_name": "agnews", "name": "agnews"}),
    "create-run-missing-parameter": ("POST", f"{V2}/runs", _with(RUN, runtime_config={"parameters": {}})),
    "create-run-unknown-experiment": ("POST", f"{V2}/runs", _with(RUN, experiment_id=GONE)),
    "create-run-unknown-field": ("POST", f"{V2}/runs", {"display_name": "x", "nope": 1}),
    "create-run-unknown-parameter": (
        *("POST", f"{V2}/runs"),
        _with(RUN, runtime_config={"parameters": {"data_uri": "x", "nope": 1}}),
    ),
    "create-run-unknown-version": (
        *("POST", f"{V2}/runs"),
        _with(RUN, pipeline_version_reference={"pipeline_id": OWNER, "pipeline_version_id": GONE}),
    ),
    "list-experiments-namespace": ("GET", f"{V2}/experiments?namespace=kubeflow"),
    "log-unknown-pod": ("GET", f"/apis/v1alpha1/runs/{GONE}/nodes/nopod/log"),
    "log-unknown-pod-known-run": ("GET", "/apis/v1alpha1/runs/00000000-0000-4000-8000-000000000687/nodes/nopod/log"),
    "pipeline-unknown": ("GET", f"{V2}/pipelines/{GONE}"),
    "recurring-bad-cron": (
        *("POST", f"{V2}/recurringruns"),
        _with(RECURRING, trigger={"cron_schedule": {"cron": "99 0 3 * * 1"}}),
    ),
    "recurring-delete-unknown": ("DELETE", f"{V2}/recurringruns/{GONE}"),
    "recurring-namespace-single-user": ("POST", f"{V2}/recurringruns", _with(RECURRING, namespace="kubeflow")),
    "recurring-unknown": ("GET", f"{V2}/recurringruns/{GONE}"),
    "retry-succeeded": ("POST", f"{V2}/runs/00000000-0000-4000-8000-000000900002:retry"),
    "run-unknown": ("GET", f"{V2}/runs/{GONE}"),
    "terminate-unknown": ("POST", f"{V2}/runs/{GONE}:terminate"),
    "unknown-path": ("GET", f"{V2}/nothing"),
    "upload-bad": ("POST", f"{V2}/pipelines/upload_version?name=n&pipelineid={OWNER}", *_upload("no: pipeline")),
    "upload-same-version-name": (
        *("POST", f"{V2}/pipelines/upload_version?name=nogit-91828b835810&pipelineid={OWNER}"),
        *_upload(PIPELINE_TEXT),
    ),
    "upload-unknown-pipeline": (
        *("POST", f"{V2}/pipelines/upload_version?name=n&pipelineid={GONE}"),
        *_upload(PIPELINE_TEXT),
    ),
    "version-unknown": ("GET", f"{V2}/pipelines/{OWNER}/versions/{GONE}"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_answers_to_wrong_requests(name: str, recordings: dict[str, Any], seeded: Twin) -> None:
    recorded = recordings[f"api/errors/{name}.json"]
    for key, state in (("000000000687", "RUNNING"), ("000000900002", "SUCCEEDED")):
        run_id = f"00000000-0000-4000-8000-{key}"
        seeded.runs[run_id] = {"run_id": run_id, "state": state, "created_at": seeded.now()}
        seeded.workflows[run_id] = Workflow("agnews-gvnpq", _tasks("pipeline"))
    if name == "list-experiments-namespace":
        seeded.experiments = {entry["experiment_id"]: entry for entry in recorded["response"]["experiments"]}
    status, answer, _ = _send(seeded, *ERRORS[name])
    assert status == recorded["status"]
    assert _same(answer) == _same(recorded["response"])


def test_each_recorded_answer_is_replayed(recordings: dict[str, Any]) -> None:
    errors = {path.removeprefix("api/errors/") for path in recordings if path.startswith("api/errors/")}
    assert errors == {f"{name}.json" for name in ERRORS}
    others = {path for path in recordings if re.fullmatch(r"api/(?!run-get|runs-list)[^/]+\.json", path)}
    assert others == {f"api/{name}.json" for name in EXCHANGES}


def test_a_log_that_is_not_there_is_an_error_with_status_200(recordings: dict[str, Any], seeded: Twin) -> None:
    run_id, pod = "00000000-0000-4000-8000-000000000687", "agnews-gvnpq-system-container-impl-1"
    seeded.runs[run_id] = {"run_id": run_id}
    seeded.workflows[run_id] = Workflow("agnews-gvnpq", _tasks("pipeline"))
    status, answer, kind = _send(seeded, "GET", f"/apis/v1alpha1/runs/{run_id}/nodes/{pod}/log")
    assert (status, kind) == (200, "text/plain")
    assert answer == json.loads(recordings["api/log-wrong-pod.txt"])


@pytest.mark.parametrize("template_defaults", [True, False])
def test_steps_are_tried_as_often_as_they_were(recordings: dict[str, Any], template_defaults: bool) -> None:
    key = "template_defaults" if template_defaults else "no_template_defaults"
    for case in recordings["retries.json"]["cases"]:
        text = case["case"]
        policy = {**RETRIES, "maxRetryCount": case["retries"]}
        seconds = [36.0] if "after 36 s" in text else [5.0, 150.0] if "150 s" in text else [6.0]
        if match := re.match(r"backoffMaxDuration (\d+s)", text):
            policy["backoffMaxDuration"] = match[1]
        elif text.startswith("no backoffMaxDuration"):
            del policy["backoffMaxDuration"]
        cause = "pod deleted" if text.startswith("pod deleted") else "exit code 1"
        # Evicted, deleted, killed and late pods were so once or each time: the count is that of the recording.
        assert count_tries(cause, seconds, policy, template_defaults) == case[key]["tries"], text


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("nothing-new-no-template-defaults", "pipeline"),
        ("retries-no-template-defaults", "retries"),
        ("retries-template-defaults", "retries"),
        ("stopped-while-training-template-defaults", "pipeline"),
        ("succeeded-template-defaults", "pipeline"),
        ("succeeded-second-push-template-defaults", "pipeline"),
    ],
)
def test_nodes_are_those_of_argo(name: str, kind: str, recordings: dict[str, Any]) -> None:
    recorded = recordings[f"argo/{name}.json"]
    nodes = recorded["nodes"].values() if isinstance(recorded["nodes"], dict) else recorded["nodes"]
    names = {node["name"]: node for node in nodes}
    workflow = Workflow(recorded["workflow"], _tasks(kind), "no-template" not in name)
    workflow.root = Progress("done")
    z = "(0)" if workflow.template_defaults else ""
    for task in workflow.all_tasks():
        node = names.get(f"{workflow._bases()[task.name]}.{task.name}")
        if node is None:
            continue
        progress = workflow.progress[task.name]
        progress.state = {"Skipped": "skipped", "Omitted": "omitted", "Succeeded": "done"}.get(node["phase"], "failed")
        executor = f"{node['name']}{z}.executor"
        progress.tries = ["SUCCEEDED"] * sum(f"{executor}({number})" in names for number in range(9))
        if executor in names and names[executor]["type"] == "Skipped":
            progress.state = "cached"
    ours = {node.name: f"{workflow.name}-{node_hash(node.name)}" for node in workflow.nodes()}
    ours[workflow.name] = workflow.name
    # The recordings name by id what the server calls a pod.
    assert ours == {node["name"]: node["id"] for node in names.values()}
    pods = [pod for task in workflow.all_tasks() if not task.inner for pod in workflow.pods(task.name)]
    real = [f"{workflow.name}-{n['templateName']}-{node_hash(n['name'])}" for n in names.values() if n["type"] == "Pod"]
    assert set(pods) == {pod for pod in real if "system-container-impl" in pod}


def test_a_workflow_plays_to_its_end_and_on_after_a_retry() -> None:
    workflow = Workflow("agnews-abcde", _tasks("pipeline"))
    workflow.outcomes = {"trainer": ["failed"], "data-gate": ["cached"]}
    for _ in range(80):
        workflow.tick()
    assert workflow.state == "FAILED"
    assert workflow.progress["evaluator"].state == "omitted"
    assert workflow.progress["data-gate"].state == "cached"
    workflow.outcomes = {}
    workflow.retry()
    for _ in range(80):
        workflow.tick()
    assert workflow.state == "SUCCEEDED"
    assert {row.get("state") for row in describe_rows("r", workflow)} == {"SUCCEEDED", "SKIPPED", None}
