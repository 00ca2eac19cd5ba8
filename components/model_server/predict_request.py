"""Reads the JSON of a prediction request as TensorFlow Serving reads it."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from agnews.components.model_server.json_response import HttpError, Limits
from agnews.components.model_server.tolerant_json import MOST_BYTES, JsonObject, JsonSyntaxError, read_tolerant_json
from agnews.schemas.features import SERVE_TEXT

_SHOWN = 200
_DEEPEST = 32
"""Of a tensor; a request is a list of texts, and some clients wrap it once or twice more."""
_KINDS = {str: "String", int: "Number", float: "Number", type(None): "Null", list: "Array"}
_COUNTED = (b'"instances"', b'"inputs"', b'"signature_name"')
_BASE64 = b'"b64"'
_WHITE = str.maketrans("", "", " \t\n\v\f\r")
_PADDING = re.compile(r"[=.]*$")


@dataclass(frozen=True)
class PredictRequest:
    """What a client asks.

    Attributes:
        signature: Name of the function of the model.
        values: UTF-8 bytes, one string a row.
        is_row_form: Whether it came as `instances`, so that the answer goes out as `predictions`; otherwise it came as
            `inputs`, and goes out as `outputs`.
        shape: Of the tensor that the client sent; the outputs are given the same form.
        k: How many of the likeliest classes are wanted by name; None: the probabilities of all.
    """

    signature: str
    values: list[bytes]
    is_row_form: bool
    shape: tuple[int, ...]
    k: int | None = None


def read_predict_request(body: bytes, argument_of: Callable[[str], str], limits: Limits) -> PredictRequest:
    """Reads a request in row or column form.

    Args:
        body: JSON.
        argument_of: Gives the name of a signature's only input; raises HttpError where there is no such signature.
        limits: Most instances, and longest text.

    Returns:
        The request.

    Raises:
        HttpError: 400 in the words of TensorFlow Serving where the form is wrong, 422 where a limit is exceeded.

    References:
        tensorflow_serving/util/json_tensor.cc, `FillPredictRequestFromJson`. Unlike there, values in messages are cut,
        and of two texts of one name in one instance the first counts. `k` is an addition.
    """
    document = read_json_object(body)
    signature = document.get("signature_name", "")
    if not isinstance(signature, str):
        raise HttpError(
            400, f"JSON Value: {_show(document)} not formatted correctly. 'signature_name' key must be a string value."
        )
    signature = signature or SERVE_TEXT
    argument = argument_of(signature)
    if "instances" in document and "inputs" in document:
        raise HttpError(
            400,
            f"JSON Value: {_show(document)} Not formatted correctly expecting only one of 'inputs' or 'instances' "
            "keys to exist",
        )
    if "instances" in document:
        if _may_repeat(body, document["instances"], argument):
            document = _read_again(body)
        values, shape = _from_instances(document, argument, limits)
    elif "inputs" in document:
        if _may_repeat(body, [document["inputs"]], argument):
            document = _read_again(body)
        values, shape = _from_inputs(document["inputs"], argument, limits)
    else:
        raise HttpError(400, "Missing 'inputs' or 'instances' key")
    return PredictRequest(signature, values, "instances" in document, shape, _read_k(document))


def _read_k(document: Mapping[str, Any]) -> int | None:
    k = document.get("k")
    if k is not None and (not isinstance(k, int) or isinstance(k, bool) or k < 1):
        raise HttpError(400, f"JSON Value: {_show(k)} 'k' must be a whole number from 1: how many classes to name.")
    return k


def read_json_object(body: bytes) -> dict[str, Any]:
    """Parses a body that has to be a JSON object.

    Args:
        body: JSON.

    Returns:
        The object. Names that stand twice count once where they are those of a request.

    Raises:
        HttpError: 400 where it is none.
    """
    if not body:
        raise HttpError(400, "JSON Parse error: The document is empty")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if len(body) > MOST_BYTES:
            raise HttpError(400, f"JSON Parse error: {error.msg} at offset: {error.pos}") from None
        document = _read_again(body)
    else:
        if any(body.count(name) > 1 for name in _COUNTED):
            document = _read_again(body)
    if not isinstance(document, dict):
        raise HttpError(400, f"JSON Value: {_show(document)} Is not object")
    return document


def _read_again(body: bytes) -> Any:
    """Reads what the strict reader refuses, or does not read as TensorFlow Serving does."""
    if len(body) > MOST_BYTES:
        raise HttpError(400, f"A name stands twice in one object; beyond {MOST_BYTES:,} bytes that is refused.")
    try:
        return read_tolerant_json(body)
    except JsonSyntaxError as problem:
        raise HttpError(400, f"JSON Parse error: {problem}") from None


def _may_repeat(body: bytes, values: Any, argument: str) -> bool:
    """Whether a named input, or `b64`, may stand twice in one object."""
    if not isinstance(values, list) or not values or not isinstance(values[0], dict):
        return False
    if isinstance(values[0], JsonObject):
        return False
    return body.count(_BASE64) > len(values) or body.count(orjson.dumps(argument)) > len(values)


def _from_instances(document: Mapping[str, Any], argument: str, limits: Limits) -> tuple[list[bytes], tuple[int, ...]]:
    instances = document["instances"]
    if not isinstance(instances, list):
        raise HttpError(400, f"JSON Value: {_show(document)} Expecting 'instances' to be an list/array")
    if not instances:
        raise HttpError(400, f"JSON Value: {_show(document)} No values in 'instances' array")
    check_count(len(instances), limits)
    named = _is_named(instances[0])
    if not named and isinstance(instances[0], str):
        # Nearly all requests: no list in a list.
        shape: tuple[int, ...] = ()
    else:
        first = instances[0].get(argument) if named else instances[0]
        shape = _shape(first)
    check_count(len(instances) * math.prod(shape), limits)
    read = _named_instances if named else _plain_instances
    values = list(read(instances, argument, shape, limits))
    return values, (len(instances), *shape)


def _plain_instances(
    instances: Sequence[Any], argument: str, shape: tuple[int, ...], limits: Limits
) -> Iterator[bytes]:
    for number, value in enumerate(instances):
        if isinstance(value, str) and not shape:
            yield _text(value, number, limits)
            continue
        if _is_named(value):
            raise HttpError(400, f"Expecting value/list but got object at item {number} of input list")
        try:
            yield from _instance(value, shape, number, limits)
        except ValueError as error:
            raise HttpError(
                400, f"Failed to process element: {number} of 'instances' list. Error: INVALID_ARGUMENT: {error}"
            ) from None


def _named_instances(
    instances: Sequence[Any], argument: str, shape: tuple[int, ...], limits: Limits
) -> Iterator[bytes]:
    for number, named in enumerate(instances):
        if not _is_named(named):
            raise HttpError(400, f"Expecting object but got list at item {number} of input list")
        if unknown := [key for key in named if key != argument]:
            name = _cut(_readable(unknown[0]))
            raise HttpError(
                400,
                f"Failed to process element: {number} key: {name} of 'instances' list. Error: INVALID_ARGUMENT: "
                f"JSON object: does not have named input: {name}",
            )
        if argument not in named:
            raise HttpError(
                400,
                f"Failed to process element: {number} of 'instances' list. JSON object: {_show(named)} keys must be "
                f"equal to: {argument}",
            )
        try:
            yield from _instance(named[argument], shape, number, limits)
        except ValueError as error:
            raise HttpError(
                400,
                f"Failed to process element: {number} key: {argument} of 'instances' list. Error: INVALID_ARGUMENT: "
                f"{error}",
            ) from None


def _instance(value: Any, shape: tuple[int, ...], number: int, limits: Limits) -> Iterator[bytes]:
    """All instances must have the shape of the first one."""
    own = _shape(value)
    found = list(_fill(value, own, 0, number, limits))
    if math.prod(own) != math.prod(shape):
        raise ValueError(f"Expecting tensor size: {math.prod(shape)} but got: {math.prod(own)}")
    if own != shape:
        raise ValueError(f"Expecting shape {_brackets(shape)} but got: {_brackets(own)}")
    yield from found


def _from_inputs(inputs: Any, argument: str, limits: Limits) -> tuple[list[bytes], tuple[int, ...]]:
    if _is_named(inputs):
        if argument not in inputs:
            raise HttpError(400, f"Missing named input: {argument} in 'inputs' object.")
        inputs = inputs[argument]
    shape = _shape(inputs)
    check_count(math.prod(shape), limits)
    try:
        return list(_fill(inputs, shape, 0, 0, limits)), shape
    except ValueError as error:
        raise HttpError(400, str(error)) from None


def _shape(value: Any) -> tuple[int, ...]:
    """As the first values say; a text has none."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        if not value:
            break
        if len(shape) > _DEEPEST:
            raise HttpError(400, f"Lists are nested more than {_DEEPEST} deep.")
        value = value[0]
    return tuple(shape)


