"""JSON of rows, which holds more than JSON proper."""

from __future__ import annotations

import json
from typing import Any

import orjson

from agnews.components.corpus_files.record import Reason, UnusableText


def parse_json(raw: bytes) -> Any:
    """Parses a JSON value, and puts up with what stands in keys that nobody asks for.

    Beside JSON proper: NaN and Infinity, which Python and pandas write; numbers of any size; bytes that are no UTF-8,
    which become surrogates; halves of surrogate pairs. What a text must not hold is checked where the texts are.

    Args:
        raw: The value, UTF-8.

    Returns:
        The value. Of an endless number, the kind alone is right.

    Raises:
        UnusableText: It is no JSON.
    """
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        try:
            return json.loads(raw.decode("utf-8", "surrogateescape"), parse_int=_integer)
        except (ValueError, RecursionError):
            raise UnusableText(Reason.JSON, str(error)) from None


def _integer(digits: str) -> int:
    # Python refuses to make a number of more than 4,300 digits.
    return int(digits) if len(digits) < 100 else len(digits)


def kind_of_json(value: object) -> str:
    """Says in a word what a value is."""
    names = {
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "a string",
        list: "an array",
        dict: "an object",
    }
    return names.get(type(value), "null")
