"""From TFX's compilation of the pipeline to a spec that open-source Kubeflow Pipelines runs."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import yaml
from pydantic import BaseModel
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.orchestration.kubeflow.v2.kubeflow_v2_dag_runner import KubeflowV2DagRunner, KubeflowV2DagRunnerConfig
from tfx.orchestration.pipeline import Pipeline

from agnews.kubeflow.compiler.fuse_steps import Step, step_name
from agnews.kubeflow.compiler.plan_pods import TRAINER
from agnews.kubeflow.execution.step_contract import GroupContract, NotePlace, ParameterKind, StepContract
from agnews.kubeflow.planning.run_parameters import (
    MODEL_NAME,
    NOTIFY,
    NOTIFY_INPUTS,
    PLAN,
    PLAN_CONSTANTS,
    PLAN_OUTPUTS,
    PROCEED,
    PUSH_URI,
    RUN_ID,
    RUN_PARAMETERS,
    SCRATCH_URI,
    SUMMARY,
    TELLING,
    Kind,
)
from agnews.kubeflow.worker_pods.pod_contract import PodContract
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


def kind_of(name: str) -> Kind:
    """Returns the type of a parameter of the run or of an output of the step Plan."""
    return RUN_PARAMETERS[name].kind if name in RUN_PARAMETERS else PLAN_OUTPUTS[name]


GROUP = "learn-and-push"
WATCHED = "watched-run"
"""The group of all steps but Notify: a step that runs whatever became of others has to stand outside."""
_COMMAND = ["python", "-m", "agnews.kubeflow.entrypoint"]
_INDEX = "steps"
_EXECUTOR_INPUT = ["--executor-input", "{{$}}"]
# The server puts the id of the run in its place.
_RUN_ID_VALUE = "{{$.pipeline_job_uuid}}"

Tree = dict[str, Any]


def build_spec(
    pipeline: Pipeline,
    steps: Sequence[Step],
    *,
    image: str,
    defaults: Mapping[str, Any],
    plan_constants: Mapping[str, Any],
    notify: Mapping[str, Any] | None = None,
    pods: PodContract | None = None,
) -> Tree:
    """Makes a pipeline spec: the step Plan, and all nodes in a group that runs if Plan found something to do.

    Where somebody is to be told how a run ended, the two are a group in turn, and the step Notify runs behind it
    whatever became of it: what Kubeflow Pipelines calls an exit handler.

    TFX compiles for Vertex AI; see docs/adr/0009-kubeflow-compiler.md for what is taken from it and what is not.

    Args:
        pipeline: The graph.
        steps: Which of its nodes share a container.
        image: Image of all steps.
        defaults: Defaults of the parameters of a run; those without one are required.
        plan_constants: Values by the names of `PLAN_CONSTANTS`.
        notify: A `NotifyConfig`, as JSON; None where nobody is told.
        pods: What does the Trainer's work; None for its step.

    Returns:
        The spec, without anything of a cluster.
    """
    compiled = KubeflowV2DagRunner(
        KubeflowV2DagRunnerConfig(default_image=image, default_commands=_COMMAND, use_pipeline_spec_2_1=True)
    ).run(pipeline, write_out=False)["pipelineSpec"]
    nodes, model = {node.id: node for node in pipeline.components}, pipeline.pipeline_info.pipeline_name
    plan, components, executors, tasks = step_name(PLAN), {}, {}, {}
    notes_in = "" if notify is None else model
    for step in steps:
        members = [
            _Member(nodes[node], step, compiled, notes_in, pods if node == TRAINER else None) for node in step.nodes
        ]
        if step.is_fused:
            group = GroupContract(
                name=step.name,
                index_uri=posixpath.join(plan_constants[SCRATCH_URI], _INDEX) if plan_constants[SCRATCH_URI] else "",
                members=tuple(member.contract for member in members),
            )
            arguments = ["--group", _json(group)]
        else:
            arguments = ["--step", _json(members[0].contract)]
        executors[f"exec-{step.name}"] = _executor(image, arguments)
        components[f"comp-{step.name}"] = _component(step, members)
        tasks[step.name] = _task(step, members, {node: other for other in steps for node in other.nodes})
    executors[f"exec-{plan}"] = _executor(image, ["--plan"])
    components[f"comp-{plan}"] = _plan_component(notify is not None)
    components[f"comp-{GROUP}"] = {
        "dag": {"tasks": tasks},
        "inputDefinitions": {"parameters": {name: _typed(kind_of(name)) for name in _group_inputs()}},
    }
    whole = {plan: _plan_task(plan, plan_constants, notify is not None), GROUP: _group_task(plan)}
    if notify is not None:
        whole = _watch(whole, components, executors, image, {MODEL_NAME: model, NOTIFY: dict(notify)})
    return {
        "components": components,
        "deploymentSpec": {"executors": executors},
        "pipelineInfo": {
            "name": model,
            "description": "Reads labelled news, checks it, trains a classifier, judges it against the one in "
            "production, and pushes it if it is not worse.",
        },
        "root": {
            "dag": {"tasks": whole},
            "inputDefinitions": {"parameters": {name: _run_parameter(name, defaults) for name in RUN_PARAMETERS}},
        },
        "schemaVersion": compiled["schemaVersion"],
        "sdkVersion": f"kfp-{version('kfp')}",
    }


def _json(contract: BaseModel) -> str:
    # With spaces, where YAML breaks the line: this is read in reviews.
    return json.dumps(contract.model_dump(mode="json", exclude_defaults=True), sort_keys=True)


def _executor(image: str, arguments: list[str]) -> Tree:
    return {"container": {"image": image, "command": list(_COMMAND), "args": [*arguments, *_EXECUTOR_INPUT]}}


class _Member:
    """A node in its step, with the names that it has there."""

    def __init__(
        self, node: BaseComponent, step: Step, compiled: Tree, notes_in: str = "", pods: PodContract | None = None
    ) -> None:
        self.node, self._step = node.id, step
        self.task = compiled["root"]["dag"]["tasks"][node.id]
        self._component = compiled["components"][node.id]
        contract = describe_step(node).model_copy(update={"pods": pods})
        self._own: Tree = {}
        if NODES[node.id].knows_the_run:
            self._own[RUN_ID] = _constant(_RUN_ID_VALUE)
            contract = contract.model_copy(update={"run_id": self.parameter(RUN_ID)})
            if notes_in:
                self._own[PUSH_URI] = {"componentInputParameter": PUSH_URI}
                place = NotePlace(store=self.parameter(PUSH_URI), model=notes_in)
                contract = contract.model_copy(update={"note": place})
        if step.is_fused:
            sources = {key: f"{step_name(node)}-{output}" for key, (node, output) in self.sources().items()}
            cache = self.node not in step.uncached
            contract = contract.model_copy(update={"prefix": self.parameter(""), "sources": sources, "cache": cache})
        self.contract = contract

    def parameter(self, name: str) -> str:
        return f"{step_name(self.node)}-{name}" if self._step.is_fused else name

    def sources(self) -> dict[str, tuple[str, str]]:
        """By input: the node that makes it, and the key of its output."""
        given = self.task.get("inputs", {}).get("artifacts", {})
        outputs = {key: value["taskOutputArtifact"] for key, value in given.items()}
        return {key: (output["producerTask"], output["outputArtifactKey"]) for key, output in outputs.items()}

    def inputs(self) -> Tree:
        """Types of the artifacts that it takes, by input."""
        return self._artifacts("inputDefinitions")

    def outputs(self) -> Tree:
        """Types of the artifacts that it makes, by name among the outputs of the step."""
        return {self._step.output(self.node, key): kind for key, kind in self._artifacts("outputDefinitions").items()}

    def parameter_types(self) -> Tree:
        types = {**self._component.get("inputDefinitions", {}).get("parameters", {})}
        types |= {name: _typed(kind_of(source)) for name, source in NODES[self.node].run_time.items()}
        types |= {name: _typed("STRING") for name in self._own}
        return {self.parameter(name): kind for name, kind in types.items()}

    def parameters(self) -> Tree:
        values = {**self.task.get("inputs", {}).get("parameters", {})}
        values |= {name: {"componentInputParameter": source} for name, source in NODES[self.node].run_time.items()}
        values |= self._own
        return {self.parameter(name): value for name, value in values.items()}

    def _artifacts(self, side: str) -> Tree:
        artifacts = self._component.get(side, {}).get("artifacts", {})
        return {name: _artifact_type(kind) for name, kind in artifacts.items()}


def _component(step: Step, members: Sequence[_Member]) -> Tree:
    artifacts = {name: kind for name, kind, _ in _outer_inputs(step, members)}
    parameters = {name: kind for member in members for name, kind in member.parameter_types().items()}
    sides = {
        "inputDefinitions": _filled(artifacts=artifacts, parameters=parameters),
        "outputDefinitions": _filled(artifacts={k: v for member in members for k, v in member.outputs().items()}),
    }
    return {"executorLabel": f"exec-{step.name}", **_filled(**sides)}


def _filled(**parts: Tree) -> Tree:
    return {name: part for name, part in parts.items() if part}


def _outer_inputs(step: Step, members: Sequence[_Member]) -> Iterator[tuple[str, Tree, tuple[str, str]]]:
    """Name, type and source of each artifact that comes from another step."""
    for member in members:
        types = member.inputs()
        for key, (node, output) in member.sources().items():
            if node not in step.nodes:
                name = f"{step_name(node)}-{output}" if step.is_fused else key
                yield name, types[key], (node, output)


def _artifact_type(compiled: Tree) -> Tree:
    # TFX writes a whole schema; the server keeps its title, and hands not even that over to the step.
    schema = yaml.safe_load(compiled["artifactType"]["instanceSchema"])
    return {"artifactType": {"schemaTitle": schema["title"], "schemaVersion": "0.0.1"}}


def _task(step: Step, members: Sequence[_Member], places: Mapping[str, Step]) -> Tree:
    artifacts = {
        name: {
            "taskOutputArtifact": {
                "outputArtifactKey": places[node].output(node, output),
                "producerTask": places[node].name,
            }
        }
        for name, _, (node, output) in _outer_inputs(step, members)
    }
    parameters = {name: value for member in members for name, value in member.parameters().items()}
    task: Tree = {
        "componentRef": {"name": f"comp-{step.name}"},
        "inputs": _filled(artifacts=artifacts, parameters=parameters),
        "taskInfo": {"name": step.name},
    }
    upstream = {places[node].name for member in members for node in member.task.get("dependentTasks", ())}
    if upstream := upstream - {step.name}:
        task["dependentTasks"] = sorted(upstream)
    return task


def _plan_component(knows_the_run: bool) -> Tree:
    inputs = {**{name: parameter.kind for name, parameter in RUN_PARAMETERS.items()}, **PLAN_CONSTANTS}
    if knows_the_run:
        inputs[RUN_ID] = "STRING"
    return {
        "executorLabel": f"exec-{step_name(PLAN)}",
        "inputDefinitions": {"parameters": {name: _typed(kind) for name, kind in inputs.items()}},
        "outputDefinitions": {
            "artifacts": {SUMMARY: {"artifactType": {"schemaTitle": "system.Markdown", "schemaVersion": "0.0.1"}}},
            "parameters": {name: _typed(kind) for name, kind in PLAN_OUTPUTS.items()},
        },
    }


def _plan_task(plan: str, constants: Mapping[str, Any], knows_the_run: bool) -> Tree:
    parameters = {
        **{name: {"componentInputParameter": name} for name in RUN_PARAMETERS},
        **{name: _constant(constants[name]) for name in PLAN_CONSTANTS},
        **({RUN_ID: _constant(_RUN_ID_VALUE)} if knows_the_run else {}),
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


def _watch(tasks: Tree, components: Tree, executors: Tree, image: str, constants: Tree) -> Tree:
    """Puts tasks into a group, and the step Notify behind it; returns the tasks of the root."""
    name = step_name(TELLING)
    executors[f"exec-{name}"] = _executor(image, ["--notify"])
    components[f"comp-{name}"] = {
        "executorLabel": f"exec-{name}",
        "inputDefinitions": {"parameters": {key: _typed(kind) for key, kind in NOTIFY_INPUTS.items()}},
    }
    components[f"comp-{WATCHED}"] = {
        "dag": {"tasks": tasks},
        "inputDefinitions": {"parameters": {key: _typed(each.kind) for key, each in RUN_PARAMETERS.items()}},
    }
    given = {key: _constant(value) for key, value in {**constants, RUN_ID: _RUN_ID_VALUE}.items()}
    return {
        WATCHED: {
            "componentRef": {"name": f"comp-{WATCHED}"},
            "inputs": {"parameters": {key: {"componentInputParameter": key} for key in RUN_PARAMETERS}},
            "taskInfo": {"name": WATCHED},
        },
        name: {
            "componentRef": {"name": f"comp-{name}"},
            "dependentTasks": [WATCHED],
            "inputs": {"parameters": {**given, PUSH_URI: {"componentInputParameter": PUSH_URI}}},
            "taskInfo": {"name": name},
            "triggerPolicy": {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"},
        },
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
