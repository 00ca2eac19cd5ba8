"""What Kubernetes is asked for, so that the steps over many rows find a cluster of Flink."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from agnews.schemas.errors import AgnewsError
from agnews.schemas.kubernetes_rules import cpus, gigabytes

Tree = dict[str, Any]

POOL_PORT, JOB_PORT, ARTIFACT_PORT, REST_PORT = 50_000, 8099, 8098, 8081
_VOLUME = "shared"
_USER = 10_001
"""Of our image."""
_BOUND = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
_SECCOMP = {"seccompProfile": {"type": "RuntimeDefault"}}
_FLINK_VERSIONS = ("1.17", "1.18", "1.19", "1.20")
_LONGEST_NAME = 40
"""The operator adds to it, and a name of a Service has 63 characters at most."""


@dataclass(frozen=True)
class FlinkRequest:
    """What is wanted.

    Attributes:
        image: Our image, which workers run.
        claim: Persistent volume claim that steps and workers share; ReadWriteMany.
        path: Where it is mounted.
        name: Of the cluster.
        machines: TaskManagers.
        slots: Of each; as many workers run beside it.
        worker_cpu: Processors of the workers of a TaskManager.
        worker_memory: Memory of the workers of a TaskManager.
        flink_version: Of Flink, 1.19 for example.
        job_server: Image of Beam's job server; None for that of the installed Beam.
    """

    image: str
    claim: str
    path: str = "/mnt/beam"
    name: str = "agnews-flink"
    machines: int = 2
    slots: int = 2
    worker_cpu: str = "2"
    worker_memory: str = "6Gi"
    flink_version: str = "1.19"
    job_server: str | None = None


def flink_manifests(request: FlinkRequest) -> list[Tree]:
    """Builds the documents.

    Args:
        request: What is wanted.

    Returns:
        A FlinkDeployment of the Flink operator, a session cluster with fixed TaskManagers, each with a worker pool
        beside it; the Deployment of Beam's job server and its Service; NetworkPolicies, since neither Flink nor Beam
        asks who it is that sends a program.

    Raises:
        AgnewsError: Something of it cannot be.
    """
    _check(request)
    return [_cluster(request), _job_server(request), _service(request), *_policies(request)]


def table_settings(request: FlinkRequest) -> list[str]:
    """Returns the `settings` of a deployment table whose steps use the cluster."""
    jobs = f"{request.name}-jobs"
    return [
        "beam.runner=flink",
        f"beam.job_endpoint={jobs}:{JOB_PORT}",
        f"beam.flink_master={request.name}-rest:{REST_PORT}",
        f"beam.parallelism={request.machines * request.slots}",
        f"beam.temp_location={request.path}",
        # The job server names the address that it listens at, which is none for others.
        f"beam.options=--artifact_endpoint={jobs}:{ARTIFACT_PORT}",
    ]


def _check(request: FlinkRequest) -> None:
    if request.flink_version not in _FLINK_VERSIONS:
        raise AgnewsError(
            "Beam has no runner for this version of Flink.",
            found=f"--flink-version {request.flink_version}",
            fix=f"Take {', '.join(_FLINK_VERSIONS)}.",
        )
    if len(request.name) > _LONGEST_NAME:
        raise AgnewsError(
            "The name is too long for what the operator makes of it.",
            found=f"{request.name}, {len(request.name)} characters",
            fix=f"Take {_LONGEST_NAME} at most.",
        )
    if not request.path.startswith("/") or request.path == "/":
        raise AgnewsError("The path is none to mount a volume at.", found=request.path, fix="For example /mnt/beam.")
    for number, quantity in ((cpus, request.worker_cpu), (gigabytes, request.worker_memory)):
        try:
            number(quantity)
        except (ValueError, ArithmeticError) as error:
            raise AgnewsError(
                "This is no quantity of Kubernetes.", found=quantity, fix="For example 2 or 6Gi."
            ) from error


def _cluster(request: FlinkRequest) -> Tree:
    settings = {
        "taskmanager.numberOfTaskSlots": str(request.slots),
        # 512 for each result partition, the default, are more than there are.
        "taskmanager.network.sort-shuffle.min-buffers": "16",
        "taskmanager.memory.network.max": "512m",
        # Batch jobs ignore what Beam is told of retries.
        "restart-strategy.type": "fixed-delay",
        "restart-strategy.fixed-delay.attempts": "5",
        "restart-strategy.fixed-delay.delay": "5 s",
    }
    quantities = {"cpu": request.worker_cpu, "memory": request.worker_memory}
    pool = {
        "name": "agnews-worker-pool",
        "image": request.image,
        "command": ["agnews", "beam", "worker-pool", "--port", str(POOL_PORT), "--logs", "/tmp/agnews-workers"],  # noqa: S108
        "resources": {"requests": quantities, "limits": quantities},
        "volumeMounts": [{"name": _VOLUME, "mountPath": request.path}],
        "securityContext": {"runAsNonRoot": True, "runAsUser": _USER, "runAsGroup": _USER, **_BOUND},
    }
    return {
        "apiVersion": "flink.apache.org/v1beta1",
        "kind": "FlinkDeployment",
        "metadata": {"name": request.name, "labels": _labels(request, "flink")},
        "spec": {
            "image": f"flink:{request.flink_version}-java17",
            "flinkVersion": f"v{request.flink_version.replace('.', '_')}",
            # Native clusters have no TaskManager before a job asks for one, so that none could be looked at.
            "mode": "standalone",
            "serviceAccount": "flink",
            "flinkConfiguration": settings,
            "jobManager": {"resource": {"cpu": 1, "memory": "2048m"}},
            "taskManager": {
                "replicas": request.machines,
                "resource": {"cpu": 1, "memory": "2048m"},
                "podTemplate": {
                    "spec": {
                        "securityContext": _SECCOMP,
                        "containers": [{"name": "flink-main-container"}, pool],
                        "volumes": [{"name": _VOLUME, "persistentVolumeClaim": {"claimName": request.claim}}],
                    }
                },
            },
        },
    }


def _job_server(request: FlinkRequest) -> Tree:
    name = f"{request.name}-jobs"
    image = request.job_server or f"apache/beam_flink{request.flink_version}_job_server:{version('apache-beam')}"
    labels = _labels(request, "job-server")
    quantities = {"cpu": "500m", "memory": "2Gi"}
    container = {
        "name": "job-server",
        "image": image,
        "args": [
            f"--flink-master={request.name}-rest:{REST_PORT}",
            "--job-host=0.0.0.0",
            f"--job-port={JOB_PORT}",
            f"--artifact-port={ARTIFACT_PORT}",
            "--expansion-port=8097",
        ],
        "ports": [{"containerPort": JOB_PORT, "name": "jobs"}, {"containerPort": ARTIFACT_PORT, "name": "artifacts"}],
        "readinessProbe": {"tcpSocket": {"port": JOB_PORT}},
        "resources": {"requests": quantities, "limits": quantities},
        "securityContext": _BOUND,
    }
    pod = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": _SECCOMP,
        "containers": [container],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            # Jobs are known to the job server that has taken them.
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def _service(request: FlinkRequest) -> Tree:
    labels = _labels(request, "job-server")
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": f"{request.name}-jobs", "labels": labels},
        "spec": {
            "selector": labels,
            "ports": [{"name": "jobs", "port": JOB_PORT}, {"name": "artifacts", "port": ARTIFACT_PORT}],
        },
    }


def _policies(request: FlinkRequest) -> list[Tree]:
    steps = {"podSelector": {"matchLabels": {"pipelines.kubeflow.org/v2_component": "true"}}}
    # Flink labels its own pods.
    cluster = {"podSelector": {"matchLabels": {"app": request.name}}}
    jobs = {"podSelector": {"matchLabels": _labels(request, "job-server")}}
    operator = {
        "namespaceSelector": {},
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "flink-kubernetes-operator"}},
    }
    ports = [{"port": JOB_PORT}, {"port": ARTIFACT_PORT}]
    return [
        _policy(request, "jobs", jobs, [{"from": [steps, cluster], "ports": ports}]),
        _policy(
            request,
            "cluster",
            cluster,
            [{"from": [cluster, jobs]}, {"from": [steps, operator], "ports": [{"port": REST_PORT}]}],
        ),
    ]


def _policy(request: FlinkRequest, suffix: str, whom: Tree, ingress: list[Tree]) -> Tree:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": f"{request.name}-{suffix}", "labels": _labels(request, "network")},
        "spec": {**whom, "policyTypes": ["Ingress"], "ingress": ingress},
    }


def _labels(request: FlinkRequest, component: str) -> Tree:
    return {
        "app.kubernetes.io/part-of": "agnews",
        "app.kubernetes.io/instance": request.name,
        "app.kubernetes.io/component": component,
    }
