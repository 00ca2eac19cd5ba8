"""What a row counts by its class, where classes are of very different sizes."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

ClassWeights = Literal["none", "sqrt", "balanced"]


def weigh_classes(labels: NDArray[np.int64], num_classes: int, rule: ClassWeights) -> NDArray[np.float32] | None:
    """Weighs classes by how rare they are.

    Args:
        labels: int64 (rows,), 0-based, of the rows that are learnt from.
        num_classes: Classes to tell apart.
        rule: `balanced`: all classes count alike, whatever their rows; `sqrt`: half of the way there on a scale of
            factors, which costs the large classes less; `none`.

    Returns:
        float32 (classes,), whose mean over the rows is 1, so that learning rates keep their meaning; None where rows
        count alike.

    References:
        `balanced` is scikit-learn's `class_weight="balanced"`.
    """
    if rule == "none":
        return None
    counts = np.maximum(np.bincount(labels, minlength=num_classes), 1)
    weights = (1.0 / counts) ** (1.0 if rule == "balanced" else 0.5)
    scaled: NDArray[np.float32] = (weights / weights[labels].mean()).astype(np.float32)
    return scaled
