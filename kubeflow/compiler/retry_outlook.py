"""What servers make of the retries of a compiled pipeline: it can say how often, and the cluster decides after what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from agnews.kubeflow.compiler.apply_deployment import retry_seconds
from agnews.schemas.deployment import Deployment

_FAILURES = "exit codes, SIGKILL (too little memory), eviction, time-out"
_ERRORS = "a deleted pod (node drained, preempted)"
_TRIED = {"OnFailure": _FAILURES, "OnError": _ERRORS, "Always": f"{_FAILURES}, {_ERRORS}"}
_CONFIG = "templateDefaults.retryStrategy.retryPolicy in workflow-controller-configmap"


@dataclass(frozen=True)
class RetryDefault:
    """What a server retries as it is installed.

    Attributes:
        versions: Which servers.
        policy: Argo's word for it.
    """

    versions: str
    policy: str


DEFAULTS = (RetryDefault("2.17", "OnError"), RetryDefault("2.15, 2.16", "OnFailure"))
"""As seen with the configuration that 2.17.0 brings along, and with that of the versions before."""


def retry_outlook(deployment: Deployment, nodes: tuple[str, ...]) -> Iterator[str]:
    """Says how often steps are tried again, and after what, by version of the server.

    Args:
        deployment: The table.
        nodes: Names of the nodes.

    Yields:
        A line each.
    """
    rows = {node: deployment.row(node) for node in nodes}
    counts = sorted({row.retries or 0 for row in rows.values()})
    if counts == [0]:
        yield "no step is tried again"
        return
    usual = max(counts, key=lambda count: sum((row.retries or 0) == count for row in rows.values()))
    others = [f"{node} {row.retries or 0}" for node, row in rows.items() if (row.retries or 0) != usual]
    longest = max(retry_seconds(row) for row in rows.values() if row.retries)
    yield (
        f"{usual} for each step{' (' + ', '.join(others) + ')' if others else ''}, 30 s apart and doubling, "
        f"up to {timedelta(seconds=longest)} after the first start"
    )
    asked = {row.retry_policy for row in rows.values() if row.retries and row.retry_policy}
    for default in DEFAULTS:
        others_tried = "not " + (_ERRORS if default.policy == "OnFailure" else _FAILURES)
        yield f"{default.versions}: after {_TRIED[default.policy]}; {others_tried}"
        for policy in sorted(asked - {default.policy}):
            yield f"{default.versions}: the table asks for {policy} ({_TRIED[policy]}): set {_CONFIG}: {policy}"
