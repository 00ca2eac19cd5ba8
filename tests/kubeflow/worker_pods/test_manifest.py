"""What a cluster is asked for, held to its own schemas and to what its webhooks refuse."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from agnews.kubeflow.compiler.plan_pods import plan_pods
from agnews.kubeflow.worker_pods.build_manifest import RUNTIME, build_manifest
from agnews.kubeflow.worker_pods.check_manifest import check_manifest
from agnews.kubeflow.worker_pods.pod_contract import PodContract
from agnews.kubeflow.worker_pods.run_pod import tf_config
from agnews.pipeline.load_config import load_config
from agnews.pipeline.load_deployment import load_deployment
from agnews.schemas.deployment import Deployment
from agnews.schemas.errors import AgnewsError

TABLE = """
extends: {extends}
scratch_uri: /mnt/shared/scratch
image_pull_secrets: [registry]
defaults:
  volumes: [{{path: /mnt/shared, claim: news}}]
  env: {{HOME: /tmp}}
trainer: {{workers: 4, kind: {kind}, queue: gpus, max_restarts: 5, grace_seconds: 60}}
nodes:
  Trainer:
    secret_env: {{TOKEN: {{secret: mine, key: it}}}}
    node_selector: {{pool: fast}}
"""


def table(folder: Path, kind: str = "jobset", extends: str = "gpu") -> Deployment:
    path = folder / "table.yaml"
    path.write_text(TABLE.format(kind=kind, extends=extends))
    return load_deployment(str(path))


def contract(folder: Path, kind: str = "jobset", extends: str = "gpu", *settings: str) -> PodContract:
    deployment = table(folder, kind, extends)
    found = plan_pods(load_config(None, [*deployment.settings, *settings]), deployment, "registry/agnews:1")
    assert found is not None
    return found


def manifest(found: PodContract) -> dict[str, Any]:
    owner = {"name": "step", "uid": "u-1"}
    return build_manifest(found, fingerprint="f" * 32, task_uri="/mnt/shared/scratch/x/trainer_task.json", owner=owner)


@pytest.mark.parametrize(("kind", "name"), [("jobset", "jobset-0.12.0.json"), ("trainjob", "trainjob-2.3.0.json")])
def test_the_manifest_is_what_the_definition_of_its_kind_takes(
    tmp_path: Path, definition: Callable[..., dict[str, Any]], kind: str, name: str
) -> None:
    jsonschema.validate(manifest(contract(tmp_path, kind))["spec"], definition(name)["properties"]["spec"])


def test_the_runtime_of_a_trainjob_is_what_its_definition_takes(
    repository: Path, definition: Callable[..., dict[str, Any]]
) -> None:
    runtime = yaml.safe_load((repository / "kubeflow" / "trainer" / "training-runtime.yaml").read_text())
    assert runtime["metadata"]["name"] == RUNTIME
    jsonschema.validate(runtime["spec"], definition("trainingruntime-2.3.0.json")["properties"]["spec"])


def test_pods_are_equal_and_start_again_together(tmp_path: Path) -> None:
    made = manifest(contract(tmp_path))
    spec = made["spec"]
    job = spec["replicatedJobs"][0]["template"]["spec"]
    pod = job["template"]["spec"]
    assert (job["completionMode"], job["parallelism"], job["completions"], job["backoffLimit"]) == ("Indexed", 4, 4, 0)
    assert spec["failurePolicy"]["restartStrategy"] == "BlockingRecreate"
    assert spec["failurePolicy"]["maxRestarts"] == 5
    assert spec["network"]["publishNotReadyAddresses"] is True
    assert spec["ttlSecondsAfterFinished"] > 0
    assert job["activeDeadlineSeconds"] == 1440 * 60
    assert job["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"] == [2]
    assert made["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpus"
    assert made["metadata"]["ownerReferences"][0]["uid"] == "u-1"
    assert (pod["restartPolicy"], pod["terminationGracePeriodSeconds"]) == ("Never", 60)


def test_keys_of_the_row_are_those_of_the_pods(tmp_path: Path) -> None:
    pod = contract(tmp_path).pod
    (container,) = pod["containers"]
    assert container["resources"]["limits"] == {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "1"}
    assert pod["volumes"] == [{"name": "volume-0", "persistentVolumeClaim": {"claimName": "news"}}]
    assert container["volumeMounts"] == [{"name": "volume-0", "mountPath": "/mnt/shared"}]
    assert {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "mine", "key": "it"}}} in container["env"]
    assert pod["nodeSelector"] == {"pool": "fast"}
    assert pod["tolerations"][0]["key"] == "nvidia.com/gpu"
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert pod["securityContext"]["runAsUser"] == 10001


def test_the_place_of_a_pod_follows_from_its_index(tmp_path: Path) -> None:
    made = manifest(contract(tmp_path))
    (container,) = made["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]["containers"]
    given = {entry["name"]: entry.get("value", "") for entry in container["env"]}
    place = tf_config({**given, "JOB_COMPLETION_INDEX": "3"})
    name = made["metadata"]["name"]
    assert place["cluster"]["worker"] == [f"{name}-worker-0-{index}.{name}:2222" for index in range(4)]
    assert place["task"] == {"type": "worker", "index": 3}
    with pytest.raises(AgnewsError, match="not started as a pod"):
        tf_config({})


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda made: made["metadata"].update(name="a" * 60), "characters"),
        (lambda made: made["spec"]["failurePolicy"]["rules"][0].update(name="exit-2"), "exit-2"),
        (lambda made: made["spec"]["failurePolicy"]["rules"][1].update(name="refused"), "two are called"),
        (lambda made: made["spec"]["failurePolicy"]["rules"][0].update(onJobFailureReasons=["Bad"]), "Bad"),
        (lambda made: made["spec"]["network"].update(subdomain="9x"), "beginning with a letter"),
    ],
)
def test_what_a_webhook_refuses_is_refused_here(tmp_path: Path, change: Any, word: str) -> None:
    made = copy.deepcopy(manifest(contract(tmp_path)))
    check_manifest(made)
    change(made)
    with pytest.raises(AgnewsError, match="would not start") as caught:
        check_manifest(made)
    assert word in str(caught.value.found)


@pytest.mark.parametrize(("kind", "longest"), [("jobset", 35), ("trainjob", 37)])
def test_a_name_that_is_too_long_is_refused_when_compiling(tmp_path: Path, kind: str, longest: int) -> None:
    contract(tmp_path, kind, "gpu", f"name={'a' * longest}")
    with pytest.raises(AgnewsError) as caught:
        contract(tmp_path, kind, "gpu", f"name={'a' * (longest + 1)}")
    assert "--set name=" in caught.value.fix


@pytest.mark.parametrize(
    ("settings", "extends", "word"),
    [
        (["model.kind=bert_frozen"], "cpu", "trained in one process"),
        ([], "multigpu", "mirrored"),
        (["devices.xla=on"], "cpu", "XLA"),
        (["devices.workers=2"], "cpu", "trainer: {workers: 2}"),
    ],
)
def test_pods_that_would_do_nothing_or_break_are_refused(
    tmp_path: Path, settings: list[str], extends: str, word: str
) -> None:
    with pytest.raises(AgnewsError) as caught:
        contract(tmp_path, "jobset", extends, *settings)
    assert word in str(caught.value)


def test_pods_without_a_folder_that_they_share_are_refused(tmp_path: Path) -> None:
    deployment = table(tmp_path)
    for place in ("/tmp/agnews", "/mnt/shared2/x", "s3://bucket/scratch"):
        with pytest.raises(AgnewsError, match="share no folder"):
            plan_pods(load_config(None), deployment.model_copy(update={"scratch_uri": place}), "registry/agnews:1")
