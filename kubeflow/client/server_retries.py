"""After what a server tries a step again, as far as its version tells."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_FAILURES = "an exit code, SIGKILL, eviction or a time-out"
_DELETED = "a deleted pod"


def describe_retries(spec: Mapping[str, Any], server_version: str) -> str:
    """Says what becomes of the retries that a compiled pipeline asks for.

    Args:
        spec: The pipeline spec.
        server_version: What the server says of itself; anything that is no version if it was built by hand.

    Returns:
        One line, for people.
    """
    most = max((policy.get("maxRetryCount", 0) for policy in _policies(spec)), default=0)
    if not most:
        return "steps are not tried again by the server"
    version = re.match(r"v?2\.(\d+)", server_version)
    times = f"up to {most} time{'s' * (most != 1)}"
    if version is None:
        return (
            f"steps are tried again {times}: by servers from 2.17 on after {_DELETED} only, by older ones after "
            f"{_FAILURES}, as they are installed"
        )
    after, never = (_DELETED, _FAILURES) if int(version[1]) >= 17 else (_FAILURES, _DELETED)
    return f"a server of {version[0].lstrip('v')} tries a step again {times} after {after}, not after {never}"


def _policies(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    spec = spec.get("pipeline_spec", spec)
    for component in (spec.get("root", {}), *spec.get("components", {}).values()):
        for task in component.get("dag", {}).get("tasks", {}).values():
            if "retryPolicy" in task:
                yield task["retryPolicy"]
