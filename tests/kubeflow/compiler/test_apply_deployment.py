"""The deployment table in the compiled pipeline, compared with what KFP's own compiler writes."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from agnews.kubeflow.compiler.apply_deployment import apply_deployment
from agnews.kubeflow.compiler.fuse_steps import Step
from agnews.pipeline.load_deployment import load_deployment, profile_names
from agnews.schemas.deployment import Deployment, NodeDeployment
from agnews.schemas.errors import AgnewsError

DEFAULTS = {"cpu_request": "500m", "cpu_limit": "2", "memory_request": "2Gi", "memory_limit": "4G"}
EVERYTHING = {
    "accelerator": {"type": "nvidia.com/gpu", "count": 2},
    "env": {"A": "1", "B": "2"},
    "secret_env": {"E": {"secret": "s", "key": "k"}, "F": {"secret": "s2", "key": "k2"}},
    "volumes": [
        {"path": "/data", "claim": "news", "sub_path": "a/b"},
        {"path": "/all", "claim": "all"},
        {"path": "/secret", "secret": "s"},
        {"path": "/config", "config_map": "c"},
        {"path": "/dev/shm", "scratch": "8Gi", "in_memory": True},
        {"path": "/scratch", "scratch": "1Gi"},
    ],
    "node_selector": {"pool": "gpu"},
    "tolerations": [{"key": "nvidia.com/gpu"}, {"key": "team", "operator": "Equal", "value": "a", "effect": None}],
    "retries": 3,
    "cache": False,
    "timeout_minutes": 90,
    "retry_policy": "Always",
    "run_as_user": 10001,
    "run_as_group": 10001,
}
NODES = [Step("trainer", ("Trainer",)), Step("evaluator", ("Evaluator",))]


def spec_of(*steps: str) -> dict[str, Any]:
    return {
        "deploymentSpec": {"executors": {f"exec-{step}": {"container": {"image": "a:1"}} for step in steps}},
        "root": {"dag": {"tasks": {"group": {}}}},
        "components": {"comp-group": {"dag": {"tasks": {step: {} for step in steps}}}},
    }


@pytest.fixture(scope="module")
def reference() -> tuple[dict[str, Any], dict[str, Any]]:
    """Spec and platform document of a step with EVERYTHING, by KFP's compiler and kfp-kubernetes."""
    import tempfile
    from pathlib import Path

    from kfp import compiler, dsl, kubernetes

    @dsl.container_component
    def trainer():  # KFP reads annotations, and does not know these.
        return dsl.ContainerSpec(image="a:1", command=["a"])

    @dsl.pipeline
    def pipeline():
        task = trainer()
        task.set_cpu_request("500m").set_cpu_limit("2").set_memory_request("2Gi").set_memory_limit("4G")
        task.set_accelerator_type("nvidia.com/gpu").set_accelerator_limit(2)
        task.set_env_variable("A", "1").set_env_variable("B", "2").set_caching_options(False)
        task.set_retry(3, "30s", 2.0, f"{4 * 5400 + 30 + 60 + 120}s")
        kubernetes.set_security_context(task, 10001, 10001, True)
        kubernetes.set_timeout(task, 5400)
        kubernetes.set_image_pull_secrets(task, ["registry"])
        kubernetes.use_secret_as_env(task, "s", {"k": "E"})
        kubernetes.use_secret_as_env(task, "s2", {"k2": "F"})
        kubernetes.mount_pvc(task, "news", "/data", sub_path="a/b")
        kubernetes.mount_pvc(task, "all", "/all")
        kubernetes.use_secret_as_volume(task, "s", "/secret")
        kubernetes.use_config_map_as_volume(task, "c", "/config")
        kubernetes.empty_dir_mount(task, "scratch-4", "/dev/shm", "Memory", "8Gi")
        kubernetes.empty_dir_mount(task, "scratch-5", "/scratch", size_limit="1Gi")
        kubernetes.add_node_selector(task, "pool", "gpu")
        kubernetes.add_toleration(task, "nvidia.com/gpu", "Exists", effect="NoSchedule")
        kubernetes.add_toleration(task, "team", "Equal", "a")

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pipeline.yaml"
        compiler.Compiler().compile(pipeline, str(path))
        spec, platform = yaml.safe_load_all(path.read_text())
    return spec, platform


def test_a_row_is_written_as_kfp_writes_it(reference: tuple[dict[str, Any], dict[str, Any]]) -> None:
    deployment = Deployment.model_validate(
        {"image_pull_secrets": ["registry"], "defaults": DEFAULTS, "nodes": {"Trainer": EVERYTHING}}
    )
    spec = spec_of("trainer")
    platform = apply_deployment(spec, deployment, NODES[:1])

    theirs, their_platform = reference
    assert platform == their_platform
    container = spec["deploymentSpec"]["executors"]["exec-trainer"]["container"]
    their_container = theirs["deploymentSpec"]["executors"]["exec-trainer"]["container"]
    assert container["resources"] == their_container["resources"]
    assert container["env"] == their_container["env"]
    task = spec["components"]["comp-group"]["dag"]["tasks"]["trainer"]
    their_task = theirs["root"]["dag"]["tasks"]["trainer"]
    assert task["retryPolicy"] == their_task["retryPolicy"]
    assert task["cachingOptions"] == their_task["cachingOptions"]