def _fill(value: Any, shape: tuple[int, ...], level: int, number: int, limits: Limits) -> Iterator[bytes]:
    if not isinstance(value, list):
        if level != len(shape):
            raise ValueError(
                f"JSON Value: {_show(value)} found at incorrect level: {level + 1} in the JSON DOM. Expected at level: "
                f"{len(shape)}"
            )
        yield _string(value, number, limits)
        return
    if level >= len(shape):
        raise ValueError(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise ValueError(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    for position, each in enumerate(value):
        yield from _fill(each, shape, level + 1, number if level else number + position, limits)


def _string(value: Any, number: int, limits: Limits) -> bytes:
    if isinstance(value, str):
        return _text(value, number, limits)
    if isinstance(value, dict):
        return check_length(_decode(value), number, limits)
    kind = str(value) if isinstance(value, bool) else _KINDS[type(value)]
    raise ValueError(f"JSON Value: {_show(value)} Type: {kind} is not of expected type: string")


def _text(value: str, number: int, limits: Limits) -> bytes:
    return check_length(value.encode(errors="surrogateescape"), number, limits)


def check_length(found: bytes, number: int, limits: Limits) -> bytes:
    """Returns a text that is not too long.

    Args:
        found: The text.
        number: Its place in the request.
        limits: What is taken.

    Raises:
        HttpError: 422 where it is too long.
    """
    if len(found) > limits.text_bytes:
        raise HttpError(
            422, f"Text {number} has {len(found):,} bytes; this server takes up to {limits.text_bytes:,} a text."
        )
    return found


def _decode(value: Mapping[str, Any]) -> bytes:
    """Decodes as Abseil's `Base64Unescape` does: padding may be left out, or must be right."""
    if not _is_base64(value):
        raise ValueError(f"JSON Value: {_show(value)} not formatted correctly for base64 data")
    encoded = value["b64"].translate(_WHITE)
    padding = _PADDING.search(encoded)
    given = len(padding.group()) if padding else 0
    encoded = encoded[: len(encoded) - given]
    missing = -len(encoded) % 4
    if given not in (0, missing):
        raise ValueError("Unable to base64 decode")
    try:
        return base64.b64decode(encoded + "=" * missing, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("Unable to base64 decode") from None


def check_count(count: int, limits: Limits) -> None:
    """Refuses a request of too many texts.

    Args:
        count: How many it has.
        limits: What is taken.

    Raises:
        HttpError: 422 where they are too many.
    """
    if count > limits.instances:
        raise HttpError(422, f"{count:,} texts in one request; this server takes up to {limits.instances:,}.")


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and not _is_base64(value)


def _is_base64(value: Mapping[str, Any]) -> bool:
    if len(value) != 1 or (isinstance(value, JsonObject) and value.repeated):
        return False
    return isinstance(value.get("b64"), str)


def _brackets(shape: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, shape))}]"


