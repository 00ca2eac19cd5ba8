"""The JobSet, or the TrainJob, of one training."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from agnews.kubeflow.worker_pods.pod_contract import PodContract
from agnews.kubeflow.worker_pods.pod_template import CONTAINER

Tree = dict[str, Any]

FINGERPRINT = "agnews-fingerprint"
"""Label: digest of all that decides what is trained, and how."""
QUEUE = "kueue.x-k8s.io/queue-name"
COMMAND = ("python", "-m", "agnews.kubeflow.worker_pods.run_pod")
RUNTIME = "agnews-trainer"
"""Name of the TrainingRuntime that a TrainJob refers to; kubeflow/trainer/training-runtime.yaml."""
WORKERS_VARIABLE, HOST_VARIABLE = "AGNEWS_WORKERS", "AGNEWS_HOST"
"""How many pods there are, and where each is: its name with `{index}` in the place of its number."""
_PORT = 2222
_KEPT_SECONDS = 3600
_REFUSED = 2
"""What a process ends with that would fail again: another start would waste the accelerators once more."""

PLURALS = {
    "jobset": ("jobset.x-k8s.io", "v1alpha2", "jobsets"),
    "trainjob": ("trainer.kubeflow.org", "v1alpha1", "trainjobs"),
}


def set_name(contract: PodContract, fingerprint: str) -> str:
    """Returns the name of the set for a fingerprint."""
    return f"{contract.prefix}-{fingerprint[:10]}"


def build_manifest(contract: PodContract, *, fingerprint: str, task_uri: str, owner: Mapping[str, str] | None) -> Tree:
    """Builds what the cluster is asked for.

    Args:
        contract: The pods.
        fingerprint: Digest of all that decides what is trained, and how.
        task_uri: What each pod is told.
        owner: `name` and `uid` of the step's pod, with which the set goes; None for nobody.

    Returns:
        The object.
    """
    name = set_name(contract, fingerprint)
    group, version, _ = PLURALS[contract.kind]
    labels = {"app.kubernetes.io/managed-by": "agnews", FINGERPRINT: fingerprint[:63]}
    if contract.queue:
        labels[QUEUE] = contract.queue
    metadata: Tree = {"name": name, "labels": labels}
    if owner:
        metadata["ownerReferences"] = [{"apiVersion": "v1", "kind": "Pod", **owner, "controller": True}]
    spec = _jobset(contract, name, task_uri) if contract.kind == "jobset" else _trainjob(contract, name, task_uri)
    kind = {"jobset": "JobSet", "trainjob": "TrainJob"}[contract.kind]
    return {"apiVersion": f"{group}/{version}", "kind": kind, "metadata": metadata, "spec": spec}


def _variables(contract: PodContract, host: str) -> list[Tree]:
    return [
        {"name": WORKERS_VARIABLE, "value": str(contract.workers)},
        {"name": HOST_VARIABLE, "value": f"{host}:{_PORT}"},
    ]


def _jobset(contract: PodContract, name: str, task_uri: str) -> Tree:
    pod = copy.deepcopy(contract.pod)
    (container,) = pod["containers"]
    container["command"] = [*COMMAND, task_uri]
    container["env"] = [*container.get("env", []), *_variables(contract, f"{name}-worker-0-{{index}}.{name}")]
    container["ports"] = [{"name": "tensorflow", "containerPort": _PORT}]
    job: Tree = {
        "completionMode": "Indexed",
        "parallelism": contract.workers,
        "completions": contract.workers,
        # One pod alone cannot go on: TensorFlow's processes are together from their start.
        "backoffLimit": 0,
        "podFailurePolicy": {
            "rules": [
                {
                    "action": "FailJob",
                    "onExitCodes": {"containerName": CONTAINER, "operator": "In", "values": [_REFUSED]},
                }
            ]
        },
        "template": {"metadata": {"labels": {FINGERPRINT: name}}, "spec": pod},
    }
    if contract.deadline_seconds:
        job["activeDeadlineSeconds"] = contract.deadline_seconds
    return {
        "network": {"enableDNSHostnames": True, "publishNotReadyAddresses": True, "subdomain": name},
        "successPolicy": {"operator": "All"},
        "failurePolicy": {
            "maxRestarts": contract.max_restarts,
            "restartStrategy": "BlockingRecreate",
            "rules": [
                {"name": "refused", "action": "FailJobSet", "onJobFailureReasons": ["PodFailurePolicy"]},
                {"name": "tooLate", "action": "FailJobSet", "onJobFailureReasons": ["DeadlineExceeded"]},
            ],
        },
        "ttlSecondsAfterFinished": _KEPT_SECONDS,
        "replicatedJobs": [{"name": "worker", "replicas": 1, "template": {"spec": job}}],
    }


def _trainjob(contract: PodContract, name: str, task_uri: str) -> Tree:
    """The runtime has what a TrainJob has no place for: restarts of all pods, names before they are ready."""
    pod = copy.deepcopy(contract.pod)
    (container,) = pod.pop("containers")
    for key in ("restartPolicy", "terminationGracePeriodSeconds", "automountServiceAccountToken"):
        pod.pop(key)
    if container.get("volumeMounts"):
        pod["containers"] = [{"name": "node", "volumeMounts": container["volumeMounts"]}]
    spec: Tree = {
        "runtimeRef": {"apiGroup": "trainer.kubeflow.org", "kind": "TrainingRuntime", "name": RUNTIME},
        "trainer": {
            "image": container["image"],
            "command": [*COMMAND, task_uri],
            "env": [*container.get("env", []), *_variables(contract, f"{name}-node-0-{{index}}.{name}")],
            "numNodes": contract.workers,
            "resourcesPerNode": container["resources"],
        },
    }
    if contract.deadline_seconds:
        spec["activeDeadlineSeconds"] = contract.deadline_seconds
    if pod:
        patch = {
            "template": {
                "spec": {"replicatedJobs": [{"name": "node", "template": {"spec": {"template": {"spec": pod}}}}]}
            }
        }
        spec["runtimePatches"] = [{"manager": "agnews.io/trainer", "trainingRuntimeSpec": patch}]
    return spec
