"""A twin of a Kubeflow Pipelines server, spoken to over HTTP, which checks requests against the published API."""

from __future__ import annotations

import gzip
import importlib.util
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twin.listen import listening
from twin.server import Fault, Twin

from agnews.kubeflow.client.connection import Connection
from agnews.kubeflow.client.kfp_api import KfpApi
from agnews.kubeflow.client.retry import Retry

CRDS = "shared/data/crds"
PIPELINE = """\
# PIPELINE DEFINITION
pipelineInfo:
  name: agnews
schemaVersion: 2.1.0
sdkVersion: kfp-2.16.1
components:
  comp-train:
    executorLabel: exec-train
deploymentSpec:
  executors:
    exec-train:
      container:
        image: registry.example/agnews@sha256:0000000000000000000000000000000000000000000000000000000000000000
        command: [python, -m, agnews.kubeflow.entrypoint]
root:
  dag:
    tasks:
      train:
        componentRef: {name: comp-train}
        taskInfo: {name: train}
  inputDefinitions:
    parameters:
      data_uri: {parameterType: STRING}
      epochs: {parameterType: NUMBER_INTEGER, defaultValue: 4.0, isOptional: true}
      rate: {parameterType: NUMBER_DOUBLE, defaultValue: 0.001, isOptional: true}
      force: {parameterType: BOOLEAN, defaultValue: false, isOptional: true}
      names: {parameterType: LIST, isOptional: true}
      more: {parameterType: STRUCT, isOptional: true}
---
platforms:
  kubernetes:
    deploymentSpec:
      executors:
        exec-train: {}
"""


@pytest.fixture(scope="session")
def recordings(repository: Path) -> dict[str, Any]:
    """What a server of 2.17.0 gave, by path; see tests/golden/record_kubeflow_server.py."""
    packed = (repository / "tests/golden/kubeflow_server.json.gz").read_bytes()
    found: dict[str, Any] = json.loads(gzip.decompress(packed))
    return found


@pytest.fixture(scope="session")
def definition(repository: Path) -> Callable[..., dict[str, Any]]:
    """Reads what a custom resource may hold, beside the checkout: `definition(FILE, version=None)`."""

    def read(pattern: str, version: str | None = None) -> dict[str, Any]:
        files = [file for folder in repository.parents for file in (folder / CRDS).glob(pattern)]
        if not files:
            pytest.skip(f"no {pattern} beside the checkout: {CRDS}")
        versions = json.loads(files[0].read_text())["spec"]["versions"]
        found: dict[str, Any] = next(each for each in versions if version in (None, each["name"]))
        closed: dict[str, Any] = _closed(found["schema"]["openAPIV3Schema"])
        return closed

    return read


def _closed(tree: Any) -> Any:
    """An API server drops fields that it does not know, without a word: here they are errors."""
    if isinstance(tree, list):
        return [_closed(each) for each in tree]
    if not isinstance(tree, dict):
        return tree
    made = {key: _closed(value) for key, value in tree.items()}
    if tree.get("x-kubernetes-int-or-string"):
        made.pop("type", None)
    if isinstance(tree.get("properties"), dict) and not tree.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    return made


@pytest.fixture
def server() -> Iterator[Twin]:
    """A running server; at the end no request may have broken the rules of the API."""
    with listening(Twin()) as twin:
        yield twin
    assert twin.broken_rules == []


@pytest.fixture
def pauses() -> list[float]:
    """The pauses between attempts, which tests do not wait for."""
    return []


@pytest.fixture
def retry(pauses: list[float]) -> Retry:
    """Tries again at once, and writes down how long it would have waited."""
    return Retry(attempts=4, sleep=pauses.append, chance=lambda: 1.0)


@pytest.fixture
def connect(server: Twin, retry: Retry) -> Callable[..., KfpApi]:
    """Connects to the server with some settings."""

    def with_settings(**settings: object) -> KfpApi:
        return KfpApi.connect(Connection.read({"host": server.host, **settings}, {}), retry)

    return with_settings


@pytest.fixture
def fault() -> type[Fault]:
    """Makes things that go wrong."""
    return Fault


@pytest.fixture
def pipeline_text() -> str:
    """A compiled pipeline, as YAML."""
    return PIPELINE


@pytest.fixture
def pipeline_file(tmp_path: Path) -> Path:
    """A file with a compiled pipeline."""
    path = tmp_path / "pipeline.yaml"
    path.write_text(PIPELINE, encoding="utf-8")
    return path


@pytest.fixture(scope="session", params=["none", "light"])
def telling(request: pytest.FixtureRequest, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A compiled pipeline whose runs tell of their end."""
    from agnews.kubeflow.compiler.compile_pipeline import compile_pipeline

    script = repository / "tests/golden/record_pipeline.py"
    spec = importlib.util.spec_from_file_location("record_pipeline", script)
    assert spec is not None
    assert spec.loader is not None
    record_pipeline = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(record_pipeline)
    path = tmp_path_factory.mktemp("telling") / "pipeline.yaml"
    path.write_text(compile_pipeline(record_pipeline.golden_request(request.param, record_pipeline.NOTIFY)))
    return path


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests do not depend on the environment of whoever runs them."""
    import os

    for name in [name for name in os.environ if name.startswith("AGNEWS_KFP_")]:
        monkeypatch.delenv(name)
