"""What the compiler tells the entrypoint about a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from agnews.kubeflow.worker_pods.pod_contract import PodContract
from agnews.schemas.errors import AgnewsError

ParameterKind = Literal["bool", "float", "int", "str"]


class NotePlace(BaseModel):
    """Where a node leaves what it has decided, for the step that tells how the run ended."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    store: str
    """Parameter that holds the URI of the store of models."""
    model: str
    """Name of the served model."""


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
    note: NotePlace | None = None
    """Where it leaves what it has decided; None where nobody is told."""
    beam_args: tuple[str, ...] | None = None
    """Arguments for Beam; None for an executor that does not use it."""
    prefix: str = ""
    """What the names of its parameters and outputs begin with, in a step that runs several nodes."""
    sources: dict[str, str] = {}
    """By input, in such a step: the name of the artifact there, an input of the step or an output of a node before."""
    pods: PodContract | None = None
    """The pods that do its work in its place; None where it does it itself."""
    cache: bool = True
    """Whether the result of an earlier run may stand in for it, in such a step."""


class GroupContract(BaseModel):
    """A step that runs several nodes, one after the other."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str
    """Of the step."""
    index_uri: str = ""
    """Folder or URI that keeps what earlier runs have made; empty for none."""
    members: tuple[StepContract, ...]


def _whole(value: Any) -> int:
    # JSON knows one kind of number, and a parameter may be given by hand.
    if float(value) != int(value):
        raise ValueError(value)
    return int(value)


_CASTS: dict[str, Callable[[Any], Any]] = {"bool": _whole, "float": float, "int": _whole, "str": str}


def read_properties(values: Mapping[str, Any], contract: StepContract) -> dict[str, Any]:
    """Gives the parameters the types that the executor knows.

    Args:
        values: `inputs.parameterValues` of ExecutorInput.
        contract: Types of the step.

    Returns:
        The execution properties. TFX has no booleans: they become 0 and 1.

    Raises:
        AgnewsError: A value is missing that the step was compiled with, or is not of its type.
    """
    missing = sorted(name for name in contract.parameters if contract.prefix + name not in values)
    if missing:
        raise AgnewsError(
            f"{contract.node} was not given all of its parameters.",
            found=f"no {', '.join(missing)}",
            fix="Compile and submit the pipeline again, with the version of agnews that is in the image.",
        )
    return {name: _cast(name, values[contract.prefix + name], kind) for name, kind in contract.parameters.items()}


def _cast(name: str, value: Any, kind: str) -> Any:
    try:
        return _CASTS[kind](value)
    except (TypeError, ValueError) as error:
        raise AgnewsError(
            f"The parameter {name} is not of the type {kind}.", found=repr(value), fix=f"Give a value of type {kind}."
        ) from error
