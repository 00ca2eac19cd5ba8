"""The log of a step: where it is, what it ends with, and how to go on reading it."""

from __future__ import annotations

import posixpath
import re
import time
from collections.abc import Callable, Iterator

from agnews.components.storage.files_at import files_at
from agnews.kubeflow.client.kfp_api import KfpApi
from agnews.kubeflow.client.run_record import RunRecord
from agnews.kubeflow.client.run_tasks import TaskRecord, TaskState
from agnews.kubeflow.client.server_error import Failure, ServerError
from agnews.kubeflow.log_lines import NODE, REFUSED, VERDICT, find_lines, node_part
from agnews.schemas.errors import AgnewsError, ExitCode


def read_step_log(api: KfpApi, run: RunRecord, task: TaskRecord, *, number: int = 0, pod: str = "") -> Iterator[bytes]:
    """Reads the log of a try of a step.

    The server gives it by the name of the pod, also after the pod is gone if logs are archived. Where what answers is
    a page before the server, it is read from the store of the artifacts.

    Args:
        api: The server.
        run: The run.
        task: The step.
        number: Which try, from 1; 0: the last one.
        pod: Name of the pod; empty: computed.

    Returns:
        Pieces of the log.

    Raises:
        AgnewsError: The step has no such try, or its log is nowhere.
        ServerError: The server refuses, or cannot be reached.
    """
    if not pod and task.driver and number == 0:
        return _first_of(api, run, task, (task.driver,), 0)
    number = number or len(task.pods)
    if pod:
        return _first_of(api, run, task, (pod,), max(number, 1))
    if not 1 <= number <= len(task.pods):
        raise AgnewsError(f"{task.title} has no log of a try {number or 1}.", found=_tried(task), fix=_elsewhere(run))
    return _first_of(api, run, task, task.pods[number - 1], number)


def _tried(task: TaskRecord) -> str:
    reasons = {
        TaskState.CACHED: "it was answered from the cache: its log is that of the run that made its outputs",
        TaskState.WAITING: "it has not begun",
        TaskState.SKIPPED: "it did not run",
        TaskState.RUNNING: "the server prepares it",
    }
    return reasons.get(task.state, f"tries: {len(task.pods)}") if not task.pods else f"tries: {len(task.pods)}"


def _elsewhere(run: RunRecord) -> str:
    return f"See agnews runs show {run.run_id}"


def _first_of(api: KfpApi, run: RunRecord, task: TaskRecord, pods: tuple[str, ...], number: int) -> Iterator[bytes]:
    said: object = None
    for pod in pods:
        pieces = api.read_log(run.run_id, pod)
        try:
            first = next(pieces, b"")
        except ServerError as error:
            if error.failure is Failure.ELSEWHERE:
                return _from_artifacts(api, run, task, number, error)
            if error.may_pass or error.status in (401, 403):
                raise
            said = error.found
            continue
        return _again(first, pieces)
    raise AgnewsError(
        f"The server has no log of {task.title}.",
        found=said,
        fix="A new pod says nothing yet; one that is gone leaves its log only where Argo archives it. While it is "
        f"there: kubectl logs -c main {pods[0]}",
        exit_code=ExitCode.FAILED,
    )


def part_of(log: bytes, node: str) -> bytes:
    """Returns what one node has written into the log of a step that runs several; all of it where `node` is empty.

    Nothing is taken for a node's that was written before it began, nor a line that is not written to its end.
    """
    if not node:
        return log
    text = log[: log.rfind(b"\n") + 1].decode("utf-8", "replace")
    return node_part(text, node).encode() if find_lines(text, NODE) else b""


