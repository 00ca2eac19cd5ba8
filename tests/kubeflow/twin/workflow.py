"""What Argo makes of a compiled pipeline: nodes, pods, tries, and how they become the rows of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Tree = dict[str, Any]
ENDED = ("done", "cached", "failed", "driver-failed", "omitted", "skipped")
GOOD = ("done", "cached", "skipped")


def node_hash(name: str) -> int:
    """The number in the id of an Argo node: FNV-1a with 32 bits of its name."""
    number = 0x811C9DC5
    for byte in name.encode():
        number = ((number ^ byte) * 0x01000193) & 0xFFFFFFFF
    return number


@dataclass(frozen=True)
class Task:
    """A task of the pipeline spec."""

    name: str
    needs: tuple[str, ...] = ()
    inner: dict[str, Task] | None = None
    policy: Tree | None = None
    hook: bool = False
    """Whether it runs behind what it needs whatever became of that: a hook of that one's node."""


def read_tasks(spec: Tree, dag: Tree | None = None) -> dict[str, Task]:
    """The tasks of a compiled pipeline."""
    spec = spec.get("pipeline_spec", spec)
    tasks = {}
    for name, task in (dag or spec["root"]["dag"])["tasks"].items():
        needs = set(task.get("dependentTasks", []))
        for kind, key in (("artifacts", "taskOutputArtifact"), ("parameters", "taskOutputParameter")):
            for value in task.get("inputs", {}).get(kind, {}).values():
                needs |= {value[key]["producerTask"]} if key in value else set()
        inner = spec["components"][task["componentRef"]["name"]].get("dag")
        below = read_tasks(spec, inner) if inner else None
        hook = task.get("triggerPolicy", {}).get("strategy") == "ALL_UPSTREAM_TASKS_COMPLETED"
        tasks[name] = Task(name, tuple(sorted(needs)), below, task.get("retryPolicy"), hook)
    return tasks


@dataclass
class Progress:
    """How far a task is: waiting, driving, running, or one of ENDED; and the state of the pod of each try."""

    state: str = "waiting"
    tries: list[str] = field(default_factory=list)


@dataclass
class Node:
    """A node of the workflow; its state is None where Argo says Omitted, which the server does not know."""

    name: str
    display_name: str
    state: str | None
    children: list[str] = field(default_factory=list)


_STATES = {"running": "RUNNING", "done": "SUCCEEDED", "failed": "FAILED", "cached": "SUCCEEDED"}


