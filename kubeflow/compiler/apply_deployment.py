"""Writes the deployment table into a compiled pipeline, in one pass over all steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from agnews.kubeflow.compiler.fuse_steps import Step
from agnews.kubeflow.compiler.plan_pods import TRAINER, step_row
from agnews.kubeflow.compiler.shared_container import check_mounts, require_no_token_for_all, step_environment
from agnews.kubeflow.planning.run_parameters import PLAN, TELLING
from agnews.kubeflow.worker_pods.pod_contract import PodContract
from agnews.schemas.deployment import Deployment, NodeDeployment, Volume
from agnews.schemas.errors import AgnewsError
from agnews.schemas.kubernetes_rules import cpus, gigabytes
from agnews.schemas.nodes import NODES

Tree = dict[str, Any]

_FIRST_WAIT = 30
_FACTOR = 2.0
_WEEK = 7 * 24 * 3600


def retry_seconds(row: NodeDeployment) -> int:
    """Says how long after the start of the first attempt another one may begin.

    The server ends a retry that still runs then, and without the field it allows none at all: so it has room for all
    attempts, each as long as it may be, and for the waits between them.

    Args:
        row: The row of the node.
    """
    tries = row.retries or 0
    waits = sum(int(_FIRST_WAIT * _FACTOR**number) for number in range(tries))
    return (tries + 1) * 60 * row.timeout_minutes + waits if row.timeout_minutes else _WEEK


def _retry_policy(row: NodeDeployment) -> Tree:
    return {
        "maxRetryCount": row.retries,
        "backoffDuration": f"{_FIRST_WAIT}s",
        "backoffFactor": _FACTOR,
        "backoffMaxDuration": f"{retry_seconds(row)}s",
    }


def apply_deployment(
    spec: Tree, deployment: Deployment, steps: Sequence[Step], pods: PodContract | None = None
) -> Tree:
    """Gives each executor its resources and environment, each task its retries and its cache.

    Args:
        spec: The pipeline spec; it is changed.
        deployment: The table.
        steps: All of the spec's steps. Nodes that share one have the same row, but for `cache`.
        pods: What does the Trainer's work; None for its step.

    Returns:
        The platform document: what the spec has no place for.

    Raises:
        AgnewsError: The table has a row for a node that is none, or asks for more than its limit.
    """
    # The same table serves runs that make exports, or tell somebody of their end, and runs that do not.
    known = {PLAN, TELLING, *NODES, *(node for step in steps for node in step.nodes)}
    if unknown := sorted(set(deployment.nodes) - known):
        raise AgnewsError(
            "The deployment table has rows for nodes that the pipeline does not have.",
            found=", ".join(unknown),
            fix=f"The nodes are {', '.join(sorted(known))}.",
        )
    require_no_token_for_all(deployment)
    executors, platform = spec["deploymentSpec"]["executors"], {}
    tasks = dict(_tasks(spec))
    for step in steps:
        node, executor = step.nodes[0], f"exec-{step.name}"
        row = step_row(_row(step, deployment), pods if node == TRAINER else None)
        container = executors[executor]["container"]
        container["resources"] = _resources(node, row)
        if env := step_environment(node, row):
            container["env"] = [{"name": name, "value": value} for name, value in env.items()]
        check_mounts(node, row)
        task = tasks[step.name]
        # An empty message is how the server is told not to look into its cache.
        task["cachingOptions"] = {"enableCache": True} if row.cache else {}
        if row.retries:
            task["retryPolicy"] = _retry_policy(row)
        if config := _kubernetes(row, deployment):
            platform[executor] = config
    return {"platforms": {"kubernetes": {"deploymentSpec": {"executors": platform}}}} if platform else {}


def _row(step: Step, deployment: Deployment) -> NodeDeployment:
    """The row of its nodes: cached as a whole only if each of them may be, and with the time of all of them."""
    rows = [deployment.row(node) for node in step.nodes]
    minutes = [row.timeout_minutes for row in rows if row.timeout_minutes]
    timeout = sum(minutes) if len(minutes) == len(rows) else None
    return rows[0].model_copy(update={"cache": all(row.cache for row in rows), "timeout_minutes": timeout})


def _tasks(spec: Tree) -> Iterator[tuple[str, Tree]]:
    for component in (spec["root"], *spec["components"].values()):
        yield from component.get("dag", {}).get("tasks", {}).items()


def _resources(node: str, row: NodeDeployment) -> Tree:
    asked = [str(value) for value in (row.cpu_request, row.cpu_limit, row.memory_request, row.memory_limit)]
    cpu_request, cpu_limit, memory_request, memory_limit = asked
    for kind, request, limit, number in (
        ("cpu", cpu_request, cpu_limit, cpus),
        ("memory", memory_request, memory_limit, gigabytes),
    ):
        if number(request) > number(limit):
            raise AgnewsError(
                f"{node} asks for more {kind} than it may use.",
                found=f"{kind}_request {request}, {kind}_limit {limit}",
                fix=f"Lower nodes.{node}.{kind}_request in the deployment table, or raise the limit.",
            )
    resources: Tree = {
        # Servers before 2.4 read the numbers, later ones the texts.
        "cpuLimit": cpus(cpu_limit),
        "cpuRequest": cpus(cpu_request),
        "memoryLimit": gigabytes(memory_limit),
        "memoryRequest": gigabytes(memory_request),
        "resourceCpuLimit": cpu_limit,
        "resourceCpuRequest": cpu_request,
        "resourceMemoryLimit": memory_limit,
        "resourceMemoryRequest": memory_request,
    }
    if row.accelerator:
        kind, count = row.accelerator.type, str(row.accelerator.count)
        resources["accelerator"] = {"type": kind, "count": count, "resourceType": kind, "resourceCount": count}
    return resources


def _kubernetes(row: NodeDeployment, deployment: Deployment) -> Tree:
    config: Tree = {}
    if row.run_as_user is not None or row.run_as_group is not None:
        config["securityContext"] = _identity(row)
    if row.timeout_minutes:
        config["activeDeadlineSeconds"] = str(60 * row.timeout_minutes)
    if deployment.image_pull_secrets:
        config["imagePullSecret"] = [_named("secret", name) for name in deployment.image_pull_secrets]
    if row.node_selector:
        config["nodeSelector"] = {"labels": dict(sorted(row.node_selector.items()))}
    if row.tolerations:
        config["tolerations"] = [toleration.model_dump(exclude_none=True) for toleration in row.tolerations]
    if row.secret_env:
        config["secretAsEnv"] = [
            {
                **_named("secret", place.secret),
                "keyToEnv": [{"envVar": name, "secretKey": place.key}],
                "optional": False,
            }
            for name, place in sorted(row.secret_env.items())
        ]
    for number, volume in enumerate(row.volumes or ()):
        kind, mount = _mount(number, volume)
        config.setdefault(kind, []).append(mount)
    return config


def _identity(row: NodeDeployment) -> Tree:
    given = {"runAsUser": row.run_as_user, "runAsGroup": row.run_as_group}
    identity: Tree = {name: str(value) for name, value in given.items() if value is not None}
    return identity | ({"runAsNonRoot": True} if row.run_as_user else {})


def _mount(number: int, volume: Volume) -> tuple[str, Tree]:
    """The field of the platform document, and what it gets."""
    if volume.claim:
        mount = {"constant": volume.claim, **_parameter("pvcName", volume.claim), "mountPath": volume.path}
        return "pvcMount", mount | ({"subPath": volume.sub_path} if volume.sub_path else {})
    if volume.secret:
        return "secretAsVolume", {**_named("secret", volume.secret), "mountPath": volume.path, "optional": False}
    if volume.config_map:
        mount = {**_named("configMap", volume.config_map), "mountPath": volume.path, "optional": False}
        return "configMapAsVolume", mount
    mount = {"volumeName": f"scratch-{number}", "mountPath": volume.path, "sizeLimit": volume.scratch}
    return "emptyDirMounts", mount | ({"medium": "Memory"} if volume.in_memory else {})


def _named(what: str, name: str) -> Tree:
    return {f"{what}Name": name, **_parameter(f"{what}Name", name)}


def _parameter(what: str, value: str) -> Tree:
    # kfp-kubernetes writes both: older servers read the plain name.
    return {f"{what}Parameter": {"runtimeValue": {"constant": value}}}
