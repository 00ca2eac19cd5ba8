"""The file format of weights that can be read without running anything."""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from agnews.schemas.errors import AgnewsError
from agnews.schemas.json_text import read_json

_LONGEST_HEADER = 100_000_000
_LENGTH_BYTES = 8
METADATA = "__metadata__"
"""Key of the header that is no tensor."""

_BITS = {
    "BOOL": 8,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    **dict.fromkeys(("U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 64),
}
"""All types of the format: a tensor that nobody reads may be of any."""

# numpy has no bfloat16: its 16 bits are the upper half of a float32.
_FLOATING = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}


@dataclass(frozen=True)
class _Entry:
    kind: str
    shape: tuple[int, ...]
    start: int
    end: int


class SafetensorsFile:
    """A `.safetensors` file whose header is checked against its size when it is opened; weights are read on demand.

    The format is one page long. The package of the same name reads it too, but its errors name neither file nor
    tensor, and for numpy it has no bfloat16.

    Args:
        path: The file.

    Raises:
        AgnewsError: It cannot be read, is cut off, or is something else.

    References:
        https://huggingface.co/docs/safetensors/index#format
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._entries, self._data = self._open()
        except OSError as error:
            raise AgnewsError(
                f"The weights {path} cannot be read.",
                found=error.strerror or error,
                fix="Name the folder of a Hugging Face checkpoint with a model.safetensors that you may read.",
            ) from error

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Shape of each tensor by its name."""
        return {name: entry.shape for name, entry in self._entries.items()}

    def read(self, name: str) -> npt.NDArray[np.float32]:
        """Reads one tensor.

        Args:
            name: Its name in the file.

        Returns:
            Its values as float32, in its shape.

        Raises:
            AgnewsError: It holds something else than finite numbers of floating point.
        """
        entry = self._entries[name]
        if entry.kind not in _FLOATING:
            raise self._damaged(f"tensor {name} of type {entry.kind}, where weights are {', '.join(_FLOATING)}")
        stored = np.memmap(
            self.path, _FLOATING[entry.kind], "r", offset=self._data + entry.start, shape=(math.prod(entry.shape),)
        )
        if entry.kind == "BF16":
            values = (stored.astype(np.uint32) << 16).view(np.float32)
        else:
            values = stored.astype(np.float32)
        if not np.isfinite(values).all():
            raise self._damaged(f"tensor {name} with values that are no numbers")
        return values.reshape(entry.shape)

    def _open(self) -> tuple[dict[str, _Entry], int]:
        size = self.path.stat().st_size
        with self.path.open("rb") as file:
            prefix = file.read(_LENGTH_BYTES)
            if len(prefix) < _LENGTH_BYTES:
                raise self._damaged(f"{size} bytes")
            (length,) = struct.unpack("<Q", prefix)
            header = file.read(length) if length <= _LONGEST_HEADER else b""
        if not header.startswith(b"{"):
            raise self._damaged(f"{prefix!r} at its beginning, which no safetensors file has")
        if len(header) < length:
            raise self._damaged(f"{size} bytes, and a header of {length} bytes: the file is cut off")
        entries = self._parse(header)
        data = _LENGTH_BYTES + length
        self._check_cover(entries, size - data)
        return entries, data

    def _parse(self, header: bytes) -> dict[str, _Entry]:
        try:
            described = read_json(header)
            return {name: _entry(facts) for name, facts in described.items() if name != METADATA}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._damaged(f"a header that does not describe tensors: {error!r}") from error

    def _check_cover(self, entries: Mapping[str, _Entry], size: int) -> None:
        """Each byte belongs to exactly one tensor, or something is missing, or something hides."""
        end = 0
        for name, entry in sorted(entries.items(), key=lambda item: (item[1].start, item[1].end)):
            if entry.start != end or 8 * (entry.end - entry.start) != _BITS[entry.kind] * math.prod(entry.shape):
                raise self._damaged(f"tensor {name} at bytes {entry.start} to {entry.end}, which cannot be")
            end = entry.end
        if end != size:
            what = "the file is cut off" if size < end else "the file was added to"
            raise self._damaged(f"{size:,} bytes of weights where the header announces {end:,}: {what}")

    def _damaged(self, found: str) -> AgnewsError:
        return AgnewsError(
            f"{self.path} is not a whole safetensors file.", found=found, fix="Copy or fetch the checkpoint again."
        )


def _entry(facts: Mapping[str, object]) -> _Entry:
    kind, shape, offsets = facts["dtype"], facts["shape"], facts["data_offsets"]
    if kind not in _BITS:
        raise ValueError(f"type {kind}")
    if not isinstance(shape, list) or not all(isinstance(each, int) and each >= 0 for each in shape):
        raise ValueError(f"shape {shape}")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(isinstance(each, int) for each in offsets):
        raise ValueError(f"data_offsets {offsets}")
    return _Entry(str(kind), tuple(shape), *offsets)


_ALIGNMENT = 8


def write_safetensors(path: Path, tensors: Mapping[str, npt.NDArray[np.float32]]) -> None:
    """Writes weights so that Hugging Face's libraries load them.

    Args:
        path: The file; it is synced to disk when this returns.
        tensors: The values by name; written in the order of the names.
    """
    # `format` is what Hugging Face's loaders insist on.
    header: dict[str, object] = {METADATA: {"format": "pt"}}
    end = 0
    for name, values in sorted(tensors.items()):
        start, end = end, end + 4 * values.size
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [start, end]}
    encoded = json.dumps(header, separators=(",", ":")).encode()
    # Readers map the weights into memory, so they begin at a multiple of 8.
    encoded += b" " * (-len(encoded) % _ALIGNMENT)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(encoded)) + encoded)
        for _, values in sorted(tensors.items()):
            file.write(np.ascontiguousarray(values, "<f4").tobytes())
        file.flush()
        os.fsync(file.fileno())
