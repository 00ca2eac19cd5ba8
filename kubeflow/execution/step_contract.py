"""What the compiler tells the entrypoint about a step."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

ParameterKind = Literal["bool", "float", "int", "str"]


class StepContract(BaseModel):
    """What Kubeflow Pipelines does not hand over: the types of our component specs.

    An artifact reaches a step as `system.Artifact` with an empty schema, and an integer as a float. So the command of
    each step carries its own types.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    node: str
    """Name of the node in the pipeline."""
    executor: str
    """Import path of the executor class."""
    inputs: dict[str, str] = {}
    """Import path of the artifact class of each input."""
    outputs: dict[str, str] = {}
    """Import path of the artifact class of each output."""
    parameters: dict[str, ParameterKind] = {}
    """Kind of each property that the executor reads."""
    run_id: str | None = None
    """Parameter that holds the id of the run; None where the step is not told, so that it can be cached."""
    beam_args: tuple[str, ...] | None = None
    """Arguments for Beam; None for an executor that does not use it."""
