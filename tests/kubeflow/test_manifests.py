"""The manifests, against Kubernetes' published schemas and against each other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from google.protobuf import text_format

from agnews.components.model_server.metrics import Metrics
from agnews.components.model_store.serving_leases import LEASES_FOLDER
from agnews.pipeline.load_execution import load_execution

Document = dict[str, Any]
VERSIONS = ("1.30", "1.34", "1.37")


@pytest.fixture(scope="module")
def documents(repository: Path) -> list[Document]:
    files = sorted((repository / "kubeflow" / "manifests").glob("*.yaml"))
    assert files
    return [document for file in files for document in yaml.safe_load_all(file.read_text())]


def _of(documents: list[Document], kind: str) -> list[Document]:
    return [document for document in documents if document["kind"] == kind]


def _pods(documents: list[Document]) -> dict[str, Document]:
    return {document["metadata"]["name"]: document["spec"]["template"] for document in _of(documents, "Deployment")}


def _server(documents: list[Document]) -> Document:
    container: Document = _pods(documents)["agnews-server"]["spec"]["containers"][0]
    return container


def _containers(documents: list[Document]) -> Iterator[tuple[Document, Document]]:
    for pod in _pods(documents).values():
        for container in pod["spec"]["containers"]:
            yield pod, container


def _selects(selector: Document, labels: Document) -> bool:
    for rule in selector.get("matchExpressions", []):
        assert rule["operator"] == "In"
        if labels.get(rule["key"]) not in rule["values"]:
            return False
    plain = selector if not {"matchLabels", "matchExpressions"} & set(selector) else selector.get("matchLabels", {})
    return all(labels.get(key) == value for key, value in plain.items())


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_every_document(documents: list[Document], version: str) -> None:
    for document in documents:
        kubernetes_validate.validate(document, version, strict=True)


def test_a_field_that_kubernetes_does_not_know_would_be_found(documents: list[Document]) -> None:
    (server, *_) = _of(documents, "Deployment")
    container = server["spec"]["template"]["spec"]["containers"][0]
    broken = {**container, "readynessProbe": container["readinessProbe"]}
    pod = {**server["spec"]["template"], "spec": {**server["spec"]["template"]["spec"], "containers": [broken]}}
    with pytest.raises(kubernetes_validate.ValidationError, match="readynessProbe"):
        kubernetes_validate.validate({**server, "spec": {**server["spec"], "template": pod}}, VERSIONS[0], strict=True)


def test_nobody_is_root_and_nothing_is_written_but_where_a_volume_is(documents: list[Document]) -> None:
    for pod, container in _containers(documents):
        assert pod["spec"]["securityContext"]["runAsNonRoot"]
        assert pod["spec"]["securityContext"]["runAsUser"] > 0
        assert not pod["spec"]["automountServiceAccountToken"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}


def test_limits_probes_and_an_image_that_stays_the_same(documents: list[Document]) -> None:
    for pod, container in _containers(documents):
        for resource in ("cpu", "memory", "ephemeral-storage"):
            assert container["resources"]["requests"][resource]
            assert container["resources"]["limits"][resource]
        ports = {port["name"] for port in container["ports"]}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            (check,) = (container[probe][kind] for kind in ("httpGet", "tcpSocket") if kind in container[probe])
            assert check["port"] in ports
        _, colon, tag = container["image"].rpartition(":")
        assert colon
        assert tag not in ("", "latest")
        assert pod["spec"]["terminationGracePeriodSeconds"] >= 30


def test_no_secret_is_written_down(documents: list[Document]) -> None:
    assert not _of(documents, "Secret")
    for _, container in _containers(documents):
        for variable in container.get("env", []):
            secret = any(word in variable["name"] for word in ("TOKEN", "PASSWORD", "SECRET", "KEY"))
            assert not (secret and "value" in variable), variable["name"]


def test_services_budgets_and_policies_find_their_pods(documents: list[Document]) -> None:
    pods = _pods(documents)
    for name, pod in pods.items():
        (deployment,) = [document for document in _of(documents, "Deployment") if document["metadata"]["name"] == name]
        assert _selects(deployment["spec"]["selector"], pod["metadata"]["labels"])
        ports = {port["name"] for container in pod["spec"]["containers"] for port in container["ports"]}
        (service,) = [
            document
            for document in _of(documents, "Service")
            if _selects(document["spec"]["selector"], pod["metadata"]["labels"])
        ]
        assert {port["targetPort"] for port in service["spec"]["ports"]} == ports
        (budget,) = [
            document
            for document in _of(documents, "PodDisruptionBudget")
            if _selects(document["spec"]["selector"], pod["metadata"]["labels"])
        ]
        assert 0 < budget["spec"]["minAvailable"] < deployment["spec"]["replicas"], "a node must still be drainable"
        (policy,) = [
            document
            for document in _of(documents, "NetworkPolicy")
            if _selects(document["spec"]["podSelector"], pod["metadata"]["labels"])
        ]
        assert _selects(policy["spec"]["podSelector"], pod["metadata"]["labels"])
        assert ports <= {port["port"] for port in policy["spec"]["ingress"][0]["ports"]}


def test_steps_reach_what_the_launcher_needs_and_nobody_reaches_them(documents: list[Document]) -> None:
    (policy,) = [
        document for document in _of(documents, "NetworkPolicy") if document["metadata"]["name"] == "agnews-steps"
    ]
    # The label that Kubeflow Pipelines' compiler gives to all pods of a run.
    assert _selects(policy["spec"]["podSelector"], {"pipelines.kubeflow.org/v2_component": "true"})
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert policy["spec"]["ingress"] == []
    platform, names, stores = policy["spec"]["egress"]
    assert "ports" not in platform, "metadata, API server and object store have ports of their own"
    assert {(port["port"], port["protocol"]) for port in names["ports"]} == {(53, "UDP"), (53, "TCP")}
    assert 443 in {port["port"] for port in stores["ports"]}
    assert 80 not in {port["port"] for port in stores["ports"]}, "addresses of instances' credentials answer there"


def test_volumes_are_there(documents: list[Document]) -> None:
    claims = {document["metadata"]["name"] for document in _of(documents, "PersistentVolumeClaim")}
    configs = {document["metadata"]["name"]: document["data"] for document in _of(documents, "ConfigMap")}
    for pod, container in _containers(documents):
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
        for volume in volumes.values():
            assert "persistentVolumeClaim" not in volume or volume["persistentVolumeClaim"]["claimName"] in claims
            assert "configMap" not in volume or volume["configMap"]["name"] in configs
        for argument in container.get("args", []):
            if "=/config/" in argument:
                assert argument.rpartition("/")[2] in configs["agnews-tf-serving"]


def test_the_server_is_started_with_options_that_it_has(documents: list[Document]) -> None:
    import typer

    from agnews.pipeline.cli.main import app

    container = _server(documents)
    program, command, *arguments = [*container["command"], *container["args"]]
    assert (program, command) == ("agnews", "serve")
    options = typer.main.get_command(app).commands[command].make_context(command, arguments).params  # type: ignore[attr-defined]
    assert ip_address(options["host"]).is_unspecified, "the loopback of a pod is its own"
    assert options["port"] == container["ports"][0]["containerPort"]
    mounts = [Path(mount["mountPath"]) for mount in container["volumeMounts"]]
    assert Path(options["models"]) in mounts
    assert options["token_file"].parent in mounts
    pod = _pods(documents)["agnews-server"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > options["drain"] + 2 * options["deadline"] + 1


def test_probes_ask_for_what_the_server_has(documents: list[Document]) -> None:
    from agnews.components.model_server.create_app import operation_routes

    paths = {route.path for route in operation_routes(None).routes}  # type: ignore[arg-type, attr-defined]
    probes = [_server(documents)[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness", "liveness")]
    assert probes == ["/readyz", "/readyz", "/healthz"]
    assert set(probes) <= paths


def test_the_volume_is_prepared_for_the_user_of_the_image(repository: Path, documents: list[Document]) -> None:
    user = re.search(r"^USER (\S+)$", (repository / "kubeflow" / "Dockerfile").read_text(), re.MULTILINE)[1]
    (job,) = _of(documents, "Job")
    (prepare,) = job["spec"]["template"]["spec"]["containers"]
    assert f"chown {user} /data/$folder" in prepare["args"][0]
    for pod in _pods(documents).values():
        context = pod["spec"]["securityContext"]
        assert f"{context['runAsUser']}:{context['runAsGroup']}" == user


def test_tensorflow_serving_reads_which_model_to_serve(documents: list[Document]) -> None:
    from tensorflow_serving.config import model_server_config_pb2

    (config,) = [each for each in _of(documents, "ConfigMap") if each["metadata"]["name"] == "agnews-tf-serving"]
    parsed = text_format.Parse(config["data"]["models.config"], model_server_config_pb2.ModelServerConfig())
    (model,) = parsed.model_config_list.config
    # Where the server's own folder of models lies, seen from TensorFlow Serving.
    assert (model.name, model.base_path) == ("agnews", "/models/agnews")
    assert model.model_version_policy.latest.num_versions == 1


def test_alerts_ask_for_counters_that_the_server_has(repository: Path) -> None:
    rules = yaml.safe_load((repository / "kubeflow" / "prometheus" / "serving-rules.yaml").read_text())
    metrics = Metrics()
    metrics.refused.labels("queue").inc()
    metrics.requests.labels("predict", 200).inc()
    page = metrics.page().decode()
    names = {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE ")}
    alerts = [rule for group in rules["groups"] for rule in group["rules"]]
    assert {"AgnewsPointerNotRead", "AgnewsVersionBroken"} <= {rule["alert"] for rule in alerts}
    for rule in alerts:
        for name in re.findall(r"agnews_\w+", rule["expr"]):
            assert name in names, f"{rule['alert']} asks for {name}"
        assert rule["annotations"]["summary"]


def test_who_faces_the_network_writes_no_models_and_keeps_its_lease(documents: list[Document]) -> None:
    for pod, container in _containers(documents):
        for mount in container["volumeMounts"]:
            if mount["name"] != "data":
                continue
            leases = mount["subPath"].endswith(f"/{LEASES_FOLDER}")
            assert mount.get("readOnly", False) is not leases, (pod["metadata"]["labels"], mount)
    command = _server(documents)["command"]
    folder = f"{command[command.index('--models') + 1]}/agnews/{LEASES_FOLDER}"
    assert folder in [mount["mountPath"] for mount in _server(documents)["volumeMounts"]]
    # The system makes folders that are missing as root's.
    (job,) = _of(documents, "Job")
    (prepare,) = job["spec"]["template"]["spec"]["containers"]
    assert f" models/agnews/{LEASES_FOLDER} " in prepare["args"][0]


def test_the_monitor_reads_what_the_patched_server_writes(
    documents: list[Document], repository: Path, tmp_path: Path
) -> None:
    (job,) = _of(documents, "CronJob")
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    # What was told of drift is remembered beside the requests.
    assert not mounts["requests"].get("readOnly")
    assert mounts["models"]["readOnly"]
    claims = {volume["name"]: volume.get("persistentVolumeClaim", {}).get("claimName") for volume in pod["volumes"]}
    assert {claims["requests"], claims["models"]} <= {
        each["metadata"]["name"] for each in _of(documents, "PersistentVolumeClaim")
    }
    patch = yaml.safe_load((repository / "kubeflow" / "patches" / "log-requests.yaml").read_text())
    spec = patch["spec"]["template"]["spec"]
    (server,) = spec["containers"]
    assert spec["volumes"][0]["persistentVolumeClaim"]["claimName"] == claims["requests"]
    (mount,) = server["volumeMounts"]
    args = server["args"]
    assert args[args.index("--log-requests") + 1] == mount["mountPath"]
    before = _server(documents)["args"]
    assert args[: len(before)] == before, "a patch replaces all arguments"
    command = container["command"]
    assert command[command.index("--log") + 1] == mounts["requests"]["mountPath"]
    (name,) = [volume["configMap"]["name"] for volume in pod["volumes"] if volume["name"] == "execution"]
    (held,) = [each["data"] for each in _of(documents, "ConfigMap") if each["metadata"]["name"] == name]
    path = Path(command[command.index("--execution") + 1])
    assert str(path.parent) == mounts["execution"]["mountPath"]
    (tmp_path / path.name).write_text(held[path.name])
    assert load_execution(tmp_path / path.name).notify.on == ("drift",)


def test_the_operator_of_prometheus_finds_the_servers(documents: list[Document], repository: Path) -> None:
    monitor = yaml.safe_load((repository / "kubeflow" / "prometheus" / "service-monitor.yaml").read_text())
    (service,) = [
        each
        for each in _of(documents, "Service")
        if _selects(monitor["spec"]["selector"], each["metadata"].get("labels", {}))
    ]
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
