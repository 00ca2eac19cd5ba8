"""Follow a run until it ends."""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Callable, Iterator

from agnews.kubeflow.client.kfp_api import KfpApi
from agnews.kubeflow.client.run_record import RunRecord, StepRecord
from agnews.kubeflow.client.server_error import ServerError
from agnews.schemas.errors import AgnewsError


def watch_run(
    api: KfpApi,
    run_id: str,
    on_change: Callable[[RunRecord], None],
    *,
    interval: float = 5.0,
    patience: float = 900.0,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> RunRecord:
    """Asks for a run again and again until it has ended.

    A run takes hours, and a server is restarted now and then: that does not end the watch.

    Args:
        api: The server.
        run_id: The run.
        on_change: Is told each state that was seen.
        interval: Seconds between two questions.
        patience: Seconds that the server may be away.
        sleep: Waits so many seconds.
        clock: Tells the time in seconds.

    Returns:
        The run when it had ended.

    Raises:
        ServerError: If the server refuses, or is away for too long.
    """
    last_answer = clock()
    while True:
        try:
            run = api.get_run(run_id)
        except ServerError as error:
            if not error.may_pass or clock() - last_answer > patience:
                raise
        else:
            last_answer = clock()
            on_change(run)
            if run.finished:
                return run
        sleep(interval)


# Argo puts a template's name into the name of its pod; this is the one in which KFP runs the code of a step.
_TEMPLATE = "system-container-impl"


def read_step_log(api: KfpApi, run: RunRecord, name: str, pod: str = "") -> Iterator[bytes]:
    """Reads the log of a step.

    The server asks Kubernetes for the log of a pod, so it needs the pod's name. What it calls `pod_name` is the node of
    the workflow, from which the pod's name is derived with a template in between: each likely name is tried.

    Args:
        api: The server.
        run: The run, with its steps.
        name: Name of the step.
        pod: Name of the pod; empty: find it.

    Returns:
        Pieces of the log.

    Raises:
        AgnewsError: If there is no such step, or the server cannot show its log.
    """
    step = _step(run, name)
    pods = [pod] if pod else [candidate for node in step.pods for candidate in _candidates(node)]
    said: object = "the server names no pod of this step" + (f" (state {step.state})" if step.state else "")
    for candidate in pods:
        pieces = api.read_log(run.run_id, candidate)
        try:
            first = next(pieces, b"")
        except ServerError as error:
            if error.status in (401, 403):
                raise
            said = error.found
            continue
        return _again(first, pieces)
    raise AgnewsError(
        f"The server cannot show the log of {name}.",
        found=said,
        fix="Pods are deleted some time after a run: look at the step in the UI, or, while the pod is there, with "
        f"kubectl logs -c main -l pipeline/runid={run.run_id}; --pod NAME names the pod.",
    )


def _step(run: RunRecord, name: str) -> StepRecord:
    found = next((step for step in run.steps if step.name.lower() == name.lower()), None)
    if found is not None:
        return found
    names = [step.name for step in run.steps]
    close = difflib.get_close_matches(name.lower(), names, n=1)
    raise AgnewsError(
        f"The run has no step {name} so far.",
        found=f"it has {', '.join(names) or 'none'}",
        fix=f"Did you mean {close[0]}?" if close else f"See agnews runs show {run.run_id}",
    )


def _candidates(node: str) -> Iterator[str]:
    head, dash, number = node.rpartition("-")
    if dash and re.fullmatch(r"\d+", number) and _TEMPLATE not in node:
        yield f"{head}-{_TEMPLATE}-{number}"
    yield node


def _again(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
