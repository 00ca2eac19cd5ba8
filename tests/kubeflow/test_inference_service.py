"""The manifest for KServe, against the schema of its custom resource and against the server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from agnews.components.model_server.open_inference_routes import LIVE, READY


@pytest.fixture(scope="module")
def manifest(repository: Path) -> Any:
    return yaml.safe_load((repository / "kubeflow" / "kserve" / "inference-service.yaml").read_text())


@pytest.fixture(scope="module")
def schema(definition: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    return definition("inferenceservice-*.json", "v1beta1")


def test_kserve_takes_it(manifest: Any, schema: Any) -> None:
    schema["properties"]["metadata"] = {"type": "object"}
    problems = [f"{each.json_path}: {each.message}" for each in Draft202012Validator(schema).iter_errors(manifest)]
    assert problems == []
    # The check finds what is wrong: a key that is misspelt, and a value of another type.
    spec = manifest["spec"]["predictor"]
    for changed in ({"minReplica": 2}, {"maxReplicas": "8"}):
        wrong = {**manifest, "spec": {"predictor": {**spec, **changed}}}
        assert list(Draft202012Validator(schema).iter_errors(wrong))


def test_it_is_the_server_of_the_other_manifest_asked_by_the_other_protocol(manifest: Any, repository: Path) -> None:
    documents = yaml.safe_load_all((repository / "kubeflow" / "manifests" / "serving.yaml").read_text())
    (server,) = [
        each["spec"]["template"]["spec"]
        for each in documents
        if each["kind"] == "Deployment" and each["metadata"]["name"] == "agnews-server"
    ]
    pod = manifest["spec"]["predictor"]
    (theirs,), (ours,) = server["containers"], pod["containers"]
    for key in ("command", "args", "resources", "securityContext", "volumeMounts", "image"):
        assert ours[key] == theirs[key], key
    assert {key: pod[key] for key in ("volumes", "securityContext")} == {
        key: server[key] for key in ("volumes", "securityContext")
    }
    probes = {ours[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness", "liveness")}
    assert probes == {LIVE, READY}
    (port,) = ours["ports"]
    assert str(port["containerPort"]) == ours["command"][ours["command"].index("--port") + 1]
