"""Several pods for the Trainer: what its step is told of them, and what can be refused before a run."""

from __future__ import annotations

import posixpath

from agnews.kubeflow.worker_pods.build_manifest import build_manifest
from agnews.kubeflow.worker_pods.check_manifest import check_manifest
from agnews.kubeflow.worker_pods.pod_contract import PodContract
from agnews.kubeflow.worker_pods.pod_template import pod_template
from agnews.schemas.deployment import Deployment, NodeDeployment
from agnews.schemas.errors import AgnewsError
from agnews.schemas.run_config import RunConfig
from agnews.schemas.worker_rules import require_workers_fit

TRAINER = "Trainer"
_MINUTE = 60


def plan_pods(config: RunConfig, deployment: Deployment, image: str) -> PodContract | None:
    """Describes the pods.

    Args:
        config: The configuration of the kind of model that a run takes unless it says otherwise.
        deployment: The table.
        image: Image of all steps.

    Returns:
        What the Trainer's step is told of them; None where it works itself.

    Raises:
        AgnewsError: They would do nothing, share no folder, or be refused by the cluster.
    """
    pods, row = deployment.trainer, deployment.row(TRAINER)
    if config.devices.workers > 1:
        raise AgnewsError(
            "devices.workers starts processes on one machine; a compiled Trainer has pods.",
            found=f"devices.workers {config.devices.workers}",
            fix=f"Leave it out, and write `trainer: {{workers: {config.devices.workers}}}` into the deployment table.",
        )
    if pods.workers == 1:
        return None
    require_workers_fit(
        pods.workers,
        kind=config.model.kind,
        devices=config.devices,
        batch_size=config.training.batch_size,
        key="trainer.workers",
    )
    _require_shared(deployment.scratch_uri, row)
    contract = PodContract(
        prefix=config.name,
        workers=pods.workers,
        kind=pods.kind,
        queue=pods.queue,
        max_restarts=pods.max_restarts,
        start_minutes=pods.start_minutes,
        grace_seconds=pods.grace_seconds,
        deadline_seconds=row.timeout_minutes * _MINUTE if row.timeout_minutes else None,
        pod=pod_template(row, pods, deployment, image),
    )
    check_manifest(build_manifest(contract, fingerprint="0" * 32, task_uri="/task.json", owner=None))
    return contract


def _require_shared(scratch_uri: str, row: NodeDeployment) -> None:
    if scratch_uri.startswith("gs://"):
        return
    claims = [posixpath.normpath(volume.path) for volume in row.volumes or () if volume.claim]
    place = posixpath.normpath(scratch_uri)
    if "://" not in scratch_uri and any(place == path or place.startswith(f"{path}/") for path in claims):
        return
    raise AgnewsError(
        "The pods of the Trainer share no folder, through which they find the rows and each other's backup.",
        found=f"scratch_uri {scratch_uri}; claims of nodes.{TRAINER}: {', '.join(claims) or 'none'}",
        fix=f"Mount a claim with access mode ReadWriteMany in the row {TRAINER} (or in defaults), and put scratch_uri "
        "below its path; gs:// works too.",
    )


def step_row(row: NodeDeployment, pods: PodContract | None) -> NodeDeployment:
    """Returns the row of the Trainer's step itself.

    Args:
        row: The row of the node.
        pods: Pods that do its work; with them the step copies files and waits.
    """
    if pods is None:
        return row
    return row.model_copy(
        update={
            "cpu_request": "100m",
            "cpu_limit": "1",
            "memory_request": "1Gi",
            "memory_limit": "3Gi",
            "accelerator": None,
            "node_selector": {},
            "tolerations": (),
        }
    )
