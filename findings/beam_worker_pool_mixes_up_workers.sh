#!/usr/bin/env bash
# An engine asks a pool of Apache Beam for workers, and names them: every TaskManager of Flink begins with 1-1.
#
# Seen with apache-beam 2.77.0: the pool keeps its processes by that name alone. When two machines of an engine share a pool and the
# first is done with its worker, the pool ends the worker of the second, and forgets that of the first.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
uv=${UV:-uv}
"$uv" venv -q --python 3.11 "$work/venv"
"$uv" pip install -q --python "$work/venv/bin/python" "apache-beam==2.77.0" psutil
cd "$work"
cat > surprise.py <<'PYTHON'
import os
import socket
import sys

import apache_beam
import grpc
import psutil
from apache_beam.portability.api import beam_fn_api_pb2 as api
from apache_beam.portability.api import beam_fn_api_pb2_grpc as api_grpc
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer

# The pool starts the `python` that stands first on PATH.
os.environ["PATH"] = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
address, server = BeamFnExternalWorkerPoolServicer.start(use_process=True)
# Engines that take connections and say nothing yet.
engines = [socket.create_server(("localhost", 0)) for _ in range(2)]
machines = [grpc.insecure_channel(address, options=[("machine", number)]) for number in range(2)]
pools = [api_grpc.BeamFnExternalWorkerPoolStub(machine) for machine in machines]
workers = []
for pool, engine in zip(pools, engines):
    request = api.StartWorkerRequest(worker_id="1-1")
    request.control_endpoint.url = f"localhost:{engine.getsockname()[1]}"
    pool.StartWorker(request)
    workers += [child for child in psutil.Process().children() if child not in workers]
pools[0].StopWorker(api.StopWorkerRequest(worker_id="1-1"))
lives = [worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers]
print(f"apache-beam {apache_beam.__version__}: machine 0 stops its worker; that of machine 0 lives: {lives[0]}, of machine 1: {lives[1]}")
for worker in workers:
    if worker.is_running():
        worker.kill()
os._exit(lives != [True, False])
PYTHON
HOME="$work" "$work/venv/bin/python" surprise.py
