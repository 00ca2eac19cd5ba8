"""Which nodes share a container, and what becomes of their artifacts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from agnews.kubeflow.client.run_tasks import read_spec_tasks
from agnews.kubeflow.compiler.fuse_steps import Step, fuse_steps
from agnews.pipeline.load_deployment import load_deployment, profile_names
from agnews.schemas.deployment import Deployment, NodeDeployment
from agnews.schemas.nodes import NODES

ORDER = list(NODES)


def table(fuse: str, **rows: dict[str, Any]) -> Deployment:
    cpu = load_deployment("cpu")
    given = {node: NodeDeployment.model_validate({**cpu.nodes[node].model_dump(), **row}) for node, row in rows.items()}
    return cpu.model_copy(update={"fuse": fuse, "nodes": {**cpu.nodes, **given}})


def stretches(deployment: Deployment) -> dict[str, tuple[str, ...]]:
    return {step.name: step.nodes for step in fuse_steps(ORDER, deployment)}


def test_none_gives_each_node_a_step_of_its_name() -> None:
    steps = fuse_steps(ORDER, table("none"))
    assert [step.nodes for step in steps] == [(node,) for node in ORDER]
    assert steps[0] == Step("news-example-gen", ("NewsExampleGen",))
    assert (steps[0].is_fused, steps[0].output("NewsExampleGen", "examples")) == (False, "examples")


@pytest.mark.parametrize("profile", profile_names())
def test_light_is_the_default_and_makes_four_steps_of_every_profile(profile: str) -> None:
    steps = stretches(load_deployment(profile))
    assert list(steps) == ["data", "transform", "trainer", "decide"]
    assert [node for nodes in steps.values() for node in nodes] == ORDER
    # A driver and a pod for each step and for Plan, and a driver for each of the two graphs.
    assert 2 * (len(steps) + 1) + 2 <= 12


def test_all_joins_what_needs_the_same() -> None:
    assert list(stretches(table("all"))) == ["run", "trainer", "run-2"]
    same = table("all")
    same = same.model_copy(update={"nodes": {node: row for node, row in same.nodes.items() if node != "Trainer"}})
    assert stretches(same) == {"run": tuple(ORDER)}


def test_a_row_of_its_own_splits_a_step_and_a_cache_of_its_own_does_not() -> None:
    steps = stretches(table("light", Evaluator={"memory_limit": "16Gi"}, StatisticsGen={"env": {"A": "1"}}))
    assert steps["evaluator"] == ("Evaluator",)
    assert steps["decide"] == ("SmokeTest", "Pusher", "Report")
    assert (steps["news-example-gen"], steps["statistics-gen"]) == (("NewsExampleGen",), ("StatisticsGen",))
    assert steps["data"] == ("ImportSchemaGen", "ExampleValidator", "BaselineModel", "DataGate", "LinearBaseline")
    uncached = {step.name: step.uncached for step in fuse_steps(ORDER, table("light"))}
    assert uncached["decide"] == {"Pusher", "Report"}
    assert uncached["data"] == frozenset()


def test_two_stretches_of_one_kind_have_names_of_their_own() -> None:
    steps = stretches(table("light", ImportSchemaGen={"env": {"A": "1"}}))
    assert steps["data"] == ("NewsExampleGen", "StatisticsGen")
    assert steps["data-2"] == ("ExampleValidator", "BaselineModel", "DataGate", "LinearBaseline")


def _dag(repository: Path, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    (spec, *_) = yaml.safe_load_all((repository / "tests" / "golden" / name).read_text())
    return spec, spec["components"]["comp-learn-and-push"]["dag"]["tasks"]


def test_every_output_of_every_node_is_an_output_of_a_step(repository: Path) -> None:
    (single, tasks), (fused, steps) = _dag(repository, "pipeline.yaml"), _dag(repository, "pipeline_fused.yaml")

    def artifacts(spec: dict[str, Any], task: str) -> dict[str, Any]:
        made: dict[str, Any] = spec["components"][f"comp-{task}"]["outputDefinitions"]["artifacts"]
        return made

    apart = {f"{task}-{key}": kind for task in tasks for key, kind in artifacts(single, task).items()}
    together = {
        key if task != "trainer" else f"trainer-{key}": kind
        for task in steps
        for key, kind in artifacts(fused, task).items()
    }
    assert together == apart


def test_what_stays_in_a_step_is_no_input_of_it_and_what_several_read_is_one(repository: Path) -> None:
    _, steps = _dag(repository, "pipeline_fused.yaml")
    assert "artifacts" not in steps["data"]["inputs"]
    inputs = steps["decide"]["inputs"]["artifacts"]
    assert not [name for name in inputs if name.startswith(("evaluator", "smoke-test", "pusher"))]
    assert inputs["trainer-model"] == {"taskOutputArtifact": {"outputArtifactKey": "model", "producerTask": "trainer"}}
    assert steps["trainer"]["inputs"]["artifacts"]["examples"] == {
        "taskOutputArtifact": {
            "outputArtifactKey": "transform-transformed_examples",
            "producerTask": "transform",
        }
    }
    assert steps["decide"]["dependentTasks"] == ["data", "trainer", "transform"]
    # The gate has no output that Transform reads.
    assert steps["transform"]["dependentTasks"] == ["data"]


def test_a_step_is_cached_only_if_each_of_its_nodes_may_be(repository: Path) -> None:
    _, steps = _dag(repository, "pipeline_fused.yaml")
    cached = {name: step["cachingOptions"] for name, step in steps.items()}
    assert cached == {**{name: {"enableCache": True} for name in ("data", "transform", "trainer")}, "decide": {}}


def test_a_fused_step_has_the_time_of_all_its_nodes() -> None:
    from agnews.kubeflow.compiler.apply_deployment import apply_deployment

    deployment = table("light")
    deployment = deployment.model_copy(
        update={"defaults": deployment.defaults.model_copy(update={"timeout_minutes": 30}), "nodes": {}}
    )
    step = Step("decide", ("Evaluator", "SmokeTest"))
    spec = {
        "deploymentSpec": {"executors": {"exec-decide": {"container": {}}}},
        "root": {"dag": {"tasks": {"decide": {}}}},
        "components": {},
    }
    platform = apply_deployment(spec, deployment, [step])
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert executors["exec-decide"]["activeDeadlineSeconds"] == str(60 * 60)


def test_a_node_is_found_in_the_task_that_runs_it(repository: Path) -> None:
    single, _ = _dag(repository, "pipeline.yaml")
    fused, _ = _dag(repository, "pipeline_fused.yaml")
    alone = {node: task.name for task in read_spec_tasks(single) for node in task.nodes}
    assert alone["NewsExampleGen"] == "news-example-gen"
    found = {node: task.name for task in read_spec_tasks({"pipeline_spec": fused}) for node in task.nodes}
    assert found.keys() == {"Plan", *(name for name, row in NODES.items() if not row.is_optional)}
    assert [found[node] for node in ("NewsExampleGen", "TokenGate", "Trainer", "Pusher")] == [
        "data",
        "transform",
        "trainer",
        "decide",
    ]
