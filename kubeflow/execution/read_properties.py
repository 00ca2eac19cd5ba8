"""From the parameters of a step to the execution properties of its executor."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from agnews.kubeflow.execution.step_contract import StepContract
from agnews.schemas.errors import AgnewsError

_CASTS: dict[str, Callable[[Any], Any]] = {"bool": int, "float": float, "int": int, "str": str}


def read_properties(values: Mapping[str, Any], contract: StepContract) -> dict[str, Any]:
    """Types the parameters and puts those in place that belong inside another.

    Args:
        values: `inputs.parameterValues` of ExecutorInput.
        contract: Types of the step.

    Returns:
        The execution properties. TFX has no booleans: they become 0 and 1.

    Raises:
        AgnewsError: A value is missing that the step was compiled with, or is not of its type.
    """
    missing = sorted({*contract.parameters, *contract.overrides} - set(values))
    if missing:
        raise AgnewsError(
            f"{contract.node} was not given all of its parameters.",
            found=f"no {', '.join(missing)}",
            fix="Compile and submit the pipeline again, with the version of agnews that is in the image.",
        )
    properties = {name: _cast(name, values[name], kind) for name, kind in contract.parameters.items()}
    for name, path in contract.overrides.items():
        target, *keys = path
        properties[target] = _put(properties[target], keys, values[name])
    return properties


def _cast(name: str, value: Any, kind: str) -> Any:
    try:
        return _CASTS[kind](value)
    except (TypeError, ValueError) as error:
        raise AgnewsError(
            f"The parameter {name} is not of the type {kind}.", found=repr(value), fix=f"Give a value of type {kind}."
        ) from error


def _put(document: str, keys: list[str], value: Any) -> str:
    tree = json.loads(document)
    place = tree
    for key in keys[:-1]:
        place = place[key]
    # Kubeflow hands integers over as floats.
    place[keys[-1]] = int(value) if isinstance(value, float) and value.is_integer() else value
    return json.dumps(tree)
