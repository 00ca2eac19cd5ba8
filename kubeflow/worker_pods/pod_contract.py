"""What the compiler tells the Trainer's step about the pods that do its work."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class PodContract(BaseModel):
    """Everything about the pods that is known when the pipeline is compiled."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    prefix: str
    """What their names begin with: the pipeline's."""
    workers: int
    """Pods, the chief among them."""
    kind: Literal["jobset", "trainjob"]
    """What is asked for: a JobSet, or a TrainJob that makes one."""
    queue: str | None = None
    """Queue of Kueue."""
    max_restarts: int
    """How often all pods are started again after one has failed."""
    start_minutes: float
    """How long the chief waits for the others."""
    grace_seconds: int
    """From asking a pod to end until it is killed."""
    deadline_seconds: int | None = None
    """How long they may take in all; null for ever."""
    pod: dict[str, Any]
    """`spec` of their pods, without command and variables that belong to a training."""
