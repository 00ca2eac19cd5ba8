"""A server of Kubeflow Pipelines in memory, spoken to over HTTP, which checks requests against the published API."""

from __future__ import annotations

import contextlib
import email
import email.policy
import gzip
import inspect
import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import kfp_server_api
import pytest
import yaml

from agnews.kubeflow.client.connection import Connection
from agnews.kubeflow.client.kfp_api import KfpApi
from agnews.kubeflow.client.retry import Retry

PIPELINE = """\
# PIPELINE DEFINITION
pipelineInfo:
  name: agnews
schemaVersion: 2.1.0
sdkVersion: kfp-2.16.1
components:
  comp-train:
    executorLabel: exec-train
deploymentSpec:
  executors:
    exec-train:
      container:
        image: registry.example/agnews@sha256:0000000000000000000000000000000000000000000000000000000000000000
        command: [python, -m, agnews.kubeflow.entrypoint]
root:
  dag:
    tasks:
      train:
        componentRef: {name: comp-train}
        taskInfo: {name: train}
  inputDefinitions:
    parameters:
      data_uri: {parameterType: STRING}
      epochs: {parameterType: NUMBER_INTEGER, defaultValue: 4.0, isOptional: true}
      rate: {parameterType: NUMBER_DOUBLE, defaultValue: 0.001, isOptional: true}
      force: {parameterType: BOOLEAN, defaultValue: false, isOptional: true}
      names: {parameterType: LIST, isOptional: true}
      more: {parameterType: STRUCT, isOptional: true}
---
platforms:
  kubernetes:
    deploymentSpec:
      executors:
        exec-train: {}
"""


@dataclass(frozen=True)
class Route:
    """An operation of the published API, read from the generated client."""

    method: str
    pattern: re.Pattern[str]
    name: str
    queries: frozenset[str]
    body: str | None
    answer: str | None
    upload: bool


def _routes() -> list[Route]:
    routes = []
    for cls in vars(kfp_server_api).values():
        if not (inspect.isclass(cls) and cls.__name__.endswith("ServiceApi")):
            continue
        for name, function in inspect.getmembers(cls, inspect.isfunction):
            if not name.endswith("_with_http_info"):
                continue
            source = inspect.getsource(function)
            path, method = re.search(r"call_api\(\s*'([^']+)', '([A-Z]+)'", source).groups()
            body = re.search(r"body_params = local_var_params\['(\w+)'\]", source)
            answer = re.search(r"response_type='([^']+)'", source)
            kind = re.search(rf":type {body.group(1)}: (\w+)", source).group(1) if body else None
            pattern = re.sub(r"\{([\w.]+)\}", lambda match: f"(?P<{match.group(1).replace('.', '_')}>[^/:]+)", path)
            queries = frozenset(re.findall(r"query_params\.append\(\('([\w.]+)'", source))
            routes.append(
                Route(
                    method,
                    re.compile(pattern),
                    name.removesuffix("_with_http_info"),
                    queries,
                    kind,
                    answer.group(1) if answer else None,
                    "local_var_files['uploadfile']" in source,
                )
            )
    return sorted(routes, key=lambda route: len(route.pattern.pattern), reverse=True)


ROUTES = _routes()


_NATIVES: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "int": int,
    "float": (int, float),
    "bool": bool,
    "object": object,
}


def violations(value: object, kind: str, where: str) -> Iterator[str]:
    """Says where a JSON value is not what the OpenAPI document says."""
    if value is None:
        return
    if match := re.fullmatch(r"list\[(.+)\]|dict\(str, (.+)\)", kind):
        yield from _container_violations(value, *match.groups(), where)
    elif kind in _NATIVES:
        if not isinstance(value, _NATIVES[kind]) or (kind == "int" and isinstance(value, bool)):
            yield f"{where}: {value!r} is no {kind}"
    elif kind == "datetime":
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", str(value)):
            yield f"{where}: {value!r} is no RFC 3339 time"
    else:
        yield from _model_violations(value, getattr(kfp_server_api.models, kind), where)


