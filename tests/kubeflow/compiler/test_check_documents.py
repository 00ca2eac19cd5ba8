"""What a cluster would refuse, ignore, or answer wrongly from its cache."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from agnews.kubeflow.compiler.check_documents import check_documents, find_secrets, image_problem
from agnews.schemas.errors import AgnewsError

Spec = dict[str, Any]


@pytest.fixture(scope="module")
def golden(repository: Path) -> tuple[Spec, Spec]:
    spec, platform = yaml.safe_load_all((repository / "tests" / "golden" / "pipeline.yaml").read_text())
    return spec, platform


@pytest.fixture
def documents(golden: tuple[Spec, Spec]) -> tuple[Spec, Spec]:
    return copy.deepcopy(golden)


def trainer(spec: Spec) -> Spec:
    executor: Spec = spec["deploymentSpec"]["executors"]["exec-trainer"]
    return executor


def steps(spec: Spec) -> Spec:
    tasks: Spec = spec["components"]["comp-learn-and-push"]["dag"]["tasks"]
    return tasks


def _importer(spec: Spec, platform: Spec) -> None:
    spec["deploymentSpec"]["executors"]["exec-pusher"] = {
        "importer": {"artifactUri": {"constant": "s3://a"}, "typeSchema": {"schemaTitle": "system.Artifact"}}
    }
    steps(spec)["pusher"]["triggerPolicy"] = {"condition": "true"}


def _stock_example_gen(spec: Spec, platform: Spec) -> None:
    trainer(spec)["container"]["lifecycle"] = {"preCacheCheck": {"command": ["python"]}}


def _replace(*path: str, by: Any) -> Callable[[Spec, Spec], None]:
    def change(spec: Spec, platform: Spec) -> None:
        place = {"spec": spec, "platform": platform}[path[0]]
        for key in path[1:-1]:
            place = place[key]
        place[path[-1]] = by

    return change


EXECUTORS = ("spec", "deploymentSpec", "executors")
TRAINER = (*EXECUTORS, "exec-trainer", "container")
TASKS = ("spec", "components", "comp-learn-and-push", "dag", "tasks")


@pytest.mark.parametrize(
    ("change", "problem", "found"),
    [
        (_replace("spec", "schemaVersion", by="2.0.0"), "takes schemaVersion 2.1.0 only", "schemaVersion: 2.0.0"),
        (
            _replace(*EXECUTORS, "exec-trainer", by={"resolver": {}}),
            "does not run resolvers",
            "deploymentSpec.executors.exec-trainer: resolver",
        ),
        (
            _replace(*EXECUTORS, "exec-trainer", by={"customJob": {}}),
            "does not run resolvers",
            "deploymentSpec.executors.exec-trainer: customJob",
        ),
        (_stock_example_gen, "does not run resolvers", "exec-trainer.container.lifecycle: preCacheCheck"),
        (_replace("spec", "jobLabels", by={}), "fields that the server does not know", "jobLabels"),
        (_importer, "a condition on an importer is ignored", "tasks.pusher.triggerPolicy.condition: true"),
        (
            _replace(*TASKS, "trainer", "inputs", "parameters", "run_fn", by={"componentInputParameter": "nobody"}),
            "inputs must be constants",
            "comp-learn-and-push.dag.tasks.trainer.inputs.parameters.run_fn: {'componentInputParameter': 'nobody'}",
        ),
        (
            # What TFX writes for a value of another node.
            _replace(
                *TASKS,
                "trainer",
                "inputs",
                "parameters",
                "run_fn",
                by={"taskOutputParameter": {"producerTask": "transform_task", "outputParameterKey": "value"}},
            ),
            "inputs must be constants",
            "tasks.trainer.inputs.parameters.run_fn",
        ),
        (
            _replace(*TASKS, "trainer", "inputs", "artifacts", by={}),
            "inputs must be constants",
            "tasks.trainer.inputs.artifacts.examples: missing",
        ),
        (_replace(*TRAINER, "image", by="agnews:latest"), "may change under its name", "exec-trainer.container.image"),
        (
            _replace(*TRAINER, "resources", "resourceMemoryLimit", by=""),
            "without requests and limits",
            "exec-trainer.container.resources: no resourceMemoryLimit",
        ),
        (
            _replace("platform", "platforms", "kubernetes", "deploymentSpec", "executors", by={"exec-nobody": {}}),
            "platform document",
            "exec-nobody: the pipeline has no such executor",
        ),
        (
            _replace(
                "platform", "platforms", "kubernetes", "deploymentSpec", "executors", by={"exec-trainer": {"gpus": 1}}
            ),
            "fields that the server does not know",
            "exec-trainer",
        ),
        (
            _replace(*TRAINER, "env", by=[{"name": "AWS_SECRET_ACCESS_KEY", "value": "abc"}]),
            "looks like a secret",
            "deploymentSpec.executors.exec-trainer.container.env[0].value: the value of AWS_SECRET_ACCESS_KEY",
        ),
    ],
)
def test_what_must_not_be_run_says_what_and_where(
    documents: tuple[Spec, Spec], change: Callable[[Spec, Spec], None], problem: str, found: str
) -> None:
    check_documents(*documents)
    change(*documents)
    with pytest.raises(AgnewsError) as raised:
        check_documents(*documents)
    assert problem in raised.value.problem
    assert found in str(raised.value.found)
    assert raised.value.fix


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        ("agnews", "has no tag"),
        ("registry.example:5000/agnews", "has no tag"),
        ("registry.example/agnews:", "has no tag"),
        ("registry.example:5000/agnews:latest", "is the latest of many"),
        ("agnews@sha256:1234", "has no whole digest"),
        ("", "no image"),
        ("agnews:1a2b3c4", None),
        ("registry.example:5000/team/agnews:1a2b3c4-gpu", None),
        ("registry.example/agnews@sha256:" + "0" * 64, None),
        ("registry.example/agnews:latest@sha256:" + "0" * 64, None),
    ],
)
def test_an_image_is_a_digest_or_a_tag_that_is_not_latest(image: str, problem: str | None) -> None:
    found = image_problem(image)
    assert found is None if problem is None else problem in str(found)


SECRETS = [
    "s3://user:hunter2@host/bucket",
    "https://bucket.example/train.csv?X-Amz-Signature=0f0f",
    "-----BEGIN RSA PRIVATE KEY-----",
    "AKIA" + "A" * 16,
    "ghp_" + "a" * 36,
    "hf_" + "a" * 34,
    "eyJ" + "a" * 12 + ".eyJ" + "b" * 12 + ".c",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_found_anywhere_and_not_repeated(secret: str) -> None:
    ((place, what),) = find_secrets({"root": [{"constant": f"before {secret} after"}]})
    assert place == "root[0].constant"
    assert secret not in what


@pytest.mark.parametrize(
    ("name", "value", "is_secret"),
    [
        ("DB_PASSWORD", "x", True),
        ("HF_TOKEN", "x", True),
        ("API_KEY", "x", True),
        ("AWS_ACCESS_KEY_ID", "x", True),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/var/secrets/key.json", False),
        ("TOKENIZERS_PARALLELISM", "false", False),
        ("S3_ENDPOINT", "http://minio:9000", False),
        ("HF_TOKEN", "", False),
    ],
)
def test_variables_that_tell_by_their_names(name: str, value: str, is_secret: bool) -> None:
    found = list(find_secrets({"env": [{"name": name, "value": value}]}))
    assert bool(found) == is_secret


def test_every_executor_of_the_golden_pipeline_has_resources(golden: tuple[Spec, Spec]) -> None:
    executors = golden[0]["deploymentSpec"]["executors"]
    assert len(executors) == len(steps(golden[0])) + 1
    for executor in executors.values():
        assert re.fullmatch(r"\d+m?", executor["container"]["resources"]["resourceCpuRequest"])
        assert executor["container"]["resources"].keys() >= {"resourceMemoryLimit", "resourceCpuLimit"}
