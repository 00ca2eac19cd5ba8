"""What is seen of the pods of a training while it runs: their logs, how each ended, why one does not start."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from agnews.components.training.stop_signal import TERMINATED, WENT_AWAY
from agnews.kubeflow.log_lines import REFUSED, find_lines
from agnews.kubeflow.worker_pods.cluster import Cluster, pod_index, pod_start
from agnews.kubeflow.worker_pods.follow_lines import follow_lines
from agnews.schemas.errors import AgnewsError, ExitCode

_LOGGER = logging.getLogger(__name__)

_TAIL = 40
_ENDED = ("Succeeded", "Failed")


@dataclass
class SeenPod:
    """A pod that has run.

    Attributes:
        name: Its name.
        index: Its place; 0 is the chief.
        start: Which start of the set it belongs to, from 0.
        tail: The last lines that it printed.
        report: Why it refused, if it has said so.
        exit_code: What its container ended with, once it has.
        reason: What Kubernetes says to that, `OOMKilled` for example.
        ended_at: When it was seen to have ended, for the order.
    """

    name: str
    index: int
    start: int
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=_TAIL))
    report: dict[str, Any] = field(default_factory=dict)
    exit_code: int | None = None
    reason: str = ""
    ended_at: float = 0.0


class PodWatch:
    """Follows the pods of a set. A restart deletes them, so what they print is taken while they run.

    Args:
        cluster: Where they are.
        name: Of the set.
    """

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._cluster = cluster
        self._name = name
        self._seen: dict[str, SeenPod] = {}
        self._threads: list[threading.Thread] = []
        self._last_start = 0
        self.were_all_running = False

    def look(self, workers: int) -> list[str]:
        """Looks at the pods that there are.

        Args:
            workers: How many there should be.

        Returns:
            Why those do not run that have not begun yet, a line each.
        """
        waiting = []
        running = 0
        for pod in self._cluster.pods(self._name):
            self._last_start = max(self._last_start, pod_start(pod))
            if pod.status.phase in ("Running", *_ENDED):
                running += 1
                self._follow(pod)
                self._note_end(pod)
            else:
                waiting.append(f"{pod.metadata.name}: {_why_not(pod)}")
        self.were_all_running = self.were_all_running or running >= workers
        return waiting if waiting or running else ["no pod has been made yet"]

    def _follow(self, pod: Any) -> None:
        if pod.metadata.uid in self._seen:
            return
        seen = SeenPod(pod.metadata.name, pod_index(pod), pod_start(pod))
        self._seen[pod.metadata.uid] = seen
        _LOGGER.info("Pod %s has begun%s", seen.name, " (the chief)" if seen.index == 0 else "")
        thread = threading.Thread(target=self._read_log, args=(seen,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _read_log(self, seen: SeenPod) -> None:
        for line in follow_lines(self._cluster, seen.name, lambda: seen.exit_code is not None):
            if line.startswith(REFUSED):
                for report in find_lines(line, REFUSED):
                    seen.report = report
                continue
            seen.tail.append(line)
            if seen.index == 0:
                print(line, file=sys.stderr, flush=True)  # noqa: T201 - the log of the step is that of its chief

    def _note_end(self, pod: Any) -> None:
        seen = self._seen[pod.metadata.uid]
        for status in pod.status.container_statuses or ():
            ended = status.state.terminated if status.state else None
            if ended is not None and seen.exit_code is None:
                seen.exit_code, seen.reason, seen.ended_at = ended.exit_code, ended.reason or "", time.monotonic()
                _LOGGER.info("Pod %s has ended with %d (%s)", seen.name, ended.exit_code, seen.reason)

    def wait_for_logs(self, seconds: float = 5.0) -> None:
        """Lets what was printed last arrive."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def explain(self, said: str) -> AgnewsError:
        """Finds the pod of the last start that failed by itself, and prints the end of its log.

        Args:
            said: What the set says of its end.

        Returns:
            Its error, where it has said one.
        """
        failed = [each for each in self._seen.values() if each.report or each.exit_code]
        last = [each for each in failed if each.start == self._last_start]
        if not last:
            before = [each for each in failed if each.start == max(each.start for each in failed)]
            earlier = (
                f"; an earlier start failed so: {_error_of(min(before, key=_how_telling), said).problem}"
                if before
                else ""
            )
            return AgnewsError(
                "The pods of this training failed, and none has said why.",
                found=f"{said}{earlier}",
                fix=f"kubectl describe {self._name} and its events; run again: training goes on at its last backup.",
                exit_code=ExitCode.FAILED,
            )
        first = min(last, key=_how_telling)
        if first.index != 0:
            print(f"The end of the log of {first.name}:", *first.tail, sep="\n", file=sys.stderr)  # noqa: T201
        return _error_of(first, said)


def _error_of(pod: SeenPod, said: str) -> AgnewsError:
    if pod.report:
        report = pod.report
        return AgnewsError(
            report["problem"], found=report["found"], fix=report["fix"], exit_code=ExitCode(report["exit_code"])
        )
    memory = pod.reason == "OOMKilled"
    return AgnewsError(
        f"The pod {pod.name} of this training ended with {pod.exit_code}"
        + (f" ({pod.reason})." if pod.reason else "."),
        found=next((line for line in reversed(pod.tail) if line.strip()), said)[:400],
        fix=("Its memory_limit in the deployment table is too low. " if memory else "The log above says more. ")
        + "Run again: training goes on at its last backup.",
        exit_code=ExitCode.FAILED,
    )


def _how_telling(pod: SeenPod) -> tuple[bool, bool, bool, float]:
    """Refusals first, then what somebody says of itself, then who ended first; least is best."""
    refused = pod.report.get("exit_code") == ExitCode.USAGE
    is_echo = pod.report.get("problem") == WENT_AWAY
    return (not refused, is_echo, not pod.report and pod.exit_code == TERMINATED, pod.ended_at)


def _why_not(pod: Any) -> str:
    for status in pod.status.container_statuses or ():
        if status.state and status.state.waiting and status.state.waiting.reason != "ContainerCreating":
            return f"{status.state.waiting.reason}: {status.state.waiting.message or ''}".strip(": ")
    for condition in pod.status.conditions or ():
        if condition.status == "False" and condition.message:
            return f"{condition.reason}: {condition.message}"
    return str(pod.status.phase)