def test_every_step_gets_the_defaults() -> None:
    deployment = Deployment.model_validate(
        {"defaults": {**DEFAULTS, "cache": True, "env": {"A": "1"}}, "nodes": {"Trainer": {}}}
    )
    spec = spec_of("trainer", "evaluator")
    assert apply_deployment(spec, deployment, NODES) == {}
    executors = spec["deploymentSpec"]["executors"]
    assert executors["exec-trainer"] == executors["exec-evaluator"]
    assert executors["exec-trainer"]["container"]["env"] == [{"name": "A", "value": "1"}]
    tasks = spec["components"]["comp-group"]["dag"]["tasks"]
    assert tasks == {step: {"cachingOptions": {"enableCache": True}} for step in ("trainer", "evaluator")}


def test_a_row_adds_to_mappings_and_replaces_everything_else() -> None:
    deployment = Deployment.model_validate(
        {
            "defaults": {
                **DEFAULTS,
                "env": {"A": "1", "B": "2"},
                "volumes": [{"path": "/data", "claim": "news"}],
                "retries": 2,
                "cache": True,
            },
            "nodes": {"Trainer": {"env": {"B": "3"}, "volumes": [], "retries": 0, "cache": False, "cpu_limit": "8"}},
        }
    )
    row = deployment.row("Trainer")
    assert row.env == {"A": "1", "B": "3"}
    assert (row.volumes, row.retries, row.cache, row.cpu_limit, row.cpu_request) == ((), 0, False, "8", "500m")
    assert deployment.row("Evaluator") == deployment.defaults


def test_a_row_for_no_node_is_an_error() -> None:
    deployment = Deployment.model_validate({"defaults": DEFAULTS, "nodes": {"Trainr": {}}})
    with pytest.raises(AgnewsError, match="rows for nodes that the pipeline does not have") as raised:
        apply_deployment(spec_of("trainer", "evaluator"), deployment, NODES)
    assert raised.value.found == "Trainr"
    assert "Trainer" in str(raised.value.fix)


@pytest.mark.parametrize("node", ["Exporter", "Notify", "Plan", "Transform"])
def test_a_row_for_a_node_that_only_other_configurations_have_is_none(node: str) -> None:
    plain, more = ({"defaults": DEFAULTS, "nodes": nodes} for nodes in ({}, {node: {"cpu_limit": "8"}}))
    specs = [spec_of("trainer", "evaluator") for _ in range(2)]
    for spec, table in zip(specs, (plain, more), strict=True):
        apply_deployment(spec, Deployment.model_validate(table), NODES)
    assert specs[0] == specs[1]


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"cpu_request": "2500m"}, "cpu_request 2500m, cpu_limit 2"),
        ({"memory_limit": "1900Mi"}, "memory_request 2Gi, memory_limit 1900Mi"),
        ({"memory_request": "4Gi"}, "memory_request 4Gi, memory_limit 4G"),
    ],
)
def test_more_than_the_limit_is_an_error(row: dict[str, str], found: str) -> None:
    deployment = Deployment.model_validate({"defaults": DEFAULTS, "nodes": {"Trainer": row}})
    with pytest.raises(AgnewsError) as raised:
        apply_deployment(spec_of("trainer", "evaluator"), deployment, NODES)
    assert raised.value.found == found


@pytest.mark.parametrize("name", profile_names())
def test_a_profile_has_a_row_for_every_node_and_gpus_for_the_trainer_alone(name: str, repository: Any) -> None:
    (spec, *_) = yaml.safe_load_all((repository / "tests" / "golden" / "pipeline.yaml").read_text())
    steps = {*spec["components"]["comp-learn-and-push"]["dag"]["tasks"], "plan", "notify"}
    deployment = load_deployment(name)
    from agnews.kubeflow.compiler.fuse_steps import step_name

    assert {step_name(node) for node in deployment.nodes} == steps
    with_gpus = {node: row.accelerator.count for node, row in deployment.nodes.items() if row.accelerator}
    assert with_gpus == {"cpu": {}, "gpu": {"Trainer": 1}, "multigpu": {"Trainer": 4}}[name]
    never_cached = {node for node in deployment.nodes if not deployment.row(node).cache}
    assert never_cached == {"Plan", "Pusher", "Report", "Notify"}


def test_a_row_is_a_whole_table_of_keys() -> None:
    """Every key of the table is applied: one that is not would be silently ignored."""
    assert NodeDeployment.model_fields.keys() == {*EVERYTHING, *DEFAULTS}


@pytest.mark.parametrize(
    ("row", "seconds"),
    [
        ({"retries": 2, "timeout_minutes": 90}, 3 * 5400 + 30 + 60),
        ({"retries": 3, "timeout_minutes": 1}, 4 * 60 + 30 + 60 + 120),
        ({"retries": 2}, 7 * 24 * 3600),
    ],
)
def test_a_retry_may_begin_and_end_within_what_all_attempts_may_take(row: dict[str, int], seconds: int) -> None:
    """The server counts from the start of the first attempt, and ends a retry that still runs then."""
    deployment = Deployment.model_validate({"defaults": DEFAULTS, "nodes": {"Trainer": row}})
    spec = spec_of("trainer", "evaluator")
    apply_deployment(spec, deployment, NODES)
    task = spec["components"]["comp-group"]["dag"]["tasks"]["trainer"]
    assert task["retryPolicy"]["backoffMaxDuration"] == f"{seconds}s"


def test_steps_of_a_profile_run_as_the_user_of_the_image_and_not_for_ever() -> None:
    for name in profile_names():
        deployment = load_deployment(name)
        assert {(deployment.row(node).run_as_user, deployment.row(node).run_as_group) for node in deployment.nodes} == {
            (10001, 10001)
        }
        assert all(deployment.row(node).timeout_minutes for node in deployment.nodes)
