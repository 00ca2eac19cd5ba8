"""From TFX's compilation of the pipeline to a spec that open-source Kubeflow Pipelines runs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import yaml
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.orchestration.kubeflow.v2.kubeflow_v2_dag_runner import KubeflowV2DagRunner, KubeflowV2DagRunnerConfig
from tfx.orchestration.pipeline import Pipeline

from agnews.kubeflow.execution.step_contract import ParameterKind, StepContract
from agnews.kubeflow.planning.run_parameters import (
    PLAN_CONSTANTS,
    PLAN_OUTPUTS,
    PROCEED,
    RUN_PARAMETERS,
    SUMMARY,
    Kind,
)
from agnews.schemas.nodes import NODES

_KINDS: dict[type, ParameterKind] = {bool: "bool", int: "int", float: "float"}


def describe_step(node: BaseComponent) -> StepContract:
    """Collects the types that Kubeflow Pipelines loses.

    Args:
        node: A node whose executor is a class.

    Returns:
        Its contract.
    """
    beam = node.executor_spec.beam_pipeline_args if isinstance(node.executor_spec, BeamExecutorSpec) else None
    return StepContract(
        node=node.id,
        executor=_path(node.executor_spec.executor_class),
        inputs={name: _path(channel.type) for name, channel in node.inputs.items()},
        outputs={name: _path(channel.type) for name, channel in node.outputs.items()},
        parameters={
            # TFX writes everything that is no number as a text: protos and documents as JSON.
            name: _KINDS.get(type(value), "str")
            for name, value in node.exec_properties.items()
            if value is not None
        },
        beam_args=None if beam is None else tuple(beam),
    )


def _path(kind: Any) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


RUN_ID = "run_id"


def kind_of(name: str) -> Kind:
    """Returns the type of a parameter of the run or of an output of the step Plan."""
    return RUN_PARAMETERS[name].kind if name in RUN_PARAMETERS else PLAN_OUTPUTS[name]


def step_name(node: str) -> str:
    """Returns the name of a node as Kubeflow Pipelines writes names: `NewsExampleGen` becomes `news-example-gen`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", node).lower()


PLAN = "Plan"
GROUP = "learn-and-push"
_COMMAND = ["python", "-m", "agnews.kubeflow.entrypoint"]
_EXECUTOR_INPUT = ["--executor-input", "{{$}}"]
# The server puts the id of the run in its place.
_RUN_ID_VALUE = "{{$.pipeline_job_uuid}}"

Tree = dict[str, Any]


def build_spec(
    pipeline: Pipeline, *, image: str, defaults: Mapping[str, Any], plan_constants: Mapping[str, Any]
) -> Tree:
    """Makes a pipeline spec: the step Plan, and all nodes in a group that runs if Plan found something to do.

    TFX compiles for Vertex AI; see docs/adr/0009-kubeflow-compiler.md for what is taken from it and what is not.

    Args:
        pipeline: The graph.
        image: Image of all steps.
        defaults: Defaults of the parameters of a run; those without one are required.
        plan_constants: Values by the names of `PLAN_CONSTANTS`.

    Returns:
        The spec, without anything of a cluster.
    """
    compiled = KubeflowV2DagRunner(
        KubeflowV2DagRunnerConfig(default_image=image, default_commands=_COMMAND, use_pipeline_spec_2_1=True)
    ).run(pipeline, write_out=False)["pipelineSpec"]
    compiled_tasks = compiled["root"]["dag"]["tasks"]
    plan, components, executors, tasks = step_name(PLAN), {}, {}, {}
    for node in pipeline.components:
        name, contract = step_name(node.id), describe_step(node)
        if NODES[node.id].knows_the_run:
            contract = contract.model_copy(update={"run_id": RUN_ID})
        components[f"comp-{name}"] = _component(node, compiled["components"][node.id])
        executors[f"exec-{name}"] = _executor(image, ["--step", _json(contract)])
        tasks[name] = _task(node, compiled_tasks[node.id], contract)
    executors[f"exec-{plan}"] = _executor(image, ["--plan"])
    components[f"comp-{plan}"] = _plan_component()
    components[f"comp-{GROUP}"] = {
        "dag": {"tasks": tasks},
        "inputDefinitions": {"parameters": {name: _typed(kind_of(name)) for name in _group_inputs()}},
    }
    return {
        "components": components,
        "deploymentSpec": {"executors": executors},
        "pipelineInfo": {
            "name": pipeline.pipeline_info.pipeline_name,
            "description": "Reads labelled news, checks it, trains a classifier, judges it against the one in "
            "production, and pushes it if it is not worse.",
        },
        "root": {
            "dag": {"tasks": {plan: _plan_task(plan, plan_constants), GROUP: _group_task(plan)}},
            "inputDefinitions": {"parameters": {name: _run_parameter(name, defaults) for name in RUN_PARAMETERS}},
        },
        "schemaVersion": compiled["schemaVersion"],
        "sdkVersion": f"kfp-{version('kfp')}",
    }


