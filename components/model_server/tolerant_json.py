"""Reads JSON as TensorFlow Serving's reader does, which takes more than the standard and counts a name once.

References:
    RapidJSON 1.1 with `kParseNanAndInfFlag | kParseStopWhenDoneFlag`, its messages and its offsets.
"""

from __future__ import annotations

import re
from typing import Any

MOST_BYTES = 64 << 10
"""Longest document: this reader is a hundred times slower than the strict one, and clients wait for it in turn."""
_DEEPEST = 200
_SPACE = re.compile(rb"[ \t\r\n]*")
_PLAIN = re.compile(rb'[^"\\\x00-\x1f]*')
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)")
_REST_OF_NUMBER = re.compile(rb"(?:(\.)([0-9]*))?(?:([eE][+-]?)([0-9]*))?")
_NOT_FINITE = re.compile(rb"-?(?:NaN|Infinity|Inf)")
_HEX = re.compile(rb"[0-9a-fA-F]{4}")
_ESCAPES = {b'"': b'"', b"\\": b"\\", b"/": b"/", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_WORDS = {b"n": (b"null", None), b"t": (b"true", True), b"f": (b"false", False)}
_BOM = b"\xef\xbb\xbf"


class JsonSyntaxError(ValueError):
    """What is wrong with a document, in RapidJSON's words.

    Args:
        message: A sentence.
        offset: Byte at which it was noticed.
    """

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(f"{message} at offset: {offset}")


class JsonObject(dict[str, Any]):
    """An object in which the first of two members with one name counts.

    Attributes:
        repeated: Names that came again.
    """

    def __init__(self) -> None:
        super().__init__()
        self.repeated: set[str] = set()


def read_tolerant_json(body: bytes) -> Any:
    """Reads the first document of a body.

    A byte order mark, NaN and Infinity, bytes that are not UTF-8, half a surrogate pair, and whatever follows the
    document are taken.

    Args:
        body: Up to `MOST_BYTES`.

    Returns:
        The document; objects are `JsonObject`s. Strings turn into the bytes that were sent with
        `encode(errors="surrogateescape")`.

    Raises:
        JsonSyntaxError: It is no document.
    """
    reader = _Reader(body)
    position = reader.skip(len(_BOM) if body.startswith(_BOM) else 0)
    if position == len(body):
        raise JsonSyntaxError("The document is empty.", position)
    return reader.value(position, 0)[0]


class _Reader:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def skip(self, position: int) -> int:
        found = _SPACE.match(self._body, position)
        assert found is not None  # noqa: S101 - it matches nothing, too
        return found.end()

    def value(self, position: int, depth: int) -> tuple[Any, int]:
        if depth > _DEEPEST:
            raise JsonSyntaxError(f"This server reads values of up to {_DEEPEST} levels.", position)
        first = self._body[position : position + 1]
        if first == b"{":
            return self._object(position + 1, depth)
        if first == b"[":
            return self._array(position + 1, depth)
        if first == b'"':
            return self._string(position)
        if first in _WORDS:
            word, value = _WORDS[first]
            if self._body.startswith(word, position):
                return value, position + len(word)
            raise JsonSyntaxError("Invalid value.", self._mismatch(word, position))
        return self._number(position)

    def _mismatch(self, word: bytes, position: int) -> int:
        """RapidJSON stops behind the last letter that it expected."""
        same = next(
            number
            for number, letter in enumerate(word)
            if self._body[position + number : position + number + 1] != bytes([letter])
        )
        return position + same

    def _object(self, position: int, depth: int) -> tuple[JsonObject, int]:
        found = JsonObject()
        position = self.skip(position)
        if self._body.startswith(b"}", position):
            return found, position + 1
        while True:
            if not self._body.startswith(b'"', position):
                raise JsonSyntaxError("Missing a name for object member.", position)
            name, position = self._string(position)
            position = self.skip(position)
            if not self._body.startswith(b":", position):
                raise JsonSyntaxError("Missing a colon after a name of object member.", position)
            value, position = self.value(self.skip(position + 1), depth + 1)
            if name in found:
                found.repeated.add(name)
            else:
                found[name] = value
            position = self.skip(position)
            if self._body.startswith(b"}", position):
                return found, position + 1
            if not self._body.startswith(b",", position):
                raise JsonSyntaxError("Missing a comma or '}' after an object member.", position)
            position = self.skip(position + 1)

    def _array(self, position: int, depth: int) -> tuple[list[Any], int]:
        found: list[Any] = []
        position = self.skip(position)
        if self._body.startswith(b"]", position):
            return found, position + 1
        while True:
            value, position = self.value(position, depth + 1)
            found.append(value)
            position = self.skip(position)
            if self._body.startswith(b"]", position):
                return found, position + 1
            if not self._body.startswith(b",", position):
                raise JsonSyntaxError("Missing a comma or ']' after an array element.", position)
            position = self.skip(position + 1)

    def _string(self, position: int) -> tuple[str, int]:
        parts = []
        position += 1
        while True:
            plain = _PLAIN.match(self._body, position)
            assert plain is not None  # noqa: S101 - it matches nothing, too
            parts.append(plain.group())
            position = plain.end()
            stop = self._body[position : position + 1]
            if stop == b'"':
                # Bytes that are not UTF-8 become half surrogates, each of which stands for one byte.
                return b"".join(parts).decode(errors="surrogateescape"), position + 1
            if stop != b"\\":
                message = (
                    "Invalid escape character in string." if stop else "Missing a closing quotation mark in string."
                )
                raise JsonSyntaxError(message, position)
            part, position = self._escape(position)
            parts.append(part)

    def _escape(self, position: int) -> tuple[bytes, int]:
        kind = self._body[position + 1 : position + 2]
        if kind in _ESCAPES:
            return _ESCAPES[kind], position + 2
        if kind != b"u":
            raise JsonSyntaxError("Invalid escape character in string.", position)
        code, end = self._hex(position)
        if 0xD800 <= code < 0xDC00:
            if self._body[end : end + 2] != b"\\u":
                raise JsonSyntaxError("The surrogate pair in string is invalid.", position)
            low, end = self._hex(end)
            if not 0xDC00 <= low < 0xE000:
                raise JsonSyntaxError("The surrogate pair in string is invalid.", position)
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
        return chr(code).encode(errors="surrogatepass"), end

    def _hex(self, position: int) -> tuple[int, int]:
        digits = _HEX.match(self._body, position + 2)
        if digits is None:
            raise JsonSyntaxError("Incorrect hex digit after \\u escape in string.", position)
        return int(digits.group(), 16), digits.end()

    def _number(self, position: int) -> tuple[float | int, int]:
        special = _NOT_FINITE.match(self._body, position)
        if special is not None:
            text = special.group().decode()
            return float(text), special.end()
        whole = _NUMBER.match(self._body, position)
        if whole is None:
            raise JsonSyntaxError("Invalid value.", position + self._body.startswith(b"-", position))
        rest = _REST_OF_NUMBER.match(self._body, whole.end())
        assert rest is not None  # noqa: S101 - it matches nothing, too
        point, fraction, exponent, power = rest.groups()
        if point and not fraction:
            raise JsonSyntaxError("Miss fraction part in number.", rest.start() + 1)
        if exponent and not power:
            raise JsonSyntaxError("Miss exponent in number.", rest.end())
        # No more digits than any number needs: Python refuses to read thousands of them.
        value = float(self._body[position : rest.end()])
        if value in (float("inf"), float("-inf")):
            raise JsonSyntaxError("Number too big to be stored in double.", position)
        is_whole = not point and not exponent and abs(value) < 2**64
        return int(whole.group()) if is_whole else value, rest.end()
