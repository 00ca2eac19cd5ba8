"""Writes the outputs of the model as TensorFlow Serving writes them."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from agnews.components.model_server.served_version import Outputs

_BYTES_SUFFIX = "_bytes"


def write_predict_answer(outputs: Outputs, *, is_row_form: bool) -> bytes:
    """Writes an answer in the form of its request.

    Args:
        outputs: Arrays by name, all with one row a text.
        is_row_form: `{"predictions": [...]}`, an object or a value a row; otherwise `{"outputs": ...}`, an array for
            each name.

    Returns:
        JSON. 32-bit numbers have as few digits as tell them apart; NaN and Infinity are written as such.

    References:
        tensorflow_serving/util/json_tensor.cc, `MakeJsonFromTensors`.
    """
    columns = {name: _column(name, values) for name, values in outputs.items()}
    document: dict[str, Any]
    if not is_row_form:
        document = {"outputs": columns if len(columns) > 1 else next(iter(columns.values()))}
    elif len(columns) > 1:
        rows = zip(*columns.values(), strict=True)
        document = {"predictions": [dict(zip(columns, row, strict=True)) for row in rows]}
    else:
        document = {"predictions": list(*columns.values())}
    if all(np.isfinite(values).all() for values in outputs.values() if values.dtype.kind == "f"):
        return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    return json.dumps(document, default=lambda value: value.tolist(), separators=(",", ":")).encode()


def _column(name: str, values: NDArray[Any]) -> Any:
    if values.dtype != object:
        return np.ascontiguousarray(values)
    return _strings(values.tolist(), as_base64=name.endswith(_BYTES_SUFFIX))


def _strings(values: Any, *, as_base64: bool) -> Any:
    if isinstance(values, list):
        return [_strings(value, as_base64=as_base64) for value in values]
    return {"b64": base64.b64encode(values).decode()} if as_base64 else values.decode(errors="replace")