class Workflow:
    """A workflow. `progress` may be set by hand; `tick` moves it on by about ten seconds.

    Args:
        name: Its name.
        tasks: Tasks of the root.
        template_defaults: Whether the controller is configured as 2.17 installs it, which puts a node for retries
            around every template.
    """

    def __init__(self, name: str, tasks: Mapping[str, Task], template_defaults: bool = True) -> None:
        self.name = name
        self.tasks = tasks
        self.template_defaults = template_defaults
        self.root = Progress()
        self.progress = {task.name: Progress() for task in self.all_tasks()}
        self.gone = False
        self.outcomes: dict[str, list[str]] = {}

    def all_tasks(self, tasks: Mapping[str, Task] | None = None) -> Iterator[Task]:
        """Tasks of the root and of all groups."""
        for task in (tasks if tasks is not None else self.tasks).values():
            yield task
            if task.inner:
                yield from self.all_tasks(task.inner)

    @property
    def _z(self) -> str:
        return "(0)" if self.template_defaults else ""

    def pods(self, wanted: str) -> list[str]:
        """Names of the pods of a task, one a try."""
        template = "retry-system-container-impl" if self._task(wanted).policy else "system-container-impl"
        base = f"{self._bases()[wanted]}.{wanted}{self._z}.executor"
        # Without a policy of its own and without defaults the executor is the pod.
        names = [f"{base}({number})" for number in range(len(self.progress[wanted].tries))]
        if not self._task(wanted).policy and not self.template_defaults:
            names = [base] * bool(names)
        return [f"{self.name}-{template}-{node_hash(name)}" for name in names]

    def _task(self, name: str) -> Task:
        return next(task for task in self.all_tasks() if task.name == name)

    def _bases(self) -> dict[str, str]:
        return dict(self._bases_below(f"{self.name}{self._z}.root{self._z}", self.tasks))

    def _bases_below(self, parent: str, tasks: Mapping[str, Task]) -> Iterator[tuple[str, str]]:
        for task in tasks.values():
            yield task.name, f"{parent}.{task.needs[0]}.onExit{self._z}" if task.hook else parent
            yield from self._bases_below(f"{parent}.{task.name}{self._z}", task.inner or {})

    # Nodes

    def nodes(self) -> list[Node]:
        """All nodes that there are by now."""
        self._nodes: list[Node] = []
        state = _STATES.get(self.root.state, "RUNNING")
        _, top = self._double(self.name, self.name, state)
        driver, inner_driver = self._double(
            f"{top.name}.root-driver", "root-driver", "SUCCEEDED" if self.root.state != "driving" else "PENDING"
        )
        top.children.append(driver.name)
        if self.root.state != "driving":
            root, inner = self._double(f"{top.name}.root", "root", state)
            inner_driver.children.append(root.name)
            self._dag(inner, self.tasks)
        return self._nodes

    def _add(self, name: str, display_name: str, state: str | None) -> Node:
        node = Node(name, display_name, state)
        self._nodes.append(node)
        return node

    def _double(self, name: str, display_name: str, state: str) -> tuple[Node, Node]:
        """With defaults of templates there is a node for the retries, and one for the only try."""
        outer = self._add(name, display_name, "RUNNING" if state == "PENDING" and self.template_defaults else state)
        if not self.template_defaults:
            return outer, outer
        inner = self._add(f"{name}(0)", f"{display_name}(0)", state)
        outer.children.append(inner.name)
        return outer, inner

    def _dag(self, parent: Node, tasks: Mapping[str, Task]) -> None:
        outbound: dict[str, Node] = {}
        for task in _in_order(tasks):
            progress = self.progress[task.name]
            if progress.state == "waiting":
                continue
            if task.hook:
                self._add_hook(parent, task, progress, outbound)
                continue
            above = [outbound[name] for name in task.needs if name in outbound] or [parent]
            self._add_task(parent, task, progress, above, outbound)

    def _add_hook(self, parent: Node, task: Task, progress: Progress, outbound: dict[str, Node]) -> None:
        """A hook is a node below that of the task whose end it waits for."""
        name = f"{parent.name}.{task.needs[0]}"
        owner = next((node for node in self._nodes if node.name == name), parent)
        state = {"driving": "RUNNING", "driver-failed": "FAILED"}.get(progress.state) or _STATES[progress.state]
        outer, inner = self._double(f"{name}.onExit", f"{task.needs[0]}.onExit", state)
        owner.children.append(outer.name)
        self._add_task(inner, task, progress, [inner], outbound)

    def _add_task(
        self, parent: Node, task: Task, progress: Progress, above: list[Node], outbound: dict[str, Node]
    ) -> None:
        name, driver_name = f"{parent.name}.{task.name}", f"{parent.name}.{task.name}-driver"
        if progress.state == "omitted":
            driver = inner_driver = self._add(driver_name, f"{task.name}-driver", None)
        else:
            state = {"driving": "PENDING", "driver-failed": "FAILED"}.get(progress.state, "SUCCEEDED")
            driver, inner_driver = self._double(driver_name, f"{task.name}-driver", state)
        for node in above:
            node.children.append(driver.name)
        if progress.state == "driving":
            return
        if progress.state in ("omitted", "driver-failed", "skipped"):
            state = "SKIPPED" if progress.state == "skipped" else None
            outbound[task.name] = self._add(name, task.name, state)
            inner_driver.children.append(name)
            return
        outer, inner = self._double(name, task.name, _STATES[progress.state])
        inner_driver.children.append(outer.name)
        outbound[task.name] = inner
        if task.inner:
            self._dag(inner, task.inner)
            return
        executor = self._add(
            f"{inner.name}.executor", "executor", "SKIPPED" if progress.state == "cached" else _STATES[progress.state]
        )
        inner.children.append(executor.name)
        last = executor
        if not task.policy and not self.template_defaults:
            outbound[task.name] = executor
            return
        for number, state in enumerate(progress.tries):
            last = self._add(f"{executor.name}({number})", f"executor({number})", state)
            executor.children.append(last.name)
        if not self.template_defaults:
            outbound[task.name] = last

    # Time

    @property
    def state(self) -> str:
        """Of the run."""
        return "PENDING" if self.root.state == "waiting" else _STATES.get(self.root.state, "RUNNING")

    def tick(self) -> None:
        """Moves on by one look of the controller."""
        if self.gone or self.root.state in ENDED:
            return
        if self.root.state == "waiting":
            self.root.state = "driving"
            return
        self.root.state = "running"
        self._tick(self.tasks)
        self.root.state = self._sum_up(self.tasks)

    def stop(self) -> None:
        """What a termination leaves."""
        for task in self.all_tasks():
            progress = self.progress[task.name]
            if progress.state == "running":
                progress.state = "failed"
                progress.tries = [state if state in ("SUCCEEDED", "FAILED") else "FAILED" for state in progress.tries]
            elif progress.state == "driving":
                progress.state = "driver-failed"
            elif progress.state == "waiting":
                progress.state = "omitted"
        self.root.state = "failed"

    def retry(self) -> None:
        """Failed tasks and those that follow start anew; what was done stays."""
        for progress in self.progress.values():
            if progress.state in ("failed", "driver-failed", "omitted"):
                progress.state, progress.tries = "waiting", []
        for task in self.all_tasks():
            if task.inner and any(self.progress[name].state in GOOD for name in task.inner):
                self.progress[task.name].state = "running"
            if task.hook:
                self.progress[task.name] = Progress()
        self.gone = False
        self.root.state = "running"

    def _sum_up(self, tasks: Mapping[str, Task]) -> str:
        states = [self.progress[name].state for name in tasks]
        if any(state not in ENDED for state in states):
            return "running"
        return "done" if all(state in GOOD for state in states) else "failed"

    def _tick(self, tasks: Mapping[str, Task]) -> None:
        before = {name: self.progress[name].state for name in tasks}
        for task in tasks.values():
            progress = self.progress[task.name]
            if before[task.name] == "driving":
                self._start(task, progress)
            elif before[task.name] == "running":
                self._go_on(task, progress)
        for task in tasks.values():
            states = [self.progress[name].state for name in task.needs]
            enough = ENDED if task.hook else GOOD
            if self.progress[task.name].state == "waiting" and all(state in enough for state in states):
                self.progress[task.name].state = "driving"
        active = any(self.progress[name].state in ("driving", "running") for name in tasks)
        if not active:
            for name in tasks:
                if self.progress[name].state == "waiting":
                    self.progress[name].state = "omitted"

    def _start(self, task: Task, progress: Progress) -> None:
        outcome = (self.outcomes.get(task.name) or ["done"])[0]
        if outcome in ("skipped", "cached", "driver-failed"):
            progress.state = outcome
        else:
            progress.state = "running"
            progress.tries = [] if task.inner else ["PENDING"]

    def _go_on(self, task: Task, progress: Progress) -> None:
        if task.inner:
            self._tick(task.inner)
            progress.state = self._sum_up(task.inner)
            return
        if progress.tries[-1] == "PENDING":
            progress.tries[-1] = "RUNNING"
            return
        planned = self.outcomes.get(task.name) or ["done"]
        outcome = planned[0]
        if len(planned) > 1:
            planned.pop(0)
        if outcome == "done":
            progress.tries[-1], progress.state = "SUCCEEDED", "done"
            return
        progress.tries[-1] = "FAILED"
        policy = task.policy or {}
        if is_tried_again(outcome, policy, self.template_defaults) and len(progress.tries) <= policy["maxRetryCount"]:
            progress.tries.append("PENDING")
        else:
            progress.state = "failed"