def _json(contract: StepContract) -> str:
    # With spaces, where YAML breaks the line: this is read in reviews.
    return json.dumps(contract.model_dump(mode="json", exclude_defaults=True), sort_keys=True)


def _executor(image: str, arguments: list[str]) -> Tree:
    return {"container": {"image": image, "command": list(_COMMAND), "args": [*arguments, *_EXECUTOR_INPUT]}}


def _component(node: BaseComponent, compiled: Tree) -> Tree:
    component: Tree = {"executorLabel": f"exec-{step_name(node.id)}"}
    for side in ("inputDefinitions", "outputDefinitions"):
        if side in compiled:
            component[side] = {**compiled[side]}
            if artifacts := compiled[side].get("artifacts"):
                component[side]["artifacts"] = {name: _artifact_type(artifacts[name]) for name in artifacts}
    parameters = component.get("inputDefinitions", {}).get("parameters", {})
    for name, source in NODES[node.id].run_time.items():
        parameters[name] = _typed(kind_of(source))
    if NODES[node.id].knows_the_run:
        parameters[RUN_ID] = _typed("STRING")
    return component


def _artifact_type(compiled: Tree) -> Tree:
    # TFX writes a whole schema; the server keeps its title, and hands not even that over to the step.
    schema = yaml.safe_load(compiled["artifactType"]["instanceSchema"])
    return {"artifactType": {"schemaTitle": schema["title"], "schemaVersion": "0.0.1"}}


def _task(node: BaseComponent, compiled: Tree, contract: StepContract) -> Tree:
    name, inputs = step_name(node.id), {**compiled.get("inputs", {})}
    if "artifacts" in inputs:
        inputs["artifacts"] = {
            key: {
                "taskOutputArtifact": {
                    "outputArtifactKey": value["taskOutputArtifact"]["outputArtifactKey"],
                    "producerTask": step_name(value["taskOutputArtifact"]["producerTask"]),
                }
            }
            for key, value in inputs["artifacts"].items()
        }
    parameters = inputs.get("parameters", {})
    for key, source in NODES[node.id].run_time.items():
        parameters[key] = {"componentInputParameter": source}
    if contract.run_id:
        parameters[contract.run_id] = _constant(_RUN_ID_VALUE)
    task: Tree = {"componentRef": {"name": f"comp-{name}"}, "inputs": inputs, "taskInfo": {"name": name}}
    if upstream := compiled.get("dependentTasks"):
        task["dependentTasks"] = sorted(step_name(node_id) for node_id in upstream)
    return task


def _plan_component() -> Tree:
    inputs = {**{name: parameter.kind for name, parameter in RUN_PARAMETERS.items()}, **PLAN_CONSTANTS}
    return {
        "executorLabel": f"exec-{step_name(PLAN)}",
        "inputDefinitions": {"parameters": {name: _typed(kind) for name, kind in inputs.items()}},
        "outputDefinitions": {
            "artifacts": {SUMMARY: {"artifactType": {"schemaTitle": "system.Markdown", "schemaVersion": "0.0.1"}}},
            "parameters": {name: _typed(kind) for name, kind in PLAN_OUTPUTS.items()},
        },
    }


def _plan_task(plan: str, constants: Mapping[str, Any]) -> Tree:
    parameters = {
        **{name: {"componentInputParameter": name} for name in RUN_PARAMETERS},
        **{name: _constant(constants[name]) for name in PLAN_CONSTANTS},
    }
    return {
        "componentRef": {"name": f"comp-{plan}"},
        "inputs": {"parameters": parameters},
        "taskInfo": {"name": plan},
    }


def _group_inputs() -> list[str]:
    used = {source for node in NODES.values() for source in node.run_time.values()}
    return sorted(used | {PROCEED})


def _group_task(plan: str) -> Tree:
    return {
        "componentRef": {"name": f"comp-{GROUP}"},
        "dependentTasks": [plan],
        "inputs": {
            "parameters": {
                name: {"componentInputParameter": name}
                if name in RUN_PARAMETERS
                else {"taskOutputParameter": {"outputParameterKey": name, "producerTask": plan}}
                for name in _group_inputs()
            }
        },
        "taskInfo": {"name": GROUP},
        "triggerPolicy": {"condition": f"inputs.parameter_values['{PROCEED}'] == true"},
    }


def _run_parameter(name: str, defaults: Mapping[str, Any]) -> Tree:
    parameter = {**_typed(RUN_PARAMETERS[name].kind), "description": RUN_PARAMETERS[name].meaning}
    if name in defaults:
        parameter |= {"defaultValue": defaults[name], "isOptional": True}
    return parameter


def _typed(kind: str) -> Tree:
    return {"parameterType": kind}


def _constant(value: Any) -> Tree:
    return {"runtimeValue": {"constant": value}}
