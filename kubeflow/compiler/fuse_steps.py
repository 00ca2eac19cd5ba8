"""Which nodes of the pipeline share a container on a cluster."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from agnews.schemas.deployment import Deployment
from agnews.schemas.nodes import NODES

_WHOLE = "run"


def step_name(node: str) -> str:
    """Returns the name of a node as Kubeflow Pipelines writes names: `NewsExampleGen` becomes `news-example-gen`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", node).lower()


@dataclass(frozen=True)
class Step:
    """A task of the compiled pipeline.

    Attributes:
        name: Of the task.
        nodes: Whose executors it runs, in order.
        uncached: Those of them whose results no earlier run may stand in for.
    """

    name: str
    nodes: tuple[str, ...]
    uncached: frozenset[str] = frozenset()

    @property
    def is_fused(self) -> bool:
        """Whether it runs several nodes; their outputs then have names that begin with the node's."""
        return len(self.nodes) > 1

    def output(self, node: str, key: str) -> str:
        """Returns the name of a node's output among those of the step."""
        return f"{step_name(node)}-{key}" if self.is_fused else key


def fuse_steps(nodes: Sequence[str], deployment: Deployment) -> list[Step]:
    """Puts nodes that follow each other into one step.

    Each step is a stretch of the topological order, so that no step can wait for one that waits for it.

    Args:
        nodes: Ids of the pipeline's nodes, in topological order.
        deployment: Says with `fuse` how far to go, and with its rows which nodes need the same.

    Returns:
        The steps, in order. A step of one node has the node's name.
    """

    def kind(node: str) -> tuple[str, str]:
        step = {"none": "", "light": _shared(node), "all": _WHOLE}[deployment.fuse]
        row = deployment.row(node).model_dump_json(exclude={"cache"})
        # Its pods do its work: the step that waits for them needs next to nothing.
        alone = node == "Trainer" and deployment.trainer.workers > 1
        return (step, row) if step and not alone else ("", node)

    stretches = [(name, tuple(stretch)) for (name, _), stretch in groupby(nodes, kind)]
    seen: Counter[str] = Counter()
    steps = []
    for shared, members in stretches:
        name = step_name(members[0])
        if len(members) > 1:
            seen[shared] += 1
            name = shared if seen[shared] == 1 else f"{shared}-{seen[shared]}"
        uncached = frozenset(node for node in members if not deployment.row(node).cache)
        steps.append(Step(name, members, uncached))
    return steps


def _shared(node: str) -> str:
    return NODES[node].step if node in NODES else ""
