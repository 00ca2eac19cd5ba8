"""Do the values fit what the pipeline takes?"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Mapping

from agnews.kubeflow.client.compiled_pipeline import Parameter
from agnews.schemas.errors import AgnewsError

_FITS: dict[str, Callable[[object], bool]] = {
    "STRING": lambda value: isinstance(value, str),
    "NUMBER_INTEGER": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "NUMBER_DOUBLE": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "BOOLEAN": lambda value: isinstance(value, bool),
    "LIST": lambda value: isinstance(value, list),
    "STRUCT": lambda value: isinstance(value, dict),
}
_EXAMPLES = {
    "STRING": "some text",
    "NUMBER_INTEGER": "3",
    "NUMBER_DOUBLE": "0.5",
    "BOOLEAN": "true",
    "LIST": '["a", "b"]',
    "STRUCT": '{"key": 1}',
}


def check_parameters(declared: Mapping[str, Parameter], given: Mapping[str, object]) -> dict[str, object]:
    """Compares values with what the pipeline declares.

    Args:
        declared: Parameters of the pipeline, by name.
        given: Values by name, typed as in YAML.

    Returns:
        The values that were given.

    Raises:
        AgnewsError: If a name is unknown (with the closest one), a type is wrong, or a required value is missing.
    """
    for name, value in given.items():
        parameter = _declared(declared, name)
        fits = _FITS.get(parameter.kind)
        if fits is not None and not fits(value):
            raise _wrong(name, parameter, value)
    missing = [name for name, parameter in declared.items() if parameter.required and name not in given]
    if missing:
        raise AgnewsError(
            "The pipeline needs values that were not given.",
            found=", ".join(missing),
            fix=f"Add --param {missing[0]}={_example(declared[missing[0]])}, or write it to the schedule.",
        )
    return dict(given)


def parse_parameters(declared: Mapping[str, Parameter], pairs: Iterable[str]) -> dict[str, object]:
    """Reads values from a command line.

    Args:
        declared: Parameters of the pipeline, by name; they say what a text is to become.
        pairs: Texts `NAME=VALUE`; values of other kinds than STRING are JSON.

    Returns:
        Values by name, typed and checked.

    Raises:
        AgnewsError: As `check_parameters`, and if a text has no `=` or a value is no JSON.
    """
    values: dict[str, object] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise AgnewsError("A parameter must be NAME=VALUE.", found=pair, fix="Write --param epochs=3")
        parameter = _declared(declared, name)
        values[name] = text if parameter.kind == "STRING" else _parse(name, parameter, text)
    return check_parameters(declared, values)


def _declared(declared: Mapping[str, Parameter], name: str) -> Parameter:
    if name in declared:
        return declared[name]
    close = difflib.get_close_matches(name, declared, n=1)
    raise AgnewsError(
        f"The pipeline has no parameter {name}.",
        found=f"it has {', '.join(sorted(declared)) or 'none'}",
        fix=f"Did you mean {close[0]}?" if close else "Leave it out, or compile a pipeline that has it.",
    )


def _parse(name: str, parameter: Parameter, text: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        raise _wrong(name, parameter, text) from error


def _wrong(name: str, parameter: Parameter, value: object) -> AgnewsError:
    return AgnewsError(
        f"The parameter {name} must be of the type {parameter.kind}.",
        found=f"{value!r} ({type(value).__name__})",
        fix=f"Write, for example, {name}={_example(parameter)}",
    )


def _example(parameter: Parameter) -> str:
    return _EXAMPLES.get(parameter.kind, "VALUE")
