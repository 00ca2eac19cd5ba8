"""The variable that gives a process its place among those that train together. TensorFlow is not needed to read it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agnews.schemas.errors import AgnewsError

VARIABLE = "TF_CONFIG"
_EXAMPLE = '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'
_TRAINS = ("chief", "worker")


@dataclass(frozen=True)
class TfConfig:
    """The place of this process among others.

    Attributes:
        workers: Processes that train.
        is_chief: Whether this is the one of them that writes.
        own: HOST:PORT of this process.
        chief: That of the chief.
        others: Those of all but the chief.
    """

    workers: int
    is_chief: bool
    own: str = ""
    chief: str = ""
    others: tuple[str, ...] = ()


def read_tf_config(environment: Mapping[str, str]) -> TfConfig | None:
    """Reads the variable TF_CONFIG.

    Args:
        environment: Variables of the process.

    Returns:
        What it says, or None where it is not set or empty.

    Raises:
        AgnewsError: It is malformed.
    """
    text = environment.get(VARIABLE, "").strip()
    if not text:
        return None
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise _malformed(f"no JSON: {error}", text) from error
    cluster, task = (document.get(key) if isinstance(document, dict) else None for key in ("cluster", "task"))
    if document == {} or cluster == {}:
        return None
    if not isinstance(cluster, dict) or not isinstance(task, dict):
        raise _malformed("it needs the keys `cluster` and `task`", text)
    problem = _problem_of_cluster(cluster) or _problem_of_task(cluster, task)
    if problem:
        raise _malformed(problem, text)
    addresses = [address for each in _TRAINS for address in cluster.get(each, [])]
    return TfConfig(
        workers=len(addresses),
        is_chief=task["type"] == "chief" or ("chief" not in cluster and task["index"] == 0),
        own=cluster[task["type"]][task["index"]],
        chief=addresses[0],
        others=tuple(addresses[1:]),
    )


def _problem_of_cluster(cluster: Mapping[str, Any]) -> str:
    for kind, hosts in cluster.items():
        if not isinstance(hosts, list) or not hosts or not all(isinstance(host, str) and ":" in host for host in hosts):
            return f"cluster.{kind} is no list of HOST:PORT"
    if len({host for hosts in cluster.values() for host in hosts}) != sum(map(len, cluster.values())):
        return "two processes have the same address"
    if unknown := sorted(set(cluster) - set(_TRAINS)):
        return f"cluster.{unknown[0]}: only {' and '.join(_TRAINS)} take part in a training"
    return "there is more than one chief" if len(cluster.get("chief", [])) > 1 else ""


def _problem_of_task(cluster: Mapping[str, Any], task: Mapping[str, Any]) -> str:
    kind, index = str(task.get("type")), task.get("index")
    if kind not in cluster:
        return f"task.type {kind} is none of {', '.join(sorted(cluster))}"
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(cluster[kind]):
        return f"task.index {index} is not within 0 to {len(cluster[kind]) - 1}"
    return ""


def _malformed(reason: str, text: str) -> AgnewsError:
    return AgnewsError(
        f"The variable {VARIABLE} is malformed: {reason}.",
        found=text,
        fix=f"Correct it, or unset it to train in one process. It looks like {_EXAMPLE}",
    )
