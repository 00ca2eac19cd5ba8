"""`assets.extra/linear.json`: what a linear model of words has learnt from the rows of a pushed version."""

from __future__ import annotations

import base64
import zlib
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict

from agnews.schemas.numbered_form import NumberedForm

LINEAR_FILE = "assets.extra/linear.json"
"""In the folder of a pushed version."""
LINEAR_FORMAT = 1
"""Number of the form that is written."""


class LinearReference(NumberedForm):
    """Weights of hashed words, in eight bits each: a second opinion that takes some microseconds a text."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    KNOWN_FORMAT: ClassVar = LINEAR_FORMAT
    WRITTEN: ClassVar = "as a linear model of a version's training rows"

    format: int = LINEAR_FORMAT
    """Number of the form."""
    train_rows: int
    """Rows that it has learnt from."""
    accuracy: float
    """On the test rows."""
    classes: tuple[str, ...]
    kernel: str
    """int8 (buckets, classes), zlib, base64."""
    scale: tuple[float, ...]
    """What a step of eight bits is worth, by class."""
    bias: tuple[float, ...]
    sharpness: float
    """What scores are multiplied with, so that on the test rows they are as sure as they are right."""

    def weights(self) -> NDArray[np.float32]:
        """Returns the weights, (buckets, classes)."""
        steps = np.frombuffer(zlib.decompress(base64.b64decode(self.kernel)), np.int8).astype(np.float32)
        return steps.reshape(-1, len(self.classes)) * np.array(self.scale, np.float32)


def pack_weights(kernel: NDArray[np.float32]) -> tuple[str, tuple[float, ...]]:
    """Packs weights for `LinearReference.kernel`.

    Args:
        kernel: (buckets, classes).

    Returns:
        The packed steps, and what a step is worth by class.
    """
    scale = np.maximum(np.abs(kernel).max(axis=0), 1e-12) / 127
    steps = np.rint(kernel / scale)
    return base64.b64encode(zlib.compress(steps.astype(np.int8).tobytes(), 9)).decode(), tuple(scale.tolist())