def read_node_log(api: KfpApi, run: RunRecord, task: TaskRecord, node: str, *, number: int = 0) -> bytes:
    """Reads what a node has written into the log of a try of its step.

    Args:
        api: The server.
        run: The run.
        task: The step.
        node: A node that it runs.
        number: Which try, from 1; 0: the last one.

    Returns:
        That part of the log.

    Raises:
        AgnewsError: The step has no such try, its log is nowhere, or the node had not begun in it.
        ServerError: The server refuses, or cannot be reached.
    """
    log = b"".join(read_step_log(api, run, task, number=number))
    part = part_of(log, node)
    if not part:
        begun = dict.fromkeys(str(line.get("node")) for line in find_lines(log.decode("utf-8", "replace"), NODE))
        raise AgnewsError(
            f"{node} had not begun in the step {task.name}.",
            found=f"it ran {', '.join(begun)}" if begun else "no node had begun",
            fix=f"The whole log: agnews runs logs {run.run_id} {task.name}",
            exit_code=ExitCode.FAILED,
        )
    return part


def _again(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _from_artifacts(
    api: KfpApi, run: RunRecord, task: TaskRecord, number: int, unreachable: ServerError
) -> Iterator[bytes]:
    """The launcher uploads what a step wrote as its output `executor-logs-N`, with tries counted from 0."""
    root = api.connection.artifacts.rstrip("/")
    if not root:
        raise unreachable
    files = files_at(root)
    found = []
    for pipeline in files.names(root):
        folder = posixpath.join(root, pipeline, run.run_id, task.name)
        for name in files.files_below(folder):
            if posixpath.basename(name) == f"executor-logs-{number - 1}":
                path = posixpath.join(folder, name)
                found.append((files.state(path).changed_ns, path))
    if not found:
        raise AgnewsError(
            f"Neither the server nor the store of the artifacts has a log of {task.title}.",
            found=f"{unreachable.problem} No executor-logs-{number - 1} below {root}/*/{run.run_id}/{task.name}",
            fix="Check AGNEWS_KFP_ARTIFACTS, or give --host the API server itself.",
            exit_code=ExitCode.FAILED,
        )
    # A step that was run again after `:retry` counts its tries from 0 again.
    return files.read(max(found)[1])


_TAIL = 1 << 20


def read_tail(pieces: Iterator[bytes]) -> str:
    """Returns the end of a log as text, at most a mebibyte."""
    tail = b""
    for piece in pieces:
        tail = (tail + piece)[-_TAIL:]
    return tail.decode("utf-8", "replace")


# Lines of KFP's launcher, which speaks last: I1129 01:07:48.100078      45 launcher_v2.go:1230] ExecutorOutput: {
_LAUNCHER = re.compile(r"[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ \w+\.go:\d+\]")


def last_line(log: str) -> str:
    """Returns the last line that says something to people about our code; empty where the log has none."""
    for line in reversed(log.splitlines()):
        if line.strip() and not _LAUNCHER.match(line) and not any(mark in line for mark in (NODE, REFUSED, VERDICT)):
            return line.strip()
    return ""


def follow_step_log(
    api: KfpApi,
    look: Callable[[], tuple[RunRecord, TaskRecord]],
    *,
    node: str = "",
    pod: str = "",
    interval: float = 5.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[bytes]:
    """Reads the log of a step until the step has ended, its further tries too.

    It asks for the log again and shows what is new: an answer that stays open is cut by gateways.

    Args:
        api: The server.
        look: Gives the run and the step as they are now.
        node: What this node writes alone, in a step that runs several; empty: all of it.
        pod: Name of the pod; empty: those of the tries.
        interval: Seconds between two questions.
        sleep: Waits so many seconds.

    Returns:
        Pieces of the log.

    Raises:
        AgnewsError: The step ends without a log.
        ServerError: The server refuses, or cannot be reached.
    """
    shown: dict[int, int] = {}
    first = 0
    while True:
        run, task = look()
        ended = run.finished or task.state not in (TaskState.WAITING, TaskState.RUNNING)
        first = first or len(task.pods)
        last = max(1, len(task.pods))
        for number in range(max(1, first), last + 1):
            try:
                log = part_of(b"".join(read_step_log(api, run, task, number=number, pod=pod)), node)
            except AgnewsError as error:
                if isinstance(error, ServerError) or (ended and not shown):
                    raise
                continue
            if number not in shown and shown:
                yield f"--- try {number}\n".encode()
            yield log[shown.get(number, 0) :]
            shown[number] = len(log)
        if ended:
            return
        sleep(interval)
