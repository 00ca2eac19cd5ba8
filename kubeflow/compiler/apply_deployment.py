"""Writes the deployment table into a compiled pipeline, in one pass over all steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agnews.schemas.deployment import Deployment, NodeDeployment
from agnews.schemas.errors import AgnewsError

_FACTORS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def cpus(quantity: str) -> float:
    """Returns `500m` as 0.5."""
    return float(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)


def gigabytes(quantity: str) -> float:
    """Returns `2Gi` as 2.147483648."""
    for suffix, factor in _FACTORS.items():
        if quantity.endswith(suffix):
            return float(quantity.removesuffix(suffix)) * factor / 1e9
    return float(quantity) / 1e9


Tree = dict[str, Any]

_BACK_OFF = {"backoffDuration": "30s", "backoffFactor": 2.0, "backoffMaxDuration": "600s"}


def apply_deployment(spec: Tree, deployment: Deployment, nodes: Mapping[str, str]) -> Tree:
    """Gives each executor its resources and environment, each task its retries and its cache.

    Args:
        spec: The pipeline spec; it is changed.
        deployment: The table.
        nodes: Name of the node by name of the step, `news-example-gen` for example; all of the spec's steps.

    Returns:
        The platform document: what the spec has no place for.

    Raises:
        AgnewsError: The table has a row for a node that is none, or asks for more than its limit.
    """
    unknown = sorted(set(deployment.nodes) - set(nodes.values()))
    if unknown:
        raise AgnewsError(
            "The deployment table has rows for nodes that the pipeline does not have.",
            found=", ".join(unknown),
            fix=f"The nodes are {', '.join(sorted(nodes.values()))}.",
        )
    executors, platform = spec["deploymentSpec"]["executors"], {}
    tasks = dict(_tasks(spec))
    for step, node in nodes.items():
        row = deployment.row(node)
        executor = f"exec-{step}"
        container = executors[executor]["container"]
        container["resources"] = _resources(node, row)
        if row.env:
            container["env"] = [{"name": name, "value": value} for name, value in sorted(row.env.items())]
        task = tasks[step]
        # An empty message is how the server is told not to look into its cache.
        task["cachingOptions"] = {"enableCache": True} if row.cache else {}
        if row.retries:
            task["retryPolicy"] = {"maxRetryCount": row.retries, **_BACK_OFF}
        if config := _kubernetes(row, deployment):
            platform[executor] = config
    return {"platforms": {"kubernetes": {"deploymentSpec": {"executors": platform}}}} if platform else {}


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
        if volume.claim:
            mount = {"constant": volume.claim, **_parameter("pvcName", volume.claim), "mountPath": volume.path}
            config.setdefault("pvcMount", []).append(mount | ({"subPath": volume.sub_path} if volume.sub_path else {}))
        elif volume.secret:
            mount = {**_named("secret", volume.secret), "mountPath": volume.path, "optional": False}
            config.setdefault("secretAsVolume", []).append(mount)
        elif volume.config_map:
            mount = {**_named("configMap", volume.config_map), "mountPath": volume.path, "optional": False}
            config.setdefault("configMapAsVolume", []).append(mount)
        else:
            mount = {"volumeName": f"scratch-{number}", "mountPath": volume.path, "sizeLimit": volume.scratch}
            config.setdefault("emptyDirMounts", []).append(mount | ({"medium": "Memory"} if volume.in_memory else {}))
    return config


def _named(what: str, name: str) -> Tree:
    return {f"{what}Name": name, **_parameter(f"{what}Name", name)}


def _parameter(what: str, value: str) -> Tree:
    # kfp-kubernetes writes both: older servers read the plain name.
    return {f"{what}Parameter": {"runtimeValue": {"constant": value}}}
