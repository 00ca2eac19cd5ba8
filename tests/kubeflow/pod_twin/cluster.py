"""A cluster over HTTP for those who ask for a JobSet: pods are processes of this machine.

What it does is what Kubernetes 1.34 with JobSet 0.12 was seen to do: a rule's name with a hyphen is refused, one pod
that fails ends all, a restart deletes them and makes new ones, exit code 2 fails the set at once by the pod failure
policy, and a condition names the Job and not the pod.
"""

from __future__ import annotations

import copy
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

Tree = dict[str, Any]
NAMESPACE = "team"
_SETS = f"/apis/jobset.x-k8s.io/v1alpha2/namespaces/{NAMESPACE}/jobsets"
_PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
_RULE = re.compile(r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")


@dataclass
class Pod:
    """A process in the place of a pod."""

    name: str
    index: int
    of: str
    log: Path
    process: subprocess.Popen[bytes] | None
    start: int = 0
    uid: str = field(default_factory=lambda: uuid.uuid4().hex)

    def describe(self) -> Tree:
        code = self.process.poll() if self.process else None
        phase, state = "Running", {"running": {}}
        if self.process is None:
            phase, state = "Pending", {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
        elif code is not None:
            phase = "Failed" if code else "Succeeded"
            state = {
                "terminated": {"exitCode": 128 - code if code < 0 else code, "reason": "Error" if code else "Completed"}
            }
        status = {
            "name": "trainer",
            "image": "i",
            "imageID": "i",
            "ready": code is None,
            "restartCount": 0,
            "state": state,
        }
        labels = {
            "jobset.sigs.k8s.io/jobset-name": self.of,
            "batch.kubernetes.io/job-completion-index": str(self.index),
            "jobset.sigs.k8s.io/restart-attempt": str(self.start),
        }
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self.name, "uid": self.uid, "labels": labels},
            "spec": {"containers": [{"name": "trainer"}]},
            "status": {"phase": phase, "containerStatuses": [status]},
        }


