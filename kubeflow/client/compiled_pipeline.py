"""A compiled pipeline: what a server of Kubeflow Pipelines 2 takes."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from agnews.kubeflow.planning.run_parameters import CONFIGS, DATA_URI, EPOCHS, MODEL, PUSH_URI
from agnews.schemas.errors import AgnewsError
from agnews.schemas.json_text import read_json
from agnews.schemas.yaml_text import read_yaml_documents

SCHEMA_VERSION = "2.1.0"
_COMPILE = "Compile the pipeline with agnews compile."


@dataclass(frozen=True)
class Parameter:
    """A parameter that a run of the pipeline takes.

    Attributes:
        kind: STRING, NUMBER_INTEGER, NUMBER_DOUBLE, BOOLEAN, LIST or STRUCT.
        required: Whether a run must give it.
        default: What it is otherwise.
        choices: The only values that it may have; empty for any.
        least: The least number that it may be.
        blank: Whether a text may be empty.
    """

    kind: str
    required: bool
    default: object = None
    choices: tuple[str, ...] = ()
    least: float | None = None
    blank: bool = True


@dataclass(frozen=True)
class CompiledPipeline:
    """A compiled pipeline that was checked.

    Attributes:
        name: Name of the pipeline.
        text: YAML, as it is uploaded.
        digest: SHA-256 of the content, 64 hexadecimal digits; comments and layout do not count.
        parameters: The parameters of a run, by name.
        spec: The pipeline spec.
    """

    name: str
    text: str
    digest: str
    parameters: Mapping[str, Parameter]
    spec: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, text: str) -> CompiledPipeline:
        """Checks a compiled pipeline before anything is sent.

        Args:
            text: YAML: the pipeline spec, and perhaps a second document with the key `platforms`.

        Returns:
            The pipeline.

        Raises:
            AgnewsError: If the server would not take it; the message says why.
        """
        documents = _documents(text)
        spec = documents[0]
        _check_kind(spec)
        if spec.get("schemaVersion") != SCHEMA_VERSION:
            raise AgnewsError(
                f"The pipeline's schemaVersion must be {SCHEMA_VERSION}: the server accepts no other.",
                found=spec.get("schemaVersion", "none"),
                fix=_COMPILE,
            )
        missing = [key for key in ("pipelineInfo", "root", "components", "deploymentSpec") if key not in spec]
        if missing:
            raise AgnewsError("The compiled pipeline is incomplete.", found=f"no {', '.join(missing)}", fix=_COMPILE)
        for document in documents[1:]:
            if set(document) != {"platforms"}:
                raise AgnewsError(
                    "The documents after the first must hold `platforms` and nothing else.",
                    found=", ".join(document),
                    fix=_COMPILE,
                )
        content = json.dumps(documents, sort_keys=True, ensure_ascii=False, default=str)
        return cls(
            name=str(spec["pipelineInfo"].get("name", "")),
            text=text,
            digest=hashlib.sha256(content.encode()).hexdigest(),
            parameters=declared_parameters(spec),
            spec=spec,
        )


def declared_parameters(spec: Mapping[str, Any]) -> dict[str, Parameter]:
    """Returns the parameters of a pipeline spec (or of what the server gives back for one), by name."""
    # The server gives back {pipeline_spec, platform_spec} where there was a second document.
    spec = spec.get("pipeline_spec", spec)
    declared = (spec.get("root", {}).get("inputDefinitions") or {}).get("parameters") or {}
    plan = _plan_constants(spec)
    return {
        name: Parameter(
            kind=definition.get("parameterType", "STRING"),
            required=not definition.get("isOptional", False) and "defaultValue" not in definition,
            default=definition.get("defaultValue"),
            choices=tuple(sorted(plan.get(CONFIGS, {}))) if name == MODEL else (),
            least=0 if plan and name == EPOCHS else None,
            blank=not (plan and name in (DATA_URI, PUSH_URI)),
        )
        for name, definition in declared.items()
    }


def _plan_constants(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What our step Plan was compiled with; nothing for the pipeline of somebody else."""
    # It stands in a group where a step behind it tells how the run ended.
    places = (spec.get("root", {}), *(spec.get("components") or {}).values())
    found = (((place.get("dag") or {}).get("tasks") or {}).get("plan") for place in places)
    inputs = (next((plan for plan in found if plan), None) or {}).get("inputs") or {}
    values = {
        name: (given.get("runtimeValue") or {}).get("constant") for name, given in inputs.get("parameters", {}).items()
    }
    return {name: value for name, value in values.items() if isinstance(value, dict)}


def _documents(text: str) -> list[dict[str, Any]]:
    try:
        documents = [document for document in read_yaml_documents(text) if document is not None]
    except yaml.YAMLError as error:
        raise AgnewsError(
            "The compiled pipeline is no YAML.", found=" ".join(str(error).split()), fix=_COMPILE
        ) from error
    if not documents or not all(isinstance(document, dict) for document in documents):
        raise AgnewsError("The compiled pipeline holds no mapping.", found=text[:60] or "nothing", fix=_COMPILE)
    return documents


def _check_kind(spec: Mapping[str, Any]) -> None:
    if "pipelineSpec" in spec:
        raise AgnewsError(
            "This is a PipelineJob, as TFX writes for Vertex AI; a Kubeflow Pipelines server takes the spec alone.",
            found=f"pipelineSpec, schemaVersion {spec['pipelineSpec'].get('schemaVersion', 'none')}",
            fix=_COMPILE,
        )
    if str(spec.get("apiVersion", "")).startswith("argoproj.io/"):
        raise AgnewsError(
            "This is an Argo workflow, as Kubeflow Pipelines 1 took.", found=spec["apiVersion"], fix=_COMPILE
        )


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
        _check_value(name, parameter, value)
    missing = [name for name, parameter in declared.items() if parameter.required and name not in given]
    if missing:
        raise AgnewsError(
            "The pipeline needs values that were not given.",
            found=", ".join(missing),
            fix=f"Add --param {missing[0]}={_example(declared[missing[0]])}; a schedule has them under `parameters`.",
        )
    return dict(given)


def _check_value(name: str, parameter: Parameter, value: object) -> None:
    """What the first step of the run would refuse, hours later for a schedule."""
    if parameter.choices and value not in parameter.choices:
        close = difflib.get_close_matches(str(value), parameter.choices, n=1)
        raise AgnewsError(
            f"The parameter {name} must be one of those that the pipeline was compiled with.",
            found=repr(value),
            fix=(f"Did you mean {close[0]}? " if close else "") + f"There are {', '.join(parameter.choices)}.",
        )
    if parameter.least is not None and isinstance(value, int | float) and value < parameter.least:
        raise AgnewsError(
            f"The parameter {name} must not be less than {parameter.least:g}.", found=value, fix=f"Write {name}=3"
        )
    if not parameter.blank and isinstance(value, str) and value != value.strip():
        raise AgnewsError(
            f"The parameter {name} begins or ends with a blank.", found=repr(value), fix="Leave the blanks out."
        )
    if not parameter.blank and value == "":
        raise AgnewsError(f"The parameter {name} is empty.", found=f"{name}=''", fix="Give a folder or a URI.")


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
        return read_json(text)
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
