"""State and behaviour of the server."""

from __future__ import annotations

import email
import email.policy
import json
import random
import re
import string
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import Any
from urllib.parse import unquote, unquote_plus
from zoneinfo import ZoneInfo

import yaml

from agnews.kubeflow.schedules.cron import Cron
from agnews.kubeflow.schedules.server_walk import server_starts
from twin.api_contract import ROUTES, Route, violations
from twin.workflow import Workflow, node_hash, read_tasks

NEVER, NOT_YET = "1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z"
ACCOUNT = "pipeline-runner"
_LONGEST_NAME = 255
# What the server can filter a list by, of what could matter to us (its `APIToModelFieldMap`).
_NAMED = frozenset({"display_name", "name", "created_at", "description"})
_FILTERED = {
    "pipelines": _NAMED | {"pipeline_id", "namespace"},
    "pipeline_versions": _NAMED | {"pipeline_version_id", "status"},
    "experiments": _NAMED | {"experiment_id", "namespace", "storage_state"},
    "runs": _NAMED | {"run_id", "experiment_id", "recurring_run_id", "state", "storage_state", "namespace"},
    "recurringRuns": _NAMED | {"recurring_run_id", "updated_at"},
}
_MLFLOW = "MLflow config resolution failed; run creation will continue: Invalid input error: "


@dataclass
class Fault:
    """Something that goes wrong with requests that match."""

    kind: str
    method: str = ""
    path: str = ""
    status: int = 503
    body: str = '{"message": "try later"}'
    seconds: float = 0.0
    times: int = 1_000_000
    skip: int = 0


class Refused(Exception):  # noqa: N818
    """The server's answer to a request that it does not like."""

    def __init__(self, status: int, message: str, code: int = 3, detail: str | None = None, **body: object) -> None:
        self.status = status
        self.message = message
        self.body: dict[str, object] = body or {"code": code, "message": message}
        if detail is not None:
            details = {"@type": "type.googleapis.com/google.rpc.Status", "code": code, "message": detail}
            self.body["details"] = [details]
        super().__init__(message)


def _missing(what: str, kind: str, key: str) -> Refused:
    said = f"{kind} {key} not found"
    return Refused(404, f"{what}: ResourceNotFoundError: {said}", 5, said)


_FIELDS = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 6)}


def check_server_cron(text: str) -> None:
    """What `cron.Parse` of github.com/robfig/cron v1 says to an expression."""

    def refuse(reason: str) -> Refused:
        said = f"Schedule cron is not a supported format(https://godoc.org/github.com/robfig/cron). Error: {reason}"
        what = "Failed to create a recurring run due to conversion error: Invalid input error"
        return Refused(400, f"{what}: {said}", 3, said)

    fields = text.split()
    if len(fields) not in (5, 6):
        raise refuse(f"Expected 5 to 6 fields, found {len(fields)}: {text}")
    bounds = [(0, 59), *_FIELDS.values()]
    for content, (low, high) in zip(fields, bounds, strict=False):
        for part in content.split(","):
            numbers = [int(number) for number in re.findall(r"\d+", part.partition("/")[0])]
            if not re.fullmatch(r"(\*|\d+(-\d+)?)(/\d+)?", part):
                raise refuse(f"Failed to parse int from {part}")
            if any(not low <= number <= high for number in numbers):
                raise refuse(f"End of range ({max(numbers)}) above maximum ({high}): {part}")


