"""A cluster of Flink, held to the definition of its operator and to what the steps are told of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from typer.testing import CliRunner

from agnews.kubeflow.flink.build_manifests import FlinkRequest, flink_manifests, table_settings
from agnews.pipeline.beam.beam_arguments import beam_arguments
from agnews.pipeline.cli.main import app
from agnews.pipeline.load_execution import load_execution
from agnews.schemas.errors import AgnewsError

REQUEST = FlinkRequest("registry.example/agnews:1", "news", machines=3, slots=2)


def test_the_cluster_is_what_the_definition_of_its_operator_takes(definition: Callable[..., dict[str, Any]]) -> None:
    resource = definition("flinkdeployment-*.json")["properties"]["spec"]
    jsonschema.validate(flink_manifests(REQUEST)[0]["spec"], resource)


def test_job_server_and_service_are_what_kubernetes_takes() -> None:
    for document in flink_manifests(REQUEST)[1:]:
        kubernetes_validate.validate(document, "1.34", strict=True)


def test_only_steps_and_the_operator_reach_what_runs_any_program() -> None:
    cluster, jobs, _, *policies = flink_manifests(REQUEST)
    selected = [policy["spec"]["podSelector"]["matchLabels"] for policy in policies]
    pod = jobs["spec"]["template"]
    assert selected[0].items() <= pod["metadata"]["labels"].items()
    # The operator gives Flink's pods the name of the cluster.
    assert selected[1] == {"app": cluster["metadata"]["name"]}
    for policy in policies:
        assert policy["spec"]["policyTypes"] == ["Ingress"]
        assert all(rule["from"] for rule in policy["spec"]["ingress"])
    pool = cluster["spec"]["taskManager"]["podTemplate"]["spec"]["containers"][1]
    for container in (pool, pod["spec"]["containers"][0]):
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert pool["securityContext"]["runAsNonRoot"] is True
    assert pod["spec"]["automountServiceAccountToken"] is False


def test_each_taskmanager_has_a_pool_of_its_own_and_the_volume() -> None:
    cluster, _, service, *_ = flink_manifests(REQUEST)
    pod = cluster["spec"]["taskManager"]["podTemplate"]["spec"]
    pool = next(container for container in pod["containers"] if container["name"] == "agnews-worker-pool")
    assert pool["image"] == REQUEST.image
    assert pool["command"][:3] == ["agnews", "beam", "worker-pool"]
    # It listens at localhost, and no Service leads to it.
    assert "--host" not in pool["command"]
    assert all(port["port"] != 50_000 for port in service["spec"]["ports"])
    assert pool["volumeMounts"][0]["mountPath"] == REQUEST.path
    assert pod["volumes"][0]["persistentVolumeClaim"]["claimName"] == "news"
    settings = cluster["spec"]["flinkConfiguration"]
    assert settings["taskmanager.network.sort-shuffle.min-buffers"] == "16"
    assert settings["restart-strategy.type"] == "fixed-delay"


def test_the_settings_for_the_table_lead_there() -> None:
    config = load_execution(None, table_settings(REQUEST)).beam
    _, jobs, service, *_ = flink_manifests(REQUEST)
    ports = {port["name"]: port["port"] for port in service["spec"]["ports"]}
    assert config.job_endpoint == f"{service['metadata']['name']}:{ports['jobs']}"
    assert f"--artifact_endpoint={service['metadata']['name']}:{ports['artifacts']}" in beam_arguments(config)
    assert config.flink_master is not None
    assert f"--flink-master={config.flink_master}" in jobs["spec"]["template"]["spec"]["containers"][0]["args"]
    assert config.parallelism == 6


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"flink_version": "2.2"}, "no runner for this version"),
        ({"name": "n" * 41}, "too long"),
        ({"path": "beam"}, "none to mount"),
        ({"worker_memory": "much"}, "no quantity"),
        ({"worker_cpu": "two"}, "no quantity"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(AgnewsError, match=said):
        flink_manifests(FlinkRequest(**{"image": "i", "claim": "c", **changes}))


def test_the_command_writes_what_kubectl_takes(tmp_path: Path) -> None:
    file = tmp_path / "flink.yaml"
    words = ["beam", "manifests", "--image", "registry.example/agnews:1", "--claim", "news", "--out", str(file)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    kinds = [document["kind"] for document in yaml.safe_load_all(file.read_text())]
    assert kinds == ["FlinkDeployment", "Deployment", "Service", "NetworkPolicy", "NetworkPolicy"]
    assert "beam.runner=flink" in file.read_text()
