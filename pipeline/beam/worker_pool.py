"""A pool of Beam workers for the machine of an engine: this interpreter, output in files, and it says what it is.

Beam's own starts whatever `python` stands first on PATH, reads none of what its workers print, and knows a worker by a
number that every machine of an engine gives anew, so that two machines at one pool stop each other's workers.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc
from apache_beam.utils import thread_pool_executor

from agnews.pipeline.beam.installation import check_folder, describe_installation
from agnews.schemas.errors import AgnewsError, ExitCode

_LOGGER = logging.getLogger(__name__)

SERVICE = "agnews.WorkerPool"
"""Service of gRPC beside Beam's, at the same address: what `agnews beam doctor` asks."""

_KEPT_LOGS = 50
_PATIENCE_SECONDS = 10.0
_TRIES = 3
_CONNECTED = b"Control channel established"
"""What a worker of Beam logs when it has found the engine."""


@dataclass
class _Worker:
    name: str
    peer: str
    process: subprocess.Popen[bytes]
    log: Path
    request: Any
    tries: int = 1


class WorkerPool(beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolServicer):
    """Starts and stops workers.

    Args:
        logs: Folder for what they print.
        tell: Called with a line for each event.
    """

    def __init__(self, logs: Path, tell: Callable[[str], None]) -> None:
        self._logs = logs
        self._tell = tell
        self._workers: list[_Worker] = []
        self._lock = threading.Lock()
        self._number = 0

    def StartWorker(self, request: Any, context: Any) -> Any:  # noqa: N802 - Beam's name
        """Starts a worker."""
        try:
            worker = self._start(request, context.peer())
        except OSError as error:
            return beam_fn_api_pb2.StartWorkerResponse(error=f"The worker pool cannot start a worker: {error}")
        place = request.control_endpoint.url
        self._tell(f"worker {worker.name} for {place}: process {worker.process.pid}, {worker.log}")
        self._forget_old_logs()
        return beam_fn_api_pb2.StartWorkerResponse()

    def _start(self, request: Any, peer: str, tries: int = 1) -> _Worker:
        with self._lock:
            self._number += 1
            log = self._logs / f"worker-{os.getpid()}-{self._number:05d}.log"
            environment = {
                **os.environ,
                "TF_USE_LEGACY_KERAS": "1",
                "TF_CPP_MIN_LOG_LEVEL": "2",
                "PYTHONUNBUFFERED": "1",
            }
            command = [sys.executable, "-m", "agnews.pipeline.beam.worker_process"]
            arguments = [request.control_endpoint.url, request.worker_id]
            with log.open("wb") as output:
                process = subprocess.Popen(
                    [*command, *arguments], stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment
                )
            worker = _Worker(request.worker_id, peer, process, log, request, tries)
            self._workers.append(worker)
        return worker

    def StopWorker(self, request: Any, context: Any) -> Any:  # noqa: N802 - Beam's name
        """Stops a worker of the machine that asks; where it is not clear which is meant, it ends by itself."""
        with self._lock:
            named = [worker for worker in self._workers if worker.name == request.worker_id]
            meant = [worker for worker in named if worker.peer == context.peer()] or named
            if len(meant) == 1:
                self._workers.remove(meant[0])
        if len(meant) == 1:
            threading.Thread(target=self._end, args=meant, daemon=True).start()
        return beam_fn_api_pb2.StopWorkerResponse()

    def look_after(self) -> None:
        """Tells of workers that have ended by themselves."""
        with self._lock:
            ended = [worker for worker in self._workers if worker.process.poll() is not None]
            for worker in ended:
                self._workers.remove(worker)
        for worker in ended:
            self._tell_end(worker)
            if worker.process.returncode and worker.tries < _TRIES and not _has_connected(worker.log):
                # The engine waits for it without end; of one that was connected it sees the end itself.
                again = self._start(worker.request, worker.peer, worker.tries + 1)
                self._tell(f"worker {again.name}: started again, process {again.process.pid}, {again.log}")

    def close(self) -> None:
        """Ends all workers."""
        with self._lock:
            workers, self._workers = self._workers, []
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            self._end(worker)

    def _end(self, worker: _Worker) -> None:
        worker.process.terminate()
        try:
            worker.process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()
        self._tell(f"worker {worker.name}: process {worker.process.pid} stopped")

    def _tell_end(self, worker: _Worker) -> None:
        status = worker.process.returncode
        how = f"exit code {status}" if status >= 0 else f"killed by signal {-status}"
        last = ""
        if status:
            with suppress(OSError):
                lines = worker.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
                last = f": {lines[-1][:300]}" if lines else ""
        self._tell(f"worker {worker.name}: process {worker.process.pid} ended, {how}{last}")

    def _forget_old_logs(self) -> None:
        logs = sorted(self._logs.glob("worker-*.log"), key=lambda path: path.stat().st_mtime)
        for path in logs[:-_KEPT_LOGS]:
            with suppress(OSError):
                path.unlink()


def serve_workers(address: str, logs: Path, tell: Callable[[str], None], stop: threading.Event) -> None:
    """Runs a pool until it is told to stop.

    Args:
        address: HOST:PORT to listen at; port 0 takes a free one.
        logs: Folder for what workers print; made.
        tell: Called with a line for each event, the first of them with the address.
        stop: Set by whoever wants it to end.

    Raises:
        AgnewsError: The address is taken, or the folder cannot be written.
    """
    try:
        logs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AgnewsError(
            "The folder for logs cannot be made.", found=error, fix="Name another with --logs."
        ) from error
    pool = WorkerPool(logs, tell)
    # One process must not hand out what another one listens at.
    options = [("grpc.so_reuseport", 0), ("grpc.http2.max_pings_without_data", 0), ("grpc.http2.max_ping_strikes", 0)]
    server = grpc.server(thread_pool_executor.shared_unbounded_instance(), options=options)
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(pool, server)
    server.add_generic_rpc_handlers((_questions(),))
    host = address.rpartition(":")[0]
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise AgnewsError(
            "The worker pool cannot listen there.",
            found=f"{address}: {str(error).strip()[:200]}",
            fix="Another program has the port: end it, or name another with --port.",
            exit_code=ExitCode.LOCKED,
        ) from error
    server.start()
    tell(f"listening at {host}:{port}, python {sys.executable}, output of workers in {logs}")
    try:
        while not stop.wait(0.5):
            pool.look_after()
    finally:
        server.stop(1.0).wait(2.0)
        pool.close()


def _has_connected(log: Path) -> bool:
    with suppress(OSError):
        return _CONNECTED in log.read_bytes()
    return False


def _questions() -> grpc.GenericRpcHandler:
    def describe(request: bytes, context: Any) -> bytes:
        del request, context
        return json.dumps(describe_installation()).encode()

    def check(request: bytes, context: Any) -> bytes:
        del context
        return json.dumps(check_folder(**json.loads(request))).encode()

    methods = {"Describe": describe, "CheckFolder": check}
    return grpc.method_handlers_generic_handler(
        SERVICE, {name: grpc.unary_unary_rpc_method_handler(method) for name, method in methods.items()}
    )
