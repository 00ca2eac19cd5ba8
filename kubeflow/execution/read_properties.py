"""From the parameters of a step to the execution properties of its executor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from agnews.kubeflow.execution.step_contract import StepContract
from agnews.schemas.errors import AgnewsError


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
    missing = sorted(set(contract.parameters) - set(values))
    if missing:
        raise AgnewsError(
            f"{contract.node} was not given all of its parameters.",
            found=f"no {', '.join(missing)}",
            fix="Compile and submit the pipeline again, with the version of agnews that is in the image.",
        )
    return {name: _cast(name, values[name], kind) for name, kind in contract.parameters.items()}


def _cast(name: str, value: Any, kind: str) -> Any:
    try:
        return _CASTS[kind](value)
    except (TypeError, ValueError) as error:
        raise AgnewsError(
            f"The parameter {name} is not of the type {kind}.", found=repr(value), fix=f"Give a value of type {kind}."
        ) from error
