"""From a node of the pipeline to its contract with the entrypoint."""

from __future__ import annotations

from typing import Any

from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec

from agnews.kubeflow.execution.step_contract import ParameterKind, StepContract

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