class FakeCluster:
    """The server, and what a controller and a kubelet would do.

    Args:
        folder: For logs.
        command: What pods run in the place of their own; empty for their own. The task's URI is appended.
        can_pull: Whether pods find their image.
        schema: Of JobSet, as its CustomResourceDefinition has it; None checks none.
    """

    def __init__(
        self, folder: Path, command: Sequence[str] = (), *, can_pull: bool = True, schema: Tree | None = None
    ) -> None:
        self.folder, self.command, self.can_pull, self.schema = folder, list(command), can_pull, schema
        self.sets: dict[str, Tree] = {}
        self.pods: list[Pod] = []
        self.made: list[Tree] = []
        self.deleted: list[str] = []
        self.forbidden: set[str] = set()
        self.fail_next = 0
        self.cut_streams = 0
        """How many streams of logs end behind their first lines, as where a gateway is restarted."""
        self.troubles: dict[str, list[int | str]] = {}
        """By verb and resource, what becomes of the next requests: a status, `cut`, or `lost` for one that is done."""
        self.restarted: Callable[[], None] = lambda: None
        """Called after each restart of a set, before its new pods are made."""
        self._lock = threading.RLock()
        self._ended = threading.Event()
        cluster = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments: object) -> None:
                pass

            def do_GET(self) -> None:
                cluster._answer(self, "GET")

            def do_POST(self) -> None:
                cluster._answer(self, "POST")

            def do_DELETE(self) -> None:
                cluster._answer(self, "DELETE")

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._threads = [
            threading.Thread(target=self._server.serve_forever, daemon=True),
            threading.Thread(target=self._control, daemon=True),
        ]

    def __enter__(self) -> FakeCluster:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        for thread in self._threads:
            thread.join()
        for pod in self.pods:
            if pod.process:
                pod.process.kill()
                pod.process.wait()

    def kubeconfig(self) -> Path:
        """Writes the file by which a client finds this server."""
        path = self.folder / "kubeconfig"
        address = f"http://127.0.0.1:{self._server.server_address[1]}"
        tree = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [{"name": "here", "cluster": {"server": address}}],
            "users": [{"name": "step", "user": {}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "step", "namespace": NAMESPACE}}],
        }
        path.write_text(json.dumps(tree))
        return path

    # The API server.

    def _answer(self, request: BaseHTTPRequestHandler, verb: str) -> None:
        url = urlparse(request.path)
        length = int(request.headers.get("Content-Length") or 0)
        body = json.loads(request.rfile.read(length) or b"null")
        if self.fail_next > 0:
            self.fail_next -= 1
            return self._send(request, 503, _status(503, "the server is overloaded"))
        if url.path.endswith("/log"):
            stamped = parse_qs(url.query).get("timestamps") == ["True"]
            return self._stream(request, url.path.split("/")[-2], stamped)
        waiting = self.troubles.get(f"{verb} {_resource(url.path)}")
        trouble = waiting.pop(0) if waiting else None
        if isinstance(trouble, int):
            return self._send(request, trouble, _status(trouble, "not now"))
        if trouble != "cut":
            with self._lock:
                code, answer = self._do(verb, url.path, parse_qs(url.query), body)
        if trouble:
            request.close_connection = True
            request.connection.shutdown(socket.SHUT_RDWR)
            return None
        return self._send(request, code, answer)

    def _do(self, verb: str, path: str, query: dict[str, list[str]], body: Tree | None) -> tuple[int, Tree]:
        what = _resource(path)
        if f"{verb} {what}" in self.forbidden:
            return 403, _status(403, f"cannot {verb} {what}")
        name = path.removeprefix(_SETS).removeprefix(_PODS).strip("/")
        if what == "pods":
            return self._do_pods(name, query)
        if verb == "POST":
            assert body is not None
            return self._create(body)
        if name not in self.sets:
            return 404, _status(404, f"jobsets {name!r} not found")
        if verb == "DELETE":
            self.deleted.append(name)
            del self.sets[name]
            self._remove_pods(name)
            return 200, _status(200, "deleted")
        return 200, self.sets[name]

    def _do_pods(self, name: str, query: dict[str, list[str]]) -> tuple[int, Tree]:
        if name:
            found = [pod.describe() for pod in self.pods if pod.name == name]
            return (200, found[0]) if found else (404, _status(404, f"pods {name!r} not found"))
        (selector,) = query.get("labelSelector", [""])
        key, _, wanted = selector.partition("=")
        pods = [pod.describe() for pod in self.pods]
        items = [pod for pod in pods if pod["metadata"]["labels"].get(key) == wanted]
        return 200, {"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": items}

    def _create(self, body: Tree) -> tuple[int, Tree]:
        name = body["metadata"]["name"]
        if name in self.sets:
            return 409, _status(409, f"jobsets {name!r} already exists")
        if self.schema is not None:
            import jsonschema

            jsonschema.validate(body, self.schema)
        for rule in body["spec"].get("failurePolicy", {}).get("rules", ()):
            if not _RULE.match(rule["name"]):
                return 403, _status(403, f"admission webhook denied: invalid failure policy rule name '{rule['name']}'")
        made = copy.deepcopy(body)
        made["metadata"] |= {"uid": uuid.uuid4().hex, "namespace": NAMESPACE}
        made["status"] = {"restarts": 0, "conditions": []}
        self.made.append(body)
        self.sets[name] = made
        return 201, made

    @staticmethod
    def _send(request: BaseHTTPRequestHandler, code: int, answer: Tree) -> None:
        content = json.dumps(answer).encode()
        request.send_response(code)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def _stream(self, request: BaseHTTPRequestHandler, name: str, stamped: bool) -> None:
        with self._lock:
            pod = next((each for each in self.pods if each.name == name), None)
        if pod is None:
            return self._send(request, 404, _status(404, f"pods {name!r} not found"))
        is_cut = self.cut_streams > 0
        self.cut_streams -= is_cut
        request.send_response(200)
        request.send_header("Content-Type", "text/plain")
        request.send_header("Connection", "close")
        request.end_headers()
        request.close_connection = True
        number, rest = 0, b""
        with pod.log.open("rb") as file:
            while True:
                is_over = pod.process is None or pod.process.poll() is not None or self._ended.is_set()
                if content := file.read():
                    *lines, rest = (rest + content).split(b"\n")
                    for line in lines:
                        request.wfile.write(_stamp(number) * stamped + line + b"\n")
                        number += 1
                    request.wfile.flush()
                    if is_cut:
                        # In the middle of the next line, and without a word.
                        request.wfile.write(_stamp(number) * stamped + b"half of")
                        return None
                elif is_over:
                    request.wfile.write((_stamp(number) * stamped + rest) if rest else b"")
                    return None
                else:
                    time.sleep(0.05)

    def fail_all(self) -> None:
        """Ends all sets as their deadline does."""
        with self._lock:
            for name, each in self.sets.items():
                self._stop([pod for pod in self.pods if pod.of == name])
                each["status"]["conditions"] = [_condition("Failed", "DeadlineExceeded", f"{name} took too long")]

    # The controller and the kubelet.

    def _control(self) -> None:
        while not self._ended.wait(0.05):
            with self._lock:
                for name, each in list(self.sets.items()):
                    if not each["status"]["conditions"]:
                        self._reconcile(name, each)

    def _reconcile(self, name: str, each: Tree) -> None:
        pods = [pod for pod in self.pods if pod.of == name]
        if not pods:
            self._make_pods(name, each)
            return
        codes = [pod.process.poll() if pod.process else None for pod in pods]
        job = each["spec"]["replicatedJobs"][0]["template"]["spec"]
        if any(codes):
            refused = 2 in codes and job["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"] == [2]
            if refused or each["status"]["restarts"] >= each["spec"]["failurePolicy"]["maxRestarts"]:
                self._stop(pods)
                each["status"]["conditions"] = [
                    _condition("Failed", "FailedJobs", f"jobset failed due to {name}-worker-0")
                ]
                return
            each["status"]["restarts"] += 1
            self._remove_pods(name)
            self.restarted()
        elif all(code == 0 for code in codes):
            each["status"]["conditions"] = [
                _condition("Completed", "AllJobsCompleted", "jobset completed successfully")
            ]

    def _make_pods(self, name: str, each: Tree) -> None:
        job = each["spec"]["replicatedJobs"][0]["template"]["spec"]
        (container,) = job["template"]["spec"]["containers"]
        given = {entry["name"]: entry.get("value", "") for entry in container["env"]}
        # One machine: the names of pods are ports here, ten of them in a row.
        given["AGNEWS_HOST"] = f"127.0.0.1:{_free_ten()}{{index}}"
        for index in range(job["completions"]):
            log = Path(tempfile.mkstemp(dir=self.folder, prefix=f"{name}-{index}-")[1])
            environment = {**os.environ, **given, "JOB_COMPLETION_INDEX": str(index), "HOSTNAME": f"pod-{index}"}
            _, *rest = container["command"]
            command = [*self.command, rest[-1]] if self.command else [sys.executable, *rest]
            process = None
            if self.can_pull:
                with log.open("wb") as output:
                    process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
            pod = f"{name}-worker-0-{index}-{uuid.uuid4().hex[:5]}"
            self.pods.append(Pod(pod, index, name, log, process, each["status"]["restarts"]))

    def _remove_pods(self, name: str) -> None:
        gone = [pod for pod in self.pods if pod.of == name]
        self.pods = [pod for pod in self.pods if pod.of != name]
        self._stop(gone)

    @staticmethod
    def _stop(pods: Sequence[Pod]) -> None:
        for pod in pods:
            if pod.process and pod.process.poll() is None:
                pod.process.send_signal(signal.SIGTERM)
        for pod in pods:
            if pod.process:
                try:
                    pod.process.wait(20)
                except subprocess.TimeoutExpired:
                    pod.process.kill()
                    pod.process.wait()


def _free_ten() -> int:
    """Returns a number to which a digit is added."""
    import random

    while True:
        tens = random.randint(2000, 3200)
        try:
            for index in range(10):
                with socket.create_server(("127.0.0.1", 10 * tens + index)):
                    pass
        except OSError:
            continue
        return tens


def _stamp(number: int) -> bytes:
    return f"2026-01-01T00:00:{number // 1000:02}.{number % 1000 * 10**6:09}Z ".encode()


def _resource(path: str) -> str:
    return "jobsets" if path.startswith(_SETS) else "pods"


def _condition(kind: str, reason: str, message: str) -> Tree:
    return {
        "type": kind,
        "status": "True",
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }


def _status(code: int, message: str) -> Tree:
    return {"apiVersion": "v1", "kind": "Status", "code": code, "message": message, "status": "Failure", "metadata": {}}