def _show(value: Any) -> str:
    """Writes a value as RapidJSON's pretty writer does, and stops where nobody would read on."""
    found, length = [], 0
    for part in _written(value, 0):
        found.append(part)
        length += len(part)
        if length > _SHOWN:
            break
    return _cut("".join(found))


def _written(value: Any, indent: int) -> Iterator[str]:
    if isinstance(value, dict) and value:
        inner = "    " * (indent + 1)
        yield "{\n"
        for number, (name, each) in enumerate(value.items()):
            yield f"{',' + chr(10) if number else ''}{inner}{_quoted(name)}: "
            yield from _written(each, indent + 1)
        yield f"\n{'    ' * indent}}}"
    elif isinstance(value, list):
        yield "["
        for number, each in enumerate(value):
            yield ", " if number else ""
            yield from _written(each, indent)
        yield "]"
    elif isinstance(value, str):
        yield _quoted(value)
    elif isinstance(value, float) and not math.isfinite(value):
        yield ""
    else:
        yield orjson.dumps(value).decode() if isinstance(value, bool | float | int | None) else "{}"


def _quoted(text: str) -> str:
    return orjson.dumps(_readable(text[: _SHOWN + 1])).decode()


def _readable(text: str) -> str:
    return text.encode(errors="surrogateescape").decode(errors="replace")


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
