"""From a row of the deployment table to the pods of a training: the row's keys mean there what they mean for a step."""

from __future__ import annotations

from typing import Any

from agnews.schemas.deployment import Accelerator, Deployment, NodeDeployment, TrainerPods, Volume

Tree = dict[str, Any]

CONTAINER = "trainer"


def pod_template(row: NodeDeployment, pods: TrainerPods, deployment: Deployment, image: str) -> Tree:
    """Returns the `spec` of a pod that trains.

    Args:
        row: The row of the Trainer, with what it inherits.
        pods: What the table says of its pods.
        deployment: The table.
        image: Image of all steps.

    Returns:
        The spec, without a command.
    """
    volumes, mounts = _volumes(row)
    container: Tree = {
        "name": CONTAINER,
        "image": image,
        "resources": _resources(row, pods),
        "env": [*_variables(row)],
        "volumeMounts": mounts,
    }
    pod: Tree = {
        # Another start is the set's business, which starts all of them.
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": pods.grace_seconds,
        "automountServiceAccountToken": False,
        "containers": [container],
        "volumes": volumes,
        "securityContext": _identity(row),
        "nodeSelector": dict(sorted(row.node_selector.items())),
        "tolerations": [each.model_dump(exclude_none=True) for each in row.tolerations or ()],
        "imagePullSecrets": [{"name": name} for name in deployment.image_pull_secrets],
    }
    return {key: value for key, value in pod.items() if value not in ({}, [])}


def _resources(row: NodeDeployment, pods: TrainerPods) -> Tree:
    limits: Tree = {"cpu": row.cpu_limit, "memory": row.memory_limit}
    gpus = pods.gpus if pods.gpus is not None else (row.accelerator.count if row.accelerator else 0)
    if gpus:
        limits[row.accelerator.type if row.accelerator else Accelerator().type] = str(gpus)
    return {"requests": {"cpu": row.cpu_request, "memory": row.memory_request}, "limits": limits}


def _variables(row: NodeDeployment) -> list[Tree]:
    plain: list[Tree] = [{"name": name, "value": value} for name, value in sorted(row.env.items())]
    secret = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": place.secret, "key": place.key}}}
        for name, place in sorted(row.secret_env.items())
    ]
    return plain + secret


def _volumes(row: NodeDeployment) -> tuple[list[Tree], list[Tree]]:
    volumes, mounts = [], []
    for number, volume in enumerate(row.volumes or ()):
        name = f"volume-{number}"
        volumes.append({"name": name, **_source(volume)})
        mount = {"name": name, "mountPath": volume.path}
        mounts.append(mount | ({"subPath": volume.sub_path} if volume.sub_path else {}))
    return volumes, mounts


def _source(volume: Volume) -> Tree:
    if volume.claim:
        return {"persistentVolumeClaim": {"claimName": volume.claim}}
    if volume.secret:
        return {"secret": {"secretName": volume.secret}}
    if volume.config_map:
        return {"configMap": {"name": volume.config_map}}
    empty: Tree = {"sizeLimit": volume.scratch}
    return {"emptyDir": empty | ({"medium": "Memory"} if volume.in_memory else {})}


def _identity(row: NodeDeployment) -> Tree:
    given: Tree = {"runAsUser": row.run_as_user, "runAsGroup": row.run_as_group}
    found = {name: value for name, value in given.items() if value is not None}
    # Files that one pod writes on a shared volume are read by the next.
    group = {"fsGroup": row.run_as_group} if row.run_as_group else {}
    return found | group | ({"runAsNonRoot": True} if row.run_as_user else {})
