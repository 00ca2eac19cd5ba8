"""The spec that a class of fields becomes."""

from __future__ import annotations

from typing import Annotated, ClassVar

import pytest
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.dsl.components.base.base_executor import BaseExecutor, EmptyExecutor
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec, ExecutorClassSpec
from tfx.types.channel import BaseChannel, Channel
from tfx.types.standard_artifacts import Examples, Model, Schema

from agnews.components.declared_component import DeclaredBeamComponent, DeclaredComponent


class Count(DeclaredComponent):
    EXECUTOR: ClassVar[type[BaseExecutor]] = EmptyExecutor
    OUTPUTS: ClassVar = {"model": Model}

    examples: Annotated[BaseChannel, Examples]
    name: str
    strict: bool
    most: int = 7


class Beam(DeclaredBeamComponent):
    EXECUTOR: ClassVar[type[BaseExecutor]] = BaseBeamExecutor
    OUTPUTS: ClassVar = {}

    share: float


def test_fields_become_inputs_outputs_and_properties() -> None:
    examples = Channel(type=Examples)
    node = Count(examples=examples, name="a", strict=True)
    assert node.id == "Count"
    assert dict(node.inputs) == {"examples": examples}
    assert node.outputs["model"].type is Model
    # TFX has no booleans, and a field with a value need not be given.
    assert node.exec_properties == {"name": "a", "strict": 1, "most": 7}
    assert type(node.exec_properties["strict"]) is int
    assert isinstance(node.executor_spec, ExecutorClassSpec)


def test_an_executor_with_beam_gets_its_arguments() -> None:
    node = Beam(share=0.5).with_beam_pipeline_args(["--runner=X"])
    assert isinstance(node.executor_spec, BeamExecutorSpec)
    assert node.executor_spec.beam_pipeline_args == ["--runner=X"]
    # Each node has arguments of its own, not those of its class.
    assert Beam(share=0.5).executor_spec.beam_pipeline_args == []


def test_what_is_missing_unknown_or_of_another_type_is_an_error_when_the_graph_is_built() -> None:
    examples = Channel(type=Examples)
    with pytest.raises(ValueError, match="Missing argument 'name'"):
        Count(examples=examples, strict=True)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="Count has no field nmae"):
        Count(examples=examples, name="a", strict=True, nmae="b")  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Count(examples=examples, name=3, strict=True)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Count(examples=Channel(type=Schema), name="a", strict=True)
