"""Requests and answers in the form of the Open Inference Protocol, version 2, which KServe and Triton speak."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from agnews.components.model_server.json_response import HttpError, Limits
from agnews.components.model_server.predict_request import check_count, check_length, read_json_object
from agnews.components.model_server.served_version import Outputs

_SHOWN = 200
_HALVES = re.compile("[\ud800-\udfff]")
_DEEPEST = 8
_BYTES = "BYTES"
_OF_ARRAYS = {"f4": "FP32", "i8": "INT64", "i4": "INT32", "b1": "BOOL"}
_TYPES = {"DT_STRING": _BYTES, "DT_INT64": "INT64", "DT_INT32": "INT32", "DT_FLOAT": "FP32", "DT_BOOL": "BOOL"}


@dataclass(frozen=True)
class InferRequest:
    """What a client asks.

    Attributes:
        values: UTF-8 bytes, one text a row.
        outputs: Names of the outputs that are wanted, in order.
        id: The client's own name for the request, which the answer repeats; None where it gave none.
    """

    values: list[bytes]
    outputs: tuple[str, ...]
    id: str | None = None


def read_infer_request(body: bytes, argument: str, outputs: Sequence[str], limits: Limits) -> InferRequest:
    """Reads a request.

    Args:
        body: JSON.
        argument: Name of the model's input.
        outputs: Names of what it returns; all of them are wanted where the request names none.
        limits: Most texts, and longest text.

    Returns:
        The request.

    Raises:
        HttpError: 400 where the form is wrong, 422 where a limit is exceeded.

    References:
        https://github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md
    """
    document = read_json_object(body)
    tensors = document.get("inputs")
    if not isinstance(tensors, list) or len(tensors) != 1 or not isinstance(tensors[0], dict):
        raise HttpError(400, f"`inputs` must be a list of one tensor, `{argument}`.")
    (tensor,) = tensors
    if tensor.get("name") != argument:
        raise HttpError(400, f"The model has no input {_show(tensor.get('name'))}; its only one is `{argument}`.")
    if tensor.get("datatype") != _BYTES:
        raise HttpError(400, f"The datatype of `{argument}` is {_BYTES}, not {_show(tensor.get('datatype'))}.")
    parameters = tensor.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise HttpError(400, f"`parameters` must be an object, not {_show(parameters)}.")
    if "binary_data_size" in parameters:
        raise HttpError(400, "This server does not read the binary extension; send `data` as JSON.")
    shape = _shape(tensor.get("shape"))
    check_count(math.prod(shape), limits)
    values = list(_texts(tensor.get("data"), 0, limits))
    if len(values) != math.prod(shape):
        raise HttpError(400, f"`data` has {len(values):,} texts, and shape {list(shape)} is for {math.prod(shape):,}.")
    if not values:
        raise HttpError(400, "There is no text in the request.")
    return InferRequest(values, _wanted(document.get("outputs"), outputs), _id(document.get("id")))


def _id(given: Any) -> str | None:
    # Bytes that are no UTF-8 are taken in texts; here they would have to be sent back.
    if given is not None and not (isinstance(given, str) and _HALVES.search(given) is None):
        raise HttpError(400, f"`id` must be a string of UTF-8, not {_show(given)}.")
    return given


def _shape(given: Any) -> tuple[int, ...]:
    if not isinstance(given, list) or not given or len(given) > _DEEPEST:
        raise HttpError(400, f"`shape` must be a list of 1 to {_DEEPEST} sizes, not {_show(given)}.")
    if not all(isinstance(size, int) and not isinstance(size, bool) and size >= 0 for size in given):
        raise HttpError(400, f"`shape` must be a list of whole numbers, not {_show(given)}.")
    return tuple(given)


def _texts(data: Any, level: int, limits: Limits) -> Iterator[bytes]:
    """In row-major order, however they are nested."""
    if not isinstance(data, list) or level > _DEEPEST:
        raise HttpError(400, f"`data` must be a list of texts, not {_show(data)}.")
    check_count(len(data), limits)
    for number, each in enumerate(data):
        if isinstance(each, str):
            yield check_length(each.encode(errors="surrogateescape"), number, limits)
        else:
            yield from _texts(each, level + 1, limits)


def _wanted(given: Any, outputs: Sequence[str]) -> tuple[str, ...]:
    if given is None:
        return tuple(outputs)
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise HttpError(400, f"`outputs` must be a list of objects with a name, not {_show(given)}.")
    names = tuple(dict.fromkeys(str(each.get("name")) for each in given))
    if unknown := [name for name in names if name not in outputs]:
        raise HttpError(400, f"The model has no output {_show(unknown[0])}; it has {', '.join(sorted(outputs))}.")
    return names or tuple(outputs)


def _show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def write_infer_response(name: str, version: str, asked: InferRequest, outputs: Outputs) -> bytes:
    """Writes an answer.

    Args:
        name: Of the model.
        version: That answered.
        asked: The request.
        outputs: Arrays by name, one row a text.

    Returns:
        JSON; data are in row-major order, and 32-bit numbers have as few digits as tell them apart.
    """
    document: dict[str, Any] = {"model_name": name, "model_version": version}
    if asked.id is not None:
        document["id"] = asked.id
    document["outputs"] = [_tensor(each, outputs[each]) for each in asked.outputs]
    if all(np.isfinite(values).all() for values in outputs.values() if values.dtype.kind == "f"):
        return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    return json.dumps(document, default=lambda value: value.tolist(), separators=(",", ":")).encode()


def _tensor(name: str, values: NDArray[Any]) -> dict[str, Any]:
    flat = values.reshape(-1)
    data: Any
    if values.dtype == object:
        kind, data = _BYTES, [each.decode(errors="replace") for each in flat.tolist()]
    else:
        kind, data = (
            _OF_ARRAYS[values.dtype.str[1:]],
            np.ascontiguousarray(flat),
        )
    return {"name": name, "datatype": kind, "shape": list(values.shape), "data": data}


def model_description(name: str, versions: Sequence[str], signature: Mapping[str, Any]) -> dict[str, Any]:
    """Describes the model.

    Args:
        name: Of the model.
        versions: That are served.
        signature: From `ServedVersion.describe_signatures`.

    Returns:
        The answer to `GET /v2/models/NAME`.
    """
    return {
        "name": name,
        "versions": list(versions),
        "platform": "tensorflow_savedmodel",
        "inputs": _describe(signature["inputs"]),
        "outputs": _describe(signature["outputs"]),
    }


def _describe(tensors: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "datatype": _TYPES[info["dtype"]],
            "shape": [int(each["size"]) for each in info["tensor_shape"]["dim"]],
        }
        for name, info in sorted(tensors.items())
    ]
