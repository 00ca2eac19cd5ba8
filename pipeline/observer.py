"""What a runner tells about the nodes of a run, and who hears it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agnews.schemas.run_report import NodeState


@dataclass(frozen=True)
class NodeResult:
    """What became of a node.

    Attributes:
        node: Its id.
        state: `done`, `cached` or `failed`.
        seconds: Wall time.
        outputs: URIs of its output artifacts by key; one artifact a key.
        left: Folders of what a failed node has reported before it failed, by key of the output.
    """

    node: str
    state: NodeState
    seconds: float
    outputs: Mapping[str, str] = field(default_factory=dict)
    left: Mapping[str, str] = field(default_factory=dict)


class Observer(Protocol):
    """Hears what happens to each node, in order."""

    def planned(self, nodes: Sequence[str], skipped: Sequence[str]) -> None:
        """The run is about to start; `skipped` nodes will not be visited."""

    def started(self, node: str) -> None:
        """A node starts."""

    def finished(self, result: NodeResult) -> None:
        """A node ended, well or not."""
