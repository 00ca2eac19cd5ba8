"""Which step of a run failed, and by what: asked of the server, by the step behind all others."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from agnews.kubeflow.client.connection import PREFIX, Authentication, Connection
from agnews.kubeflow.client.kfp_api import KfpApi
from agnews.kubeflow.client.run_tasks import TaskRecord, TaskState
from agnews.kubeflow.client.run_view import LastWords, RunView

_SECRETS = Path("/var/run/secrets")
_HOME = "kubeflow"
"""Where Kubeflow Pipelines is installed, unless Kubernetes says otherwise."""
_PATIENCE, _INTERVAL = 30.0, 3.0
"""Seconds: the server writes the state of a step some seconds after the step has ended."""
_LONGEST = 500
"""Characters of what a step said last."""


@dataclass(frozen=True)
class FailedStep:
    """A step that failed.

    Attributes:
        name: Of the node, or of the step where it runs several and none of them is known to have failed.
        words: What it said last; empty where its log is gone.
    """

    name: str
    words: str


def find_failed_steps(
    run_id: str, *, connection: Connection | None = None, sleep: Callable[[float], None] = time.sleep
) -> tuple[FailedStep, ...]:
    """Asks the server which steps of a run failed.

    Args:
        run_id: The run; it need not have ended.
        connection: The way to the server; None: what this pod can know of it.
        sleep: Waits so many seconds.

    Returns:
        The steps, the one that failed first in front; none where the server knows of none, as where somebody stopped
        the run.

    Raises:
        AgnewsError: The server cannot be reached, or does not let us look.
    """
    view = RunView(api := KfpApi.connect(connection or connection_of_pod()))
    waited = 0.0
    while True:
        run = api.get_run(run_id)
        failed = [task for task in view.tasks(run) if task.state is TaskState.FAILED]
        if failed or run.stopped or run.state == "CANCELING" or waited >= _PATIENCE:
            break
        sleep(_INTERVAL)
        waited += _INTERVAL
    return tuple(_describe(task, view.last_words(run, task)) for task in sorted(failed, key=_end))


def _end(task: TaskRecord) -> float:
    return task.ended_at.timestamp() if task.ended_at else float("inf")


def _describe(task: TaskRecord, words: LastWords) -> FailedStep:
    name = words.node if words.node in task.nodes else task.title
    return FailedStep(name, words.text.removeprefix(f"{name}: ")[:_LONGEST])


def connection_of_pod(environment: Mapping[str, str] = os.environ, secrets: Path = _SECRETS) -> Connection:
    """Puts together what a pod can know of the way to its server; variables AGNEWS_KFP_* go before.

    Args:
        environment: Variables of the process.
        secrets: What Kubernetes has mounted.

    Returns:
        The connection. It gives up within seconds: people wait for the message.

    Raises:
        AgnewsError: A variable is wrong.
    """
    file = secrets / "kubernetes.io" / "serviceaccount" / "namespace"
    namespace = file.read_text(encoding="utf-8").strip() if file.is_file() else ""
    # Kubernetes tells a pod of the services of its own namespace.
    home = namespace if namespace and "ML_PIPELINE_SERVICE_HOST" in environment else _HOME
    known: dict[str, object] = {
        "host": f"http://ml-pipeline.{home}.svc:8888",
        "namespace": namespace or None,
        "connect_timeout": 5.0,
        "read_timeout": 20.0,
        "attempts": 3,
    }
    token = secrets / "kubeflow" / "pipelines" / "token"
    if token.is_file() and not any(f"{PREFIX}{name}" in environment for name in ("TOKEN", "TOKEN_FILE", "COOKIE")):
        known |= {"authentication": Authentication.SERVICE_ACCOUNT, "service_account_file": token}
    own = {key: value for key, value in known.items() if not environment.get(f"{PREFIX}{key.upper()}")}
    return Connection.read(own, environment)
