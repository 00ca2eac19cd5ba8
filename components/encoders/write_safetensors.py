"""Writes weights in a format that can be read without running anything."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from agnews.components.encoders.safetensors_file import METADATA

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
