"""From the rows of a run, which are nodes of a workflow, to the tasks that were submitted."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import count, pairwise, permutations
from typing import Any

from agnews.kubeflow.client.run_record import RowRecord, RunRecord
from agnews.schemas.errors import AgnewsError
from agnews.schemas.json_text import read_json


@dataclass(frozen=True)
class SpecTask:
    """A task of the compiled pipeline.

    Attributes:
        name: Its name, `news-example-gen` for example.
        nodes: The nodes of our pipeline whose executors it runs, in order.
        groups: Names of the groups that it lies in, the outermost first.
        retried: Whether it has a retry policy of its own, which decides the name of its pods.
        behind: Name of the task that it runs behind whatever became of that, as an exit handler does; empty for others.
    """

    name: str
    nodes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    retried: bool = True
    behind: str = ""


def read_spec_tasks(spec: Mapping[str, Any]) -> tuple[SpecTask, ...]:
    """Lists the tasks of a compiled pipeline in the order in which they can run.

    Args:
        spec: A pipeline spec, or what the server gives back for one.

    Returns:
        Its tasks; groups are replaced by what is in them.
    """
    spec = spec.get("pipeline_spec", spec)
    return tuple(_tasks_below(spec, spec.get("root", {}).get("dag", {}), ()))


def _tasks_below(spec: Mapping[str, Any], dag: Mapping[str, Any], groups: tuple[str, ...]) -> Iterator[SpecTask]:
    tasks = dag.get("tasks", {})
    for name in _in_order(tasks):
        component = spec.get("components", {}).get(tasks[name]["componentRef"]["name"], {})
        if "dag" in component:
            yield from _tasks_below(spec, component["dag"], (*groups, name))
            continue
        executors = spec.get("deploymentSpec", {}).get("executors", {})
        container = executors.get(component.get("executorLabel"), {}).get("container", {})
        nodes, retried = _nodes(container.get("args", [])), "retryPolicy" in tasks[name]
        yield SpecTask(name, nodes, groups, retried, _behind(tasks[name]))


def _behind(task: Mapping[str, Any]) -> str:
    at_any_rate = task.get("triggerPolicy", {}).get("strategy") == "ALL_UPSTREAM_TASKS_COMPLETED"
    return str(next(iter(task.get("dependentTasks", [])), "")) if at_any_rate else ""


def _in_order(tasks: Mapping[str, Any]) -> list[str]:
    ordered: list[str] = []
    left = list(tasks)
    while left:
        ready = [name for name in left if _needs(tasks[name]) & set(left) == set()]
        # A spec that the server took has no circle; one that has is shown as it stands.
        ordered += ready or left
        left = [name for name in left if name not in ordered]
    return ordered


def _needs(task: Mapping[str, Any]) -> set[str]:
    needs = set(task.get("dependentTasks", []))
    for kind, key in (("artifacts", "taskOutputArtifact"), ("parameters", "taskOutputParameter")):
        for value in task.get("inputs", {}).get(kind, {}).values():
            if key in value:
                needs.add(value[key]["producerTask"])
    return needs


def _nodes(arguments: Sequence[str]) -> tuple[str, ...]:
    for option, text in pairwise(arguments):
        if option == "--step":
            return (read_json(text)["node"],)
        if option == "--group":
            return tuple(member["node"] for member in read_json(text)["members"])
    if "--notify" in arguments:
        return ("Notify",)
    return ("Plan",) if "--plan" in arguments else ()


class TaskState(StrEnum):
    """What has become of a task.

    Attributes:
        WAITING: It has not begun.
        RUNNING: The server prepares it, or its pod runs.
        CACHED: The server took the outputs of an earlier run.
        DONE: It ran, and succeeded.
        FAILED: It failed.
        STOPPED: It was cut when the run was stopped.
        SKIPPED: It does not run: what it needs failed, or Plan found nothing to do.
    """

    WAITING = "waiting"
    RUNNING = "running"
    CACHED = "cached"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class TaskRecord:
    """A task of a run.

    Attributes:
        name: Its name in the compiled pipeline.
        nodes: The nodes that it runs.
        state: What has become of it.
        started_at: When it began; None before.
        ended_at: When it ended.
        pods: For each try, names that its pod may have, the likeliest first.
        driver: Name of the pod in which Kubeflow Pipelines prepares it, where that failed.
    """

    name: str
    nodes: tuple[str, ...] = ()
    state: TaskState = TaskState.WAITING
    started_at: datetime | None = None
    ended_at: datetime | None = None
    pods: tuple[tuple[str, ...], ...] = ()
    driver: str = ""

    @property
    def title(self) -> str:
        """Its name for people: that of its node, where it is one."""
        return self.nodes[0] if len(self.nodes) == 1 else self.name

    def shared_node(self, name: str) -> str:
        """Returns the node of this name, in any spelling, where the task runs several; empty for the task itself."""
        if len(self.nodes) < 2 or name == self.name:
            return ""
        return next((node for node in self.nodes if _plain(node) == _plain(name)), "")

    def duration(self, now: datetime) -> timedelta | None:
        """Returns how long it took, until now if it still goes on; None where it did not run."""
        if self.started_at is None or self.state in (TaskState.WAITING, TaskState.CACHED, TaskState.SKIPPED):
            return None
        return (self.ended_at or now) - self.started_at


def tasks_of(run: RunRecord, submitted: Sequence[SpecTask] = ()) -> tuple[TaskRecord, ...]:
    """Says what has become of each task that was submitted.

    The server lists the nodes of Argo's workflow: nameless parents, drivers, tries. They do not say which belong
    together, but the names of children end with a hash of the full name, which can be computed for each task.

    Args:
        run: The run with its rows.
        submitted: The tasks of its version; empty where the server does not have the version any more: then what the
            rows tell.

    Returns:
        A record for each task, in the order of the spec.
    """
    rows = _Rows(run)
    return tuple(rows.describe(task) for task in submitted or rows.guess())


# Template in which KFP runs the code of a step, with a retry policy and without one.
_TEMPLATES = {True: "retry-system-container-impl", False: "system-container-impl"}
_DRIVER = "system-container-driver"
_HIDDEN = re.compile(r"root|executor|.*\(\d+\)|.*-driver")
_STATES = {"SUCCEEDED": TaskState.DONE, "FAILED": TaskState.FAILED, "SKIPPED": TaskState.SKIPPED, "": TaskState.SKIPPED}


def node_hash(name: str) -> int:
    """Returns the number at the end of an Argo node's id: FNV-1a of its name, 32 bits.

    References:
        Fowler, Noll, Vo, http://www.isthe.com/chongo/tech/comp/fnv/
    """
    number = 0x811C9DC5
    for byte in name.encode():
        number = ((number ^ byte) * 0x01000193) & 0xFFFFFFFF
    return number


class _Rows:
    """The rows of a run, asked by name."""

    def __init__(self, run: RunRecord) -> None:
        self._run = run
        self._by_name: dict[str, RowRecord] = {}
        for row in run.rows:
            self._by_name.setdefault(row.name, row)
        self._children = {child for row in run.rows for child in row.children}
        self._workflow = next(iter(self._children), "").rpartition("-")[0]

    def _exists(self, name: str) -> bool:
        return f"{self._workflow}-{node_hash(name)}" in self._children

    def _bases(self, task: SpecTask) -> Iterator[tuple[str, str]]:
        """Full names that the task's node may have, with what its version of the server puts behind each part."""
        # Defaults of templates, as 2.17 brings them along, put a node for retries around each template.
        for mark in ("(0)", ""):
            parts = [f"{part}{mark}" for part in (self._workflow, "root", *task.groups)]
            # A task behind another one is a hook of that one's own node.
            parts += [task.behind, f"onExit{mark}"] if task.behind else []
            yield ".".join((*parts, task.name)), mark

    def _executor(self, task: SpecTask) -> tuple[str, str]:
        found = [(f"{base}{mark}.executor", mark) for base, mark in self._bases(task)]
        return next(((name, mark) for name, mark in found if self._exists(name)), ("", ""))

    def describe(self, task: SpecTask) -> TaskRecord:
        row, driver = self._by_name.get(task.name), self._by_name.get(f"{task.name}-driver")
        state = self._state(row, driver)
        pods = self._pods(task, row)
        if state is TaskState.DONE and not pods:
            state = TaskState.CACHED
        return TaskRecord(
            task.name,
            task.nodes,
            state,
            row.started_at if row else None,
            row.ended_at if row else None,
            pods,
            self._failed_driver(task, driver),
        )

    def _state(self, row: RowRecord | None, driver: RowRecord | None) -> TaskState:
        run = self._run
        failed = TaskState.STOPPED if run.stopped or run.state == "CANCELING" else TaskState.FAILED
        if driver is not None and driver.state == "FAILED":
            return failed
        if row is None:
            if run.finished:
                return TaskState.SKIPPED
            return TaskState.WAITING if driver is None else TaskState.RUNNING
        state = _STATES.get(row.state, TaskState.RUNNING)
        return failed if state is TaskState.FAILED else state

    def _pods(self, task: SpecTask, row: RowRecord | None) -> tuple[tuple[str, ...], ...]:
        executor, mark = self._executor(task)
        if not executor:
            return ()
        names = []
        for number in count():
            if not self._exists(f"{executor}({number})"):
                break
            names.append(f"{executor}({number})")
        if not names and not mark and not task.retried and row is not None and row.started_at != row.ended_at:
            # Without any policy the executor is no node of tries but the pod itself.
            names = [executor]
        templates = [_TEMPLATES[task.retried], _TEMPLATES[not task.retried]]
        return tuple(
            tuple(f"{self._workflow}-{template}-{node_hash(name)}" for template in templates) for name in names
        )

    def _failed_driver(self, task: SpecTask, driver: RowRecord | None) -> str:
        if driver is None or driver.state != "FAILED":
            return ""
        for base, mark in self._bases(task):
            if self._exists(f"{base}-driver"):
                return f"{self._workflow}-{_DRIVER}-{node_hash(f'{base}-driver{mark}')}"
        return ""

    def guess(self) -> list[SpecTask]:
        """The tasks that rows tell of, in the order of their starts."""
        names = [name for name in self._by_name if name and f"{name}-driver" in self._by_name]
        names = [name for name in names if not _HIDDEN.fullmatch(name)]
        tasks = []
        for name in names:
            others = [other for other in names if other != name]
            parents = [(), *((other,) for other in others), *permutations(others, 2)]
            candidates = [SpecTask(name, groups=groups) for groups in parents]
            candidates += [SpecTask(name, behind=other) for other in others]
            tasks.append(next((task for task in candidates if self._has_driver(task)), SpecTask(name)))
        groups = {group for task in tasks for group in task.groups}
        return sorted((task for task in tasks if task.name not in groups), key=lambda task: self._start(task.name))

    def _has_driver(self, task: SpecTask) -> bool:
        return any(self._exists(f"{base}-driver") for base, _ in self._bases(task))

    def _start(self, name: str) -> tuple[float, str]:
        start = self._by_name[f"{name}-driver"].started_at
        return (start.timestamp() if start else 0.0, name)


def find_task(tasks: Iterable[TaskRecord], name: str, run_id: str) -> TaskRecord:
    """Finds a task by its name or by that of a node that it runs, in any spelling.

    Args:
        tasks: Those of the run.
        name: `BaselineModel`, `baseline-model` or `baselinemodel`.
        run_id: The run, for the message.

    Raises:
        AgnewsError: There is none; with the closest names.
    """
    wanted = _plain(name)
    names: dict[str, TaskRecord] = {}
    for task in tasks:
        names |= dict.fromkeys((*task.nodes, task.name), task)
    found = next((task for each, task in names.items() if _plain(each) == wanted), None)
    if found is not None:
        return found
    plain = {_plain(each): each for each in reversed(list(names))}
    close = difflib.get_close_matches(wanted, plain, n=1)
    shown = ", ".join(task.title for task in tasks)
    raise AgnewsError(
        f"The run has no step {name}.",
        found=f"it has {shown or 'none so far'}",
        fix=f"Did you mean {plain[close[0]]}?" if close else f"See agnews runs show {run_id}",
    )


def _plain(name: str) -> str:
    return re.sub(r"[-_ ]", "", name).lower()