@dataclass
class Twin:
    """A server. What it holds may be looked at and changed."""

    host: str = ""
    multi_user: bool = False
    tag: str = "2.17.0"
    template_defaults: bool = True
    retries_runs: bool = True
    healthz: bool = True
    logs_reachable: bool = True
    token: str | None = None
    cookie: str | None = None
    forbidden: str = ""
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    broken_rules: list[str] = field(default_factory=list)
    pipelines: dict[str, dict[str, Any]] = field(default_factory=dict)
    versions: dict[str, dict[str, Any]] = field(default_factory=dict)
    experiments: dict[str, dict[str, Any]] = field(default_factory=dict)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    recurring: dict[str, dict[str, Any]] = field(default_factory=dict)
    workflows: dict[str, Workflow] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    """By name of the pod."""
    says: dict[str, str | list[str]] = field(default_factory=dict)
    """What a step writes into its log, by task; a list: in each of its tries."""
    outcomes: dict[str, list[str]] = field(default_factory=dict)
    """How the tries of a task end: done, cached, skipped, driver-failed, failed, `pod deleted`."""
    plays: bool = False
    """Whether runs go on by themselves, one look of the controller with each question."""
    stale_looks: int = 2
    """How often the rows of a run that has ended are still those of before."""
    on_get_run: Callable[[dict[str, Any]], None] = lambda run: None
    before: Callable[[str, str], None] = lambda method, path: None
    most_active: int = 0
    ignores_accounts: bool = False
    """As servers up to 2.16.1: the account that a recurring run asks for is left out."""
    killed: list[str] = field(default_factory=list)
    """Runs whose workflow went along with the recurring run that owned it."""
    _stale: dict[str, tuple[int, list[dict[str, Any]]]] = field(default_factory=dict)
    _looked: dict[str, datetime] = field(default_factory=dict)
    """When due starts of a recurring run were last looked for; those before its creation count."""
    _clock: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    lock: threading.RLock = field(default_factory=threading.RLock)

    # Behind the scenes

    def now(self) -> str:
        self._clock += timedelta(seconds=1)
        return self._clock.isoformat().replace("+00:00", "Z")

    def calls(self, method: str = "", path: str = "") -> int:
        return sum(bool(re.search(path, seen[1])) and method in ("", seen[0]) for seen in self.requests)

    def active(self, name: str) -> list[dict[str, Any]]:
        return [run for run in self.recurring.values() if run["display_name"] == name and run["status"] == "ENABLED"]

    def fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.method in ("", method) and re.search(fault.path, path):
                if fault.skip:
                    fault.skip -= 1
                    continue
                if fault.times:
                    fault.times -= 1
                    return fault
        return None

    def fire(self, recurring_run_id: str) -> dict[str, Any]:
        """Starts a run of a recurring run, as the controller does at its time."""
        owner = self.recurring[recurring_run_id]
        copied = ("experiment_id", "pipeline_version_reference", "runtime_config")
        name = f"{owner['display_name']}-1-{random.randrange(10**9)}"
        run = self._new_run({"display_name": name, **{key: owner[key] for key in copied}})
        run["recurring_run_id"] = recurring_run_id
        return run

    def play(self, run_id: str, looks: int = 1000) -> None:
        """Lets a run go on, to its end unless a number of looks is given."""
        run, workflow = self.runs[run_id], self.workflows[run_id]
        for _ in range(looks):
            if workflow.gone or run["state"] in ("SUCCEEDED", "FAILED"):
                return
            rows = self.rows(run_id)
            if run["state"] == "CANCELING":
                workflow.stop()
            else:
                workflow.outcomes = self.outcomes
                workflow.tick()
                self._write_logs(workflow)
            state = workflow.state
            if run["state"] != state and not (run["state"] == "CANCELING" and state == "RUNNING"):
                self._set_state(run, state)
                if state in ("SUCCEEDED", "FAILED"):
                    run["finished_at"] = self.now()
                    # The state is written first, the rows some seconds later.
                    self._stale[run_id] = (self.stale_looks, rows)

    def _write_logs(self, workflow: Workflow) -> None:
        for task in workflow.all_tasks():
            said = self.says.get(task.name, f"{task.name} says nothing of note\n")
            for number, pod in enumerate([] if task.inner else workflow.pods(task.name)):
                if workflow.progress[task.name].tries[number] != "PENDING":
                    text = said if isinstance(said, str) else said[min(number, len(said) - 1)]
                    self.logs.setdefault(pod, text)

    def _set_state(self, run: dict[str, Any], state: str) -> None:
        run["state"] = state
        run.setdefault("state_history", []).append({"update_time": self.now(), "state": state})

    def rows(self, run_id: str) -> list[dict[str, Any]]:
        """Nodes of the workflow as the server lists them: in no order, nameless ones of executions among them."""
        if run_id not in self.workflows or self.workflows[run_id].state == "PENDING":
            return []
        return describe_rows(run_id, self.workflows[run_id])

    def handle(self, method: str, path: str, query: dict[str, str], body: bytes, content_type: str) -> object:
        if path == "/apis/v2beta1/healthz" and method == "GET":
            if not self.healthz:
                raise Refused(404, "Not Found", 5)
            return {
                "commit_sha": "unknown",
                "tag_name": self.tag,
                "multi_user": self.multi_user,
                "pipeline_store": "database",
            }
        if match := re.fullmatch(r"/apis/v1alpha1/runs/([^/]+)/nodes/([^/]+)/log", path):
            return self._log(*match.groups())
        route, arguments = self._route(method, path)
        payload = self._checked(route, f"{method} {path}", query, body, content_type)
        result = getattr(self, route.name)(payload=payload, query=query, **arguments)
        for name in {run["display_name"] for run in self.recurring.values()}:
            self.most_active = max(self.most_active, len(self.active(name)))
        if route.answer:
            self.broken_rules += list(violations(result, route.answer, f"answer to {method} {path}"))
        return result

    def _checked(self, route: Route, call: str, query: dict[str, str], body: bytes, content_type: str) -> Any:
        unknown = set(query) - route.queries
        if unknown:
            self._break(f"{call}: unknown query {unknown}")
        if self.multi_user and route.method == "GET" and "namespace" in route.queries and not query.get("namespace"):
            raise Refused(400, "Invalid input error: a namespace is needed")
        if route.upload:
            return self._upload(body, content_type)
        if not route.body:
            if body:
                self._break(f"{call}: a body that is not in the API")
            return None
        if not body:
            self._break(f"{call}: the body is required")
        payload = json.loads(body)
        if "plugins_input" in payload and self.tag.startswith(("2.15", "2.16")):
            raise Refused(400, 'proto: (line 1:2): unknown field "plugins_input"')
        for violation in violations(payload, route.body, route.body):
            self.broken_rules.append(f"{call}: {violation}")
            if match := re.search(r"unknown field (\w+)$", violation):
                place = body.decode().index(f'"{match.group(1)}"') + 1
                raise Refused(400, f'proto: (line 1:{place}): unknown field "{match.group(1)}"')
            raise Refused(400, violation)
        return payload

    def _break(self, rule: str) -> None:
        self.broken_rules.append(rule)
        raise Refused(400, rule)

    def _route(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        for route in ROUTES:
            match = route.pattern.fullmatch(path)
            if match and route.method == method and (self.retries_runs or not path.endswith(":retry")):
                return route, {key: unquote(value) for key, value in match.groupdict().items()}
        if not path.endswith(":retry"):
            self.broken_rules.append(f"{method} {path} is not in the API")
        raise Refused(404, "Not Found", 5)

    def _upload(self, body: bytes, content_type: str) -> dict[str, Any]:
        head = f"Content-Type: {content_type}\r\n\r\n".encode()
        message = email.message_from_bytes(head + body, policy=email.policy.HTTP)
        parts = list(message.iter_parts())
        if len(parts) != 1 or parts[0].get_param("name", header="content-disposition") != "uploadfile":
            self._break("the upload must have the one part `uploadfile`")
        if not str(parts[0].get_filename()).endswith((".yaml", ".yml")):
            raise _upload_error(400, "unsupported file extension")
        try:
            documents = list(yaml.safe_load_all(parts[0].get_payload(decode=True)))
        except yaml.YAMLError:
            documents = []
        if not documents or not isinstance(documents[0], dict) or documents[0].get("schemaVersion") != "2.1.0":
            raise _upload_error(400, "unknown template format")
        if len(documents) == 1:
            return documents[0]
        return {"pipeline_spec": documents[0], "platform_spec": documents[1]}

    @staticmethod
    def _page(items: list[dict[str, Any]], key: str, query: dict[str, str]) -> dict[str, Any]:
        text = query.get("filter") or "{}"
        if escape := re.search(r"%(?![0-9a-fA-F]{2}).{0,2}", text):
            said = f"failed to parse valid filter from {json.dumps(text)}: invalid URL escape {json.dumps(escape[0])}"
            raise Refused(400, f"Failed to create list options: Invalid input error: {said}", 3, said)
        try:
            # Once more than HTTP does.
            predicates = json.loads(unquote_plus(text)).get("predicates", [])
        except ValueError:
            said = f"failed to parse filter spec: proto: syntax error (line 1:1): invalid value {text}"
            what = f"Failed to list {key} due to invalid tag filter in filter spec"
            raise Refused(400, f"{what}: Invalid input error: {said}", 3, said) from None
        for predicate in predicates:
            assert predicate["operation"] == "EQUALS"
            assert predicate["key"] in _FILTERED[key], "the server refuses to filter by that"
            items = [item for item in items if item.get(predicate["key"]) == predicate["string_value"]]
        column, _, direction = (query.get("sort_by") or "created_at").partition(" ")
        items = sorted(items, key=lambda item: item[column], reverse=direction == "desc")
        token = query.get("page_token") or "0"
        if not token.isdigit():
            what = "Failed to create list options: InvalidInputError: Invalid page token"
            raise Refused(
                400, f"{what}: invalid character '\\u009e' looking for beginning of value", 3, "Invalid page token"
            )
        start, size = int(token), min(int(query.get("page_size") or 20), 200)
        if not items:
            return {}
        more = {"next_page_token": str(start + size)} if start + size < len(items) else {}
        return {key: items[start : start + size], "total_size": len(items), **more}

    def _log(self, run_id: str, pod: str) -> str:
        if not self.logs_reachable:
            return "<!doctype html><title>Kubeflow Pipelines</title>"
        if run_id not in self.runs:
            fetched = f"Failed to fetch run {run_id}: ResourceNotFoundError: Run {run_id} not found"
            said = f"BadRequestError: Failed to read logs for run {run_id} due to run fetching error: {fetched}"
        elif pod not in self.logs:
            workflow = self.workflows[run_id].name if run_id in self.workflows else pod.rpartition("-")[0]
            key = f"/artifacts/{workflow}/{pod}/main.log"
            said = (
                f"BadRequestError: Failed to read logs for run {run_id}: InternalServerError: Failed to read logs from "
                f"archive {pod} due to error fetching the log file: InternalServerError: Failed to get file reader for "
                f'{key}: blob (key "{key}") (code=NotFound): operation error S3: GetObject, https response error '
                "StatusCode: 404, RequestID: REQUEST, HostID: HOST, NoSuchKey: The specified key does not exist."
            )
        else:
            return self.logs[pod]
        return json.dumps({"error_message": said, "error_details": said}, separators=(",", ":"))

    # Pipelines

    def pipeline_service_list_pipelines(self, query: dict[str, str], **_: object) -> object:
        return self._page(list(self.pipelines.values()), "pipelines", query)

    def pipeline_service_get_pipeline(self, pipeline_id: str, **_: object) -> object:
        if pipeline_id not in self.pipelines:
            what = f"Failed to get a pipeline {pipeline_id}. Check error stack"
            raise _missing(f"{what}: Failed to get a pipeline with id {pipeline_id}", "Pipeline", pipeline_id)
        return self.pipelines[pipeline_id]

    def pipeline_service_create_pipeline(self, payload: dict[str, Any], **_: object) -> object:
        name = payload["name"]
        if any(pipeline["name"] == name for pipeline in self.pipelines.values()):
            said = f"Failed to create a new pipeline. The name {name} already exist. Please specify a new name"
            what = "Failed to create a pipeline due to server error: Failed to create a pipeline in PipelineStore"
            raise Refused(409, f"{what}: Already exist error: {said}", 6, said)
        made = {"pipeline_id": str(uuid.uuid4()), "created_at": self.now(), **payload}
        self.pipelines[made["pipeline_id"]] = made
        return made

    def pipeline_service_delete_pipeline(self, pipeline_id: str, **_: object) -> object:
        del self.pipelines[pipeline_id]
        return {}

    def pipeline_service_delete_pipeline_version(self, pipeline_version_id: str, **_: object) -> object:
        del self.versions[pipeline_version_id]
        return {}

    def pipeline_service_list_pipeline_versions(self, pipeline_id: str, query: dict[str, str], **_: object) -> object:
        items = [version for version in self.versions.values() if version["pipeline_id"] == pipeline_id]
        return self._page(items, "pipeline_versions", query)

    def pipeline_service_get_pipeline_version(self, pipeline_id: str, pipeline_version_id: str, **_: object) -> object:
        key = pipeline_version_id
        if key not in self.versions or self.versions[key]["pipeline_id"] != pipeline_id:
            what = f"Failed to get a pipeline version {key}: Failed to get a pipeline version with id {key}"
            raise _missing(what, "PipelineVersion", key)
        return self.versions[key]

    def upload_pipeline_version(self, payload: dict[str, Any], query: dict[str, str], **_: object) -> object:
        owner, name = query.get("pipelineid", ""), query.get("name", "")
        if owner not in self.pipelines:
            raise _upload_error(400, "Failed to create a pipeline version")
        if any((v["pipeline_id"], v["name"]) == (owner, name) for v in self.versions.values()):
            raise _upload_error(409, "Failed to create a pipeline version")
        made = {
            "pipeline_id": owner,
            "pipeline_version_id": str(uuid.uuid4()),
            "display_name": name,
            "name": name,
            "description": query.get("description", ""),
            "created_at": self.now(),
            "pipeline_spec": payload,
        }
        # Older servers look at no parameter that they do not know.
        if query.get("tags") and not self.tag.startswith(("2.15", "2.16")):
            made["tags"] = json.loads(query["tags"])
            if any("." in key or max(len(key), len(value)) > 63 for key, value in made["tags"].items()):
                raise _upload_error(400, "Failed to create a pipeline version")
        self.versions[made["pipeline_version_id"]] = made
        return made

    # Experiments

    def experiment_service_list_experiments(self, query: dict[str, str], **_: object) -> object:
        return self._page(list(self.experiments.values()), "experiments", query)

    def experiment_service_create_experiment(self, payload: dict[str, Any], **_: object) -> object:
        if not payload.get("display_name"):
            said = "Invalid input error: Experiment must have a non-empty name"
            what = "InternalServerError: Failed to convert API experiment to model experiment"
            error = f"[ExperimentServer]: Failed to create a experiment due to conversion error: {what}: {said}"
            raise Refused(500, error, 13, "Internal Server Error")
        if any(item["display_name"] == payload["display_name"] for item in self.experiments.values()):
            raise Refused(409, "Already exist error: Failed to create a new experiment", 6)
        fresh = {"created_at": self.now(), "storage_state": "AVAILABLE", "last_run_created_at": NEVER}
        made = {"experiment_id": str(uuid.uuid4()), **payload, **fresh}
        self.experiments[made["experiment_id"]] = made
        return made

    def experiment_service_delete_experiment(self, experiment_id: str, **_: object) -> object:
        del self.experiments[experiment_id]
        return {}

    def _check_source(self, payload: dict[str, Any], what: str) -> None:
        key = payload.get("experiment_id", "")
        if key not in self.experiments:
            said = f"Experiment {key} not found"
            failed = f"Failed to fetch namespace for experiment {key}: Failed to fetch namespace from experiment {key}"
            text = f"{what}: Failed to create a run due to invalid experimentId and namespace combination: {failed}"
            raise Refused(404, f"{text}: ResourceNotFoundError: {said}", 5, said)
        key = payload["pipeline_version_reference"]["pipeline_version_id"]
        if key not in self.versions:
            fetched = f"Failed to fetch a pipeline version and its manifest from pipeline version {key}"
            text = (
                f"{what}: InternalServerError: Failed to create a run due to error fetching manifest: Failed to fetch "
                f"a template due to error retrieving pipeline version: {fetched}: Failed to get a pipeline version "
                f"with id {key}: ResourceNotFoundError: PipelineVersion {key} not found"
            )
            raise Refused(500, text, 13, "Internal Server Error")
        spec = self.versions[key]["pipeline_spec"]
        declared = spec.get("pipeline_spec", spec)["root"].get("inputDefinitions", {}).get("parameters", {})
        given = (payload.get("runtime_config") or {}).get("parameters") or {}
        said = ""
        for name, parameter in declared.items():
            if name not in given and not parameter.get("isOptional") and "defaultValue" not in parameter:
                said = f"parameter {name} is not optional, yet has neither default value nor user provided value"
        unknown = sorted(set(given) - set(declared))
        if unknown:
            said = f"parameter(s) provided are not required by pipeline: {', '.join(unknown)}"
        if said:
            failed = "Failed to generate the ExecutionSpec: invalid pipeline job inputs: Invalid input error"
            raise Refused(400, f"{what}: {failed}: {said}", 3, said)

    # Runs

    def _new_run(self, payload: dict[str, Any]) -> dict[str, Any]:
        now = self.now()
        made = {
            "run_id": str(uuid.uuid4()),
            "storage_state": "AVAILABLE",
            "created_at": now,
            "scheduled_at": now,
            "finished_at": NEVER,
            **payload,
        }
        self._set_state(made, "PENDING")
        self.runs[made["run_id"]] = made
        spec = self.versions[made["pipeline_version_reference"]["pipeline_version_id"]]["pipeline_spec"]
        name = spec.get("pipeline_spec", spec)["pipelineInfo"]["name"]
        suffix = "".join(random.choices(string.ascii_lowercase + string.digits, k=5))
        workflow = made["display_name"] if "recurring_run_id" in made else f"{name}-{suffix}"
        self.workflows[made["run_id"]] = Workflow(workflow, read_tasks(spec), self.template_defaults)
        return made

    def run_service_create_run(self, payload: dict[str, Any], **_: object) -> object:
        if not payload.get("display_name"):
            raise Refused(400, "Failed to create a new run: Invalid input error: Run name is empty", 3)
        if len(payload["display_name"]) > _LONGEST_NAME:
            said = "Error 1406 (22001): Data too long for column 'DisplayName' at row 1"
            what = "Failed to create a new run: Failed to create a run: InternalServerError: Failed to store run"
            raise Refused(500, f"{what} {payload['display_name']} to table: {said}", 13, "Internal Server Error")
        self._check_source(payload, "Failed to create a new run")
        made = self._new_run({"service_account": ACCOUNT, **payload})
        if not self.tag.startswith(("2.15", "2.16")):
            asked = (payload.get("plugins_input") or {}).get("mlflow") or {}
            made["plugins_output"] = {
                "mlflow": {
                    "entries": {"experiment_name": {"value": asked.get("experiment_name", "KFP-Default")}},
                    "state": "PLUGIN_FAILED",
                    "state_message": f"{_MLFLOW}Kubernetes bearer token is empty for MLflow auth",
                }
            }
        return made

    def run_service_list_runs(self, query: dict[str, str], **_: object) -> object:
        items = [run for run in self.runs.values() if query.get("experiment_id") in (None, run.get("experiment_id"))]
        page = self._page(items, "runs", query)
        # A run that Argo has not looked at yet has no state in a list.
        shown = [self._with_rows(run, listed=True) for run in page.get("runs", [])]
        return {**page, "runs": shown} if shown else page

    def run_service_get_run(self, run_id: str, **_: object) -> object:
        run = self._run(run_id, "Failed to get a run")
        self.on_get_run(run)
        if self.plays:
            self.play(run_id, 1)
        return self._with_rows(run)

    def _run(self, run_id: str, what: str) -> dict[str, Any]:
        if run_id not in self.runs:
            raise _missing(f"{what}: Failed to fetch run {run_id}", "Run", run_id)
        return self.runs[run_id]

    def _with_rows(self, run: dict[str, Any], *, listed: bool = False) -> dict[str, Any]:
        run_id = run["run_id"]
        left, rows = self._stale.get(run_id, (0, []))
        if left:
            self._stale[run_id] = (left - 1, rows)
        else:
            rows = self.rows(run_id)
        shown = {**run, **({"run_details": {"task_details": rows}} if rows else {})}
        if listed and run["state"] == "PENDING" and "recurring_run_id" in run:
            del shown["state"]
        return shown

    def run_service_terminate_run(self, run_id: str, **_: object) -> object:
        what = f"Failed to terminate a run: Failed to terminate run {run_id} due to error fetching the run"
        run = self._run(run_id, what)
        if run["state"] in ("SUCCEEDED", "FAILED", "CANCELED"):
            said = f"Failed to terminate run {run_id}. Row not found"
            raise Refused(400, f"Failed to terminate a run: Invalid input error: {said}", 3, said)
        self._set_state(run, "CANCELING")
        return {}

    def run_service_retry_run(self, run_id: str, **_: object) -> object:
        run = self._run(run_id, f"Failed to retry a run: Failed to retry run {run_id}")
        if run["state"] not in ("FAILED", "CANCELED"):
            said = "Workflow must be Failed/Error to retry"
            what = f"Failed to retry a run: Failed to retry run {run_id}: BadRequestError: {said}"
            raise Refused(409, f"{what}: workflow cannot be retried", 10, said)
        self._stale.pop(run_id, None)
        self.workflows[run_id].retry()
        run["finished_at"] = NEVER
        self._set_state(run, "RUNNING")
        return {}

    def run_service_delete_run(self, run_id: str, **_: object) -> object:
        del self.runs[run_id]
        return {}

    def run_service_archive_run(self, run_id: str, **_: object) -> object:
        self.runs[run_id]["storage_state"] = "ARCHIVED"
        return {}

    # Recurring runs

    def recurring_run_service_list_recurring_runs(self, query: dict[str, str], **_: object) -> object:
        return self._page(list(self.recurring.values()), "recurringRuns", query)

    def recurring_run_service_get_recurring_run(self, recurring_run_id: str, **_: object) -> object:
        return self._recurring(recurring_run_id, "Failed to fetch a recurring run")

    def _recurring(self, key: str, what: str) -> dict[str, Any]:
        if key not in self.recurring:
            raise _missing(what, "Job", key)
        return self.recurring[key]

    def recurring_run_service_create_recurring_run(self, payload: dict[str, Any], **_: object) -> object:
        what = "Failed to create a recurring run"
        namespace, experiment = payload.get("namespace"), payload.get("experiment_id")
        if namespace and not self.multi_user:
            said = f"Experiment {experiment} belongs to namespace '' instead of '{namespace}'"
            text = f"{what}: {what} due to invalid experimentId and namespace combination: Invalid input error"
            raise Refused(400, f"{text}: {said}", 3, said)
        if not 1 <= int(payload.get("max_concurrency") or 0) <= 10:
            raise Refused(400, "The max concurrency of the recurring run is out of range. Support 1-10.")
        trigger = payload.get("trigger") or {}
        if ("cron_schedule" in trigger) == ("periodic_schedule" in trigger):
            raise Refused(400, "A recurring run needs one trigger")
        if "cron_schedule" in trigger:
            check_server_cron(trigger["cron_schedule"]["cron"])
        elif int(trigger["periodic_schedule"]["interval_second"]) < 1:
            raise Refused(400, "Found invalid period schedule interval")
        if payload.get("mode") not in ("ENABLE", "DISABLE"):
            raise Refused(400, "The mode is required")
        self._check_source(payload, what)
        now = self.now()
        made = {
            "recurring_run_id": str(uuid.uuid4()),
            "service_account": ACCOUNT,
            **payload,
            "created_at": now,
            "updated_at": now,
            "status": f"{payload['mode']}D",
            "namespace": namespace or "kubeflow",
            "trigger": {kind: {key: _utc(value) for key, value in part.items()} for kind, part in trigger.items()},
        }
        if self.ignores_accounts:
            made["service_account"] = ACCOUNT
        self.recurring[made["recurring_run_id"]] = made
        self._fire_due(made)
        return made

    def _fire_due(self, record: dict[str, Any]) -> None:
        """Starts what has passed since its start: the last one, or all that may go on at once if it catches up."""
        (trigger,) = record["trigger"].values()
        if record["status"] != "ENABLED" or "start_time" not in trigger:
            return
        now, start = datetime.now(UTC), datetime.fromisoformat(trigger["start_time"])
        if record["recurring_run_id"] in self._looked:
            start = max(start, self._looked[record["recurring_run_id"]])
        self._looked[record["recurring_run_id"]] = now
        if "cron" in trigger:
            cron = Cron.parse(trigger["cron"].partition(" ")[2])
            due = list(islice(takewhile(lambda time: time <= now, server_starts(cron, ZoneInfo("UTC"), start)), 10))
        else:
            due = [start] * max(0, int((now - start).total_seconds()) // int(trigger["interval_second"]))
        for _ in due[: 1 if record.get("no_catchup") else int(record["max_concurrency"])]:
            self.fire(record["recurring_run_id"])

    def recurring_run_service_enable_recurring_run(self, recurring_run_id: str, **_: object) -> object:
        return self._switch(recurring_run_id, "ENABLE")

    def recurring_run_service_disable_recurring_run(self, recurring_run_id: str, **_: object) -> object:
        return self._switch(recurring_run_id, "DISABLE")

    def _switch(self, key: str, mode: str) -> object:
        changed = {"mode": mode, "status": f"{mode}D", "updated_at": self.now()}
        record = self._recurring(key, f"Failed to {mode.lower()} a recurring run")
        record.update(changed)
        if record.get("trigger"):
            self._fire_due(record)
        return {}

    def recurring_run_service_delete_recurring_run(
        self, recurring_run_id: str, query: dict[str, str], **_: object
    ) -> object:
        what = f"Failed to delete a recurring run: Failed to delete recurring run {recurring_run_id}. Check if exists"
        self._recurring(recurring_run_id, what)
        del self.recurring[recurring_run_id]
        # It owns the workflows of its runs: the garbage collector takes them along, and nobody tells the runs.
        orphan = query.get("propagation_policy", "").upper().endswith("ORPHAN")
        if not orphan or self.tag.startswith("2.15"):
            for run_id, run in self.runs.items():
                if run.get("recurring_run_id") == recurring_run_id and run["state"] in ("PENDING", "RUNNING"):
                    self.killed.append(run_id)
                    if run_id in self.workflows:
                        self.workflows[run_id].gone = True
        return {}


def _upload_error(status: int, message: str) -> Refused:
    details = f"{message}\n(a stack trace, left out here)"
    return Refused(status, message, error_message=message, error_details=details)


def _utc(value: object) -> object:
    return value.removesuffix("+00:00") + "Z" if isinstance(value, str) and value.endswith("+00:00") else value


def describe_rows(run_id: str, workflow: Workflow) -> list[dict[str, Any]]:
    """Writes nodes as `task_details`."""
    rows = []
    for node in workflow.nodes():
        row: dict[str, Any] = {
            "run_id": run_id,
            "task_id": str(uuid.uuid4()),
            "display_name": node.display_name,
            "create_time": "2026-01-01T00:00:00Z",
            "start_time": "2026-01-01T00:00:10Z",
            "end_time": NOT_YET if node.state in ("RUNNING", "PENDING") else "2026-01-01T00:00:30Z",
            "state_history": [{"update_time": "2026-01-01T00:00:31Z", **({"state": node.state} if node.state else {})}],
        }
        if node.state:
            row["state"] = node.state
        if node.children:
            row["child_tasks"] = [{"pod_name": f"{workflow.name}-{node_hash(name)}"} for name in node.children]
        rows.append(row)
    ran = sum(len(progress.tries) for progress in workflow.progress.values() if progress.state == "done")
    times = dict.fromkeys(("create_time", "start_time", "end_time"), "2026-01-01T00:00:10Z")
    rows += [
        {"run_id": run_id, "task_id": str(uuid.uuid4()), **times, "execution_id": str(number)}
        for number in range(1, ran)
    ]
    random.shuffle(rows)
    return rows