def _container_violations(value: object, item: str | None, entry: str | None, where: str) -> Iterator[str]:
    if not isinstance(value, list if item else dict):
        yield f"{where}: {value!r} is no {'list' if item else 'object'}"
        return
    for key, part in enumerate(value) if item else value.items():
        yield from violations(part, str(item or entry), f"{where}.{key}")


def _model_violations(value: object, model: Any, where: str) -> Iterator[str]:
    if hasattr(model, "allowable_values"):
        if value not in model.allowable_values:
            yield f"{where}: {value!r} is none of {model.allowable_values}"
        return
    if not isinstance(value, dict):
        yield f"{where}: no object"
        return
    names = {json_key: key for key, json_key in model.attribute_map.items()}
    for key, item in value.items():
        if key in names:
            yield from violations(item, model.openapi_types[names[key]], f"{where}.{key}")
        else:
            yield f"{where}: unknown field {key}"


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

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message
        super().__init__(message)


_FIELDS = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 6)}


def check_server_cron(text: str) -> None:
    """What `cron.Parse` of github.com/robfig/cron v1 says to an expression."""
    fields = text.split()
    if len(fields) not in (5, 6):
        raise Refused(
            400, f"Schedule cron is not a supported format. Error: Expected 5 to 6 fields, found {len(fields)}"
        )
    bounds = [(0, 59), *_FIELDS.values()]
    for content, (low, high) in zip(fields, bounds, strict=False):
        for part in content.split(","):
            numbers = [int(number) for number in re.findall(r"\d+", part.partition("/")[0])]
            if not re.fullmatch(r"(\*|\d+(-\d+)?)(/\d+)?", part) or any(
                not low <= number <= high for number in numbers
            ):
                raise Refused(400, f"Schedule cron is not a supported format. Error in {part}")


