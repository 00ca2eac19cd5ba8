"""Reads the JSON of a prediction request as TensorFlow Serving reads it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from agnews.components.model_server.json_response import HttpError, Limits
from agnews.schemas.features import SERVE_TEXT

_SHOWN = 200
_KINDS = {type(None): "Null", dict: "Object", list: "Array", str: "String", int: "Number", float: "Number"}


@dataclass(frozen=True)
class PredictRequest:
    """What a client asks.

    Attributes:
        signature: Name of the function of the model.
        values: UTF-8 bytes, one string a row.
        is_row_form: Whether it came as `instances`, so that the answer goes out as `predictions`; otherwise it came as
            `inputs`, and goes out as `outputs`.
    """

    signature: str
    values: list[bytes]
    is_row_form: bool


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
        and a text that is not UTF-8 must come as `b64`.
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
            "keys to exist ",
        )
    if "instances" in document:
        values = _from_instances(document, argument, limits)
    elif "inputs" in document:
        values = _from_inputs(document["inputs"], argument, limits)
    else:
        raise HttpError(400, "Missing 'inputs' or 'instances' key")
    return PredictRequest(signature, values, "instances" in document)


def read_json_object(body: bytes) -> dict[str, Any]:
    """Parses a body that has to be a JSON object.

    Args:
        body: JSON.

    Returns:
        The object.

    Raises:
        HttpError: 400 where it is none.
    """
    if not body:
        raise HttpError(400, "JSON Parse error: The document is empty")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise HttpError(400, f"JSON Parse error: {error.msg} at offset: {error.pos}") from None
    if not isinstance(document, dict):
        raise HttpError(400, f"JSON Value: {_show(document)} Is not object")
    return document


def _from_instances(document: Mapping[str, Any], argument: str, limits: Limits) -> list[bytes]:
    instances = document["instances"]
    if not isinstance(instances, list):
        raise HttpError(400, f"JSON Value: {_show(document)} Excepting 'instances' to be an list/array")
    if not instances:
        raise HttpError(400, f"JSON Value: {_show(document)} No values in 'instances' array")
    _check_count(len(instances), limits)
    if not _is_named(instances[0]):
        return list(_plain_instances(instances, limits))
    return list(_named_instances(instances, argument, limits))


def _plain_instances(instances: Iterable[Any], limits: Limits) -> Iterable[bytes]:
    for number, value in enumerate(instances):
        if _is_named(value):
            raise HttpError(400, f"Expecting value/list but got object at item {number} of input list")
        try:
            yield _string(value, number, limits)
        except ValueError as error:
            raise HttpError(
                400, f"Failed to process element: {number} of 'instances' list. Error: INVALID_ARGUMENT: {error}"
            ) from None


def _named_instances(instances: Iterable[Any], argument: str, limits: Limits) -> Iterable[bytes]:
    for number, named in enumerate(instances):
        if not _is_named(named):
            raise HttpError(400, f"Expecting object but got list at item {number} of input list")
        if unknown := [key for key in named if key != argument]:
            raise HttpError(
                400,
                f"Failed to process element: {number} key: {unknown[0]} of 'instances' list. Error: INVALID_ARGUMENT: "
                f"JSON object: does not have named input: {unknown[0]}",
            )
        if argument not in named:
            raise HttpError(
                400,
                f"Failed to process element: {number} of 'instances' list. JSON object: {_show(named)} keys must be "
                f"equal to: {argument}",
            )
        try:
            yield _string(named[argument], number, limits)
        except ValueError as error:
            raise HttpError(
                400,
                f"Failed to process element: {number} key: {argument} of 'instances' list. Error: INVALID_ARGUMENT: "
                f"{error}",
            ) from None


def _from_inputs(inputs: Any, argument: str, limits: Limits) -> list[bytes]:
    if _is_named(inputs):
        if argument not in inputs:
            raise HttpError(400, f"Missing named input: {argument} in 'inputs' object.")
        inputs = inputs[argument]
    if not isinstance(inputs, list):
        raise HttpError(400, f"Input {argument} has shape [], but the model takes a list of strings.")
    _check_count(len(inputs), limits)
    try:
        return [_string(value, number, limits) for number, value in enumerate(inputs)]
    except ValueError as error:
        raise HttpError(400, str(error)) from None


def _string(value: Any, number: int, limits: Limits) -> bytes:
    if isinstance(value, str):
        found = value.encode()
    elif isinstance(value, dict):
        found = _decode(value)
    elif isinstance(value, list):
        raise ValueError(f"Encountered list at unexpected level: 0 expected < 0: {_show(value)}")
    else:
        kind = str(value) if isinstance(value, bool) else _KINDS[type(value)]
        raise ValueError(f"JSON Value: {_show(value)} Type: {kind} is not of expected type: string")
    if len(found) > limits.text_bytes:
        raise HttpError(
            422, f"Text {number} has {len(found):,} bytes; this server takes up to {limits.text_bytes:,} a text."
        )
    return found


def _decode(value: Mapping[str, Any]) -> bytes:
    if not _is_base64(value):
        raise ValueError(f"JSON Value: {_show(value)} not formatted correctly for base64 data")
    encoded = "".join(value["b64"].split()).rstrip("=")
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("Unable to base64 decode") from None


def _check_count(count: int, limits: Limits) -> None:
    if count > limits.instances:
        raise HttpError(422, f"{count:,} texts in one request; this server takes up to {limits.instances:,}.")


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and not _is_base64(value)


def _is_base64(value: Mapping[str, Any]) -> bool:
    return len(value) == 1 and isinstance(value.get("b64"), str)


def _show(value: Any) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
