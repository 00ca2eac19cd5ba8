"""What was asked and answered, until it is written."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

REQUEST = np.dtype([("at", "<f8"), ("seconds", "<f4"), ("rows", "<i4"), ("classes", "<i4"), ("is_shadow", "?")])
"""When it was answered, in seconds since 1970; how long that took; texts; classes; whether nobody got the answers."""

LENGTHS = np.dtype([("text", "<i4"), ("label", "<i4")])
"""Bytes of a text and of its label."""

_REQUEST = struct.Struct("<dfii?")
_LENGTHS = struct.Struct("<ii")
_ROW_BYTES = 200
"""What a row takes beside its text and its probabilities."""


def request_bytes(texts: Sequence[bytes], probabilities: NDArray[np.float32]) -> int:
    """Says what a request will take, about.

    Args:
        texts: Of it.
        probabilities: A row a text.
    """
    return sum(map(len, texts)) + probabilities.nbytes + _ROW_BYTES * len(texts)


class WaitingRows:
    """Rows in columns, as bytes and numbers.

    A request is copied rather than kept: its own objects are freed at once, by the thread that made them and while they
    are in its cache, and nothing is left for the garbage collector to look at.

    Attributes:
        ids: Of each request.
        versions: That answered each request.
        requests: A `REQUEST` each.
        texts: All of them, one after the other, UTF-8 as far as whoever sent them kept to it.
        labels: As the texts.
        lengths: A `LENGTHS` for each text.
        probabilities: float32, a row a text.
        answered: Texts whose answers somebody got.
        shadows: Requests whose answers nobody got.
    """

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.versions: list[str] = []
        self.requests = bytearray()
        self.texts = bytearray()
        self.labels = bytearray()
        self.lengths = bytearray()
        self.probabilities = bytearray()
        self.answered = self.shadows = 0

    @property
    def rows(self) -> int:
        """Texts."""
        return len(self.lengths) // _LENGTHS.size

    @property
    def size(self) -> int:
        """Bytes that they take, about."""
        return len(self.texts) + len(self.probabilities) + _ROW_BYTES * self.rows

    def add(
        self,
        request_id: str,
        version: str,
        texts: Sequence[bytes],
        labels: NDArray[Any],
        probabilities: NDArray[np.float32],
        at: float,
        seconds: float,
        *,
        is_shadow: bool = False,
    ) -> None:
        """Adds a request.

        Args:
            request_id: Its id.
            version: That answered.
            texts: Of it.
            labels: One a text, bytes.
            probabilities: A row a text.
            at: When, in seconds since 1970.
            seconds: That it took.
            is_shadow: Whether nobody got these answers.
        """
        rows = len(texts)
        # All that may fail comes first: half a request would shift those behind it.
        request = _REQUEST.pack(at, seconds, rows, probabilities.shape[1], is_shadow)
        values = probabilities.astype(np.float32, copy=False).tobytes()
        if rows == 1:
            # Nearly all requests, in half the time.
            text, label = texts[0], labels.item(0)
            lengths = _LENGTHS.pack(len(text), len(label))
        else:
            names: list[bytes] = labels.tolist()
            lengths = b"".join(map(_LENGTHS.pack, map(len, texts), map(len, names)))
            text, label = b"".join(texts), b"".join(names)
        self.ids.append(request_id)
        self.versions.append(version)
        self.requests += request
        self.texts += text
        self.labels += label
        self.lengths += lengths
        self.probabilities += values
        if is_shadow:
            self.shadows += 1
        else:
            self.answered += rows