def _in_order(tasks: Mapping[str, Task]) -> list[Task]:
    ordered: list[Task] = []
    while len(ordered) < len(tasks):
        names = {task.name for task in ordered}
        ordered += [t for t in tasks.values() if t.name not in names and set(t.needs) & set(tasks) <= names]
    return ordered


DELETED = "pod deleted"


def is_tried_again(cause: str, policy: Tree, template_defaults: bool) -> bool:
    """Whether Argo starts another try after this: OnError with 2.17's defaults for templates, OnFailure without."""
    if not policy.get("maxRetryCount") or not policy.get("backoffMaxDuration"):
        return False
    return (cause == DELETED) == template_defaults


def count_tries(cause: str, seconds: list[float], policy: Tree, template_defaults: bool) -> int:
    """How often a step is tried that ends each time for the same cause.

    Args:
        cause: `pod deleted`, or anything else.
        seconds: How long each try takes; the last one is that of all further ones.
        policy: `retryPolicy` of the task.
        template_defaults: See `Workflow`.
    """
    if not is_tried_again(cause, policy, template_defaults):
        return 1
    limit, wait = (float(policy[key].removesuffix("s")) for key in ("backoffMaxDuration", "backoffDuration"))
    elapsed, tries = 0.0, 0
    while tries <= policy["maxRetryCount"]:
        tries += 1
        elapsed += seconds[min(tries, len(seconds)) - 1]
        if elapsed > limit:
            break
        elapsed += wait
        wait *= float(policy.get("backoffFactor", 2))
    return tries