@dataclass
class FakeServer:
    """State and behaviour of the server."""

    host: str = ""
    multi_user: bool = False
    tag: str = "2.17.0"
    healthz: bool = True
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
    logs: dict[str, str] = field(default_factory=dict)
    on_get_run: Callable[[dict[str, Any]], None] = lambda run: None
    before: Callable[[str, str], None] = lambda method, path: None
    most_active: int = 0
    ignores_accounts: bool = False
    killed: list[str] = field(default_factory=list)
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

    def handle(self, method: str, path: str, query: dict[str, str], body: bytes, content_type: str) -> object:
        if path == "/apis/v2beta1/healthz" and method == "GET":
            if not self.healthz:
                raise Refused(404, "Not Found")
            return {"commit_sha": "unknown", "tag_name": self.tag, "multi_user": self.multi_user}
        if match := re.fullmatch(r"/apis/v1alpha1/runs/([^/]+)/nodes/([^/]+)/log", path):
            return self._log(*match.groups())
        route, arguments = self._route(method, path)
        payload = self._payload(route, f"{method} {path}", query, body, content_type)
        answer = getattr(self, route.name)(payload=payload, query=query, **arguments)
        if route.answer and route.answer != "object":
            assert not list(violations(answer, route.answer, route.answer)), "the fake itself breaks the API"
        for name in {run["display_name"] for run in self.recurring.values()}:
            self.most_active = max(self.most_active, len(self.active(name)))
        return answer

    def _payload(self, route: Route, call: str, query: dict[str, str], body: bytes, content_type: str) -> Any:
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
        for violation in violations(payload, route.body, route.body):
            self._break(f"{call}: {violation}")
        return payload

    def _break(self, rule: str) -> None:
        self.broken_rules.append(rule)
        raise Refused(400, rule)

    def _route(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        for route in ROUTES:
            match = route.pattern.fullmatch(path)
            if match and route.method == method:
                return route, {key: unquote(value) for key, value in match.groupdict().items()}
        self.broken_rules.append(f"{method} {path} is not in the API")
        raise Refused(404, "Not Found")

    def _upload(self, body: bytes, content_type: str) -> dict[str, Any]:
        head = f"Content-Type: {content_type}\r\n\r\n".encode()
        message = email.message_from_bytes(head + body, policy=email.policy.HTTP)
        parts = list(message.iter_parts())
        if len(parts) != 1 or parts[0].get_param("name", header="content-disposition") != "uploadfile":
            self._break("the upload must have the one part `uploadfile`")
        if not str(parts[0].get_filename()).endswith((".yaml", ".yml")):
            raise Refused(400, "unsupported file extension")
        documents = list(yaml.safe_load_all(parts[0].get_payload(decode=True)))
        if documents[0].get("schemaVersion") != "2.1.0":
            raise Refused(400, "unsupported schema version")
        if len(documents) == 1:
            return documents[0]
        return {"pipeline_spec": documents[0], "platform_spec": documents[1]}

    @staticmethod
    def _page(items: list[dict[str, Any]], key: str, query: dict[str, str]) -> dict[str, Any]:
        for predicate in json.loads(query.get("filter") or "{}").get("predicates", []):
            assert predicate["operation"] == "EQUALS"
            items = [item for item in items if item.get(predicate["key"]) == predicate["string_value"]]
        column, _, direction = (query.get("sort_by") or "created_at").partition(" ")
        items = sorted(items, key=lambda item: item[column], reverse=direction == "desc")
        start, size = int(query.get("page_token") or 0), int(query.get("page_size") or 20)
        token = {"next_page_token": str(start + size)} if start + size < len(items) else {}
        return {key: items[start : start + size], "total_size": len(items), **token}

    @staticmethod
    def _get(items: dict[str, dict[str, Any]], key: str) -> dict[str, Any]:
        if key not in items:
            raise Refused(404, f"ResourceNotFoundError: {key} not found")
        return items[key]

    def _log(self, run_id: str, pod: str) -> str:
        self._get(self.runs, run_id)
        if pod not in self.logs:
            raise Refused(500, f'Failed to read logs: pods "{pod}" not found')
        return self.logs[pod]

    # The API

    def pipeline_service_list_pipelines(self, query: dict[str, str], **_: object) -> object:
        return self._page(list(self.pipelines.values()), "pipelines", query)

    def pipeline_service_create_pipeline(self, payload: dict[str, Any], **_: object) -> object:
        if any(pipeline["name"] == payload["name"] for pipeline in self.pipelines.values()):
            raise Refused(409, "Already exist error: Failed to create a new pipeline")
        made = {"pipeline_id": str(uuid.uuid4()), "created_at": self.now(), **payload}
        self.pipelines[made["pipeline_id"]] = made
        return made

    def pipeline_service_list_pipeline_versions(self, pipeline_id: str, query: dict[str, str], **_: object) -> object:
        items = [version for version in self.versions.values() if version["pipeline_id"] == pipeline_id]
        return self._page(items, "pipeline_versions", query)

    def pipeline_service_get_pipeline_version(self, pipeline_id: str, pipeline_version_id: str, **_: object) -> object:
        version = self._get(self.versions, pipeline_version_id)
        assert version["pipeline_id"] == pipeline_id
        return version

    def upload_pipeline_version(self, payload: dict[str, Any], query: dict[str, str], **_: object) -> object:
        self._get(self.pipelines, query["pipelineid"])
        same = [
            v for v in self.versions.values() if (v["pipeline_id"], v["name"]) == (query["pipelineid"], query["name"])
        ]
        if same:
            raise Refused(409, "Already exist error: Failed to create a new pipeline version")
        made = {
            "pipeline_id": query["pipelineid"],
            "pipeline_version_id": str(uuid.uuid4()),
            "name": query["name"],
            "display_name": query["name"],
            "description": query.get("description", ""),
            "created_at": self.now(),
            "pipeline_spec": payload,
        }
        self.versions[made["pipeline_version_id"]] = made
        return made

    def experiment_service_list_experiments(self, query: dict[str, str], **_: object) -> object:
        return self._page(list(self.experiments.values()), "experiments", query)

    def experiment_service_create_experiment(self, payload: dict[str, Any], **_: object) -> object:
        if any(item["display_name"] == payload["display_name"] for item in self.experiments.values()):
            raise Refused(409, "Already exist error: Failed to create a new experiment")
        made = {"experiment_id": str(uuid.uuid4()), "created_at": self.now(), **payload}
        self.experiments[made["experiment_id"]] = made
        return made

    def _check_source(self, payload: dict[str, Any]) -> None:
        self._get(self.experiments, payload["experiment_id"])
        reference = payload["pipeline_version_reference"]
        version = self._get(self.versions, reference["pipeline_version_id"])
        spec = version["pipeline_spec"]
        declared = spec.get("pipeline_spec", spec)["root"]["inputDefinitions"]["parameters"]
        unknown = set((payload.get("runtime_config") or {}).get("parameters") or {}) - set(declared)
        if unknown:
            raise Refused(400, f"Unexpected parameters: {unknown}")

    def run_service_create_run(self, payload: dict[str, Any], **_: object) -> object:
        if not payload.get("display_name"):
            raise Refused(400, "Run name is empty")
        self._check_source(payload)
        made = {"run_id": str(uuid.uuid4()), "created_at": self.now(), "state": "PENDING", **payload}
        made["run_details"] = {"task_details": []}
        self.runs[made["run_id"]] = made
        return made

    def run_service_list_runs(self, query: dict[str, str], **_: object) -> object:
        items = [run for run in self.runs.values() if query.get("experiment_id") in (None, run["experiment_id"])]
        return self._page(items, "runs", query)

    def run_service_get_run(self, run_id: str, **_: object) -> object:
        run = self._get(self.runs, run_id)
        self.on_get_run(run)
        return run

    def run_service_terminate_run(self, run_id: str, **_: object) -> object:
        self._get(self.runs, run_id)["state"] = "CANCELED"
        return {}

    def recurring_run_service_list_recurring_runs(self, query: dict[str, str], **_: object) -> object:
        return self._page(list(self.recurring.values()), "recurringRuns", query)

    def recurring_run_service_get_recurring_run(self, recurring_run_id: str, **_: object) -> object:
        return self._get(self.recurring, recurring_run_id)

    def recurring_run_service_create_recurring_run(self, payload: dict[str, Any], **_: object) -> object:
        self._check_source(payload)
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
        if not self.multi_user and payload.get("namespace"):
            raise Refused(400, f"Experiment belongs to namespace '' instead of '{payload['namespace']}'")
        made = {**payload, "recurring_run_id": str(uuid.uuid4()), "created_at": self.now()}
        made["status"] = f"{made.pop('mode')}D"
        if not made.get("service_account") or self.ignores_accounts:
            made["service_account"] = "pipeline-runner"
        self.recurring[made["recurring_run_id"]] = made
        return made

    def recurring_run_service_enable_recurring_run(self, recurring_run_id: str, **_: object) -> object:
        self._get(self.recurring, recurring_run_id)["status"] = "ENABLED"
        return {}

    def recurring_run_service_disable_recurring_run(self, recurring_run_id: str, **_: object) -> object:
        self._get(self.recurring, recurring_run_id)["status"] = "DISABLED"
        return {}

    def recurring_run_service_delete_recurring_run(
        self, recurring_run_id: str, query: dict[str, str], **_: object
    ) -> object:
        self._get(self.recurring, recurring_run_id)
        del self.recurring[recurring_run_id]
        # The workflow of a run is a child of the recurring run: without ORPHAN (2.16 and later) it goes along.
        if query.get("propagation_policy") != "ORPHAN" or self.tag.startswith("2.15"):
            self.killed += [
                run_id
                for run_id, run in self.runs.items()
                if run.get("recurring_run_id") == recurring_run_id and run.get("state") in ("PENDING", "RUNNING")
            ]
        return {}


class Handler(BaseHTTPRequestHandler):
    """Speaks HTTP for the server, and lets it fail."""

    fake: FakeServer
    protocol_version = "HTTP/1.1"
    timeout = 10
    # Header and body in one packet: two would wait 40 ms for each other.
    wbufsize = -1

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, status: int, content: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def handle(self) -> None:
        # A client that has given up is what some tests are about.
        with contextlib.suppress(ConnectionError):
            super().handle()

    def finish(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().finish()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        with self.fake.lock:
            self.fake.requests.append((self.command, parts.path))
            self.fake.before(self.command, parts.path)
            fault = self.fake.fault(self.command, parts.path)
        if fault and fault.kind == "slow":
            time.sleep(fault.seconds)
        if fault and fault.kind == "drop before":
            self.close_connection = True
            return
        if fault and fault.kind == "status":
            self._answer(fault.status, fault.body.encode("latin-1"))
            return
        status, content, kind = self._carry_out(parts.path, dict(parse_qsl(parts.query)), body)
        if fault and fault.kind == "drop after":
            self.close_connection = True
            return
        self._answer(status, content, kind)

    def _carry_out(self, path: str, query: dict[str, str], body: bytes) -> tuple[int, bytes, str]:
        if self.fake.token is not None and self.headers.get("Authorization") != f"Bearer {self.fake.token}":
            return (
                401,
                b'{"code": 16, "message": "Request header error: there is no user identity header."}',
                "application/json",
            )
        if self.fake.cookie is not None and self.headers.get("Cookie") != self.fake.cookie:
            return 302, b"<html>Log in</html>", "text/html"
        if self.fake.forbidden and re.search(self.fake.forbidden, path):
            return 403, b'{"code": 7, "message": "User ann@example.com is not authorized"}', "application/json"
        try:
            with self.fake.lock:
                answer = self.fake.handle(self.command, path, query, body, self.headers.get("Content-Type") or "")
        except Refused as refused:
            return refused.status, json.dumps({"code": 3, "message": refused.message}).encode(), "application/json"
        if isinstance(answer, str):
            return 200, answer.encode(), "text/plain"
        return 200, json.dumps(answer).encode(), "application/json"

    do_GET = do_POST = do_DELETE = do_PATCH = do_PUT = _serve  # noqa: N815


@pytest.fixture(scope="session")
def recordings(repository: Path) -> dict[str, Any]:
    """What a server of 2.17.0 gave, by path; see tests/golden/record_kubeflow_server.py."""
    packed = (repository / "tests/golden/kubeflow_server.json.gz").read_bytes()
    found: dict[str, Any] = json.loads(gzip.decompress(packed))
    return found


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """A running server; at the end no request may have broken the rules of the API."""
    fake = FakeServer()
    listener = ThreadingHTTPServer(("127.0.0.1", 0), type("OurHandler", (Handler,), {"fake": fake}))
    listener.daemon_threads = True
    fake.host = f"http://127.0.0.1:{listener.server_address[1]}"
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield fake
    listener.shutdown()
    listener.server_close()
    thread.join()
    assert fake.broken_rules == []


@pytest.fixture
def pauses() -> list[float]:
    """The pauses between attempts, which tests do not wait for."""
    return []


@pytest.fixture
def retry(pauses: list[float]) -> Retry:
    """Tries again at once, and writes down how long it would have waited."""
    return Retry(attempts=4, sleep=pauses.append, chance=lambda: 1.0)


@pytest.fixture
def connect(server: FakeServer, retry: Retry) -> Callable[..., KfpApi]:
    """Connects to the server with some settings."""

    def with_settings(**settings: object) -> KfpApi:
        return KfpApi.connect(Connection.read({"host": server.host, **settings}, {}), retry)

    return with_settings


@pytest.fixture
def fault() -> type[Fault]:
    """Makes things that go wrong."""
    return Fault


@pytest.fixture
def pipeline_text() -> str:
    """A compiled pipeline, as YAML."""
    return PIPELINE


@pytest.fixture
def pipeline_file(tmp_path: Path) -> Path:
    """A file with a compiled pipeline."""
    path = tmp_path / "pipeline.yaml"
    path.write_text(PIPELINE, encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests do not depend on the environment of whoever runs them."""
    import os

    for name in [name for name in os.environ if name.startswith("AGNEWS_KFP_")]:
        monkeypatch.delenv(name)
