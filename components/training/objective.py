"""What learning from labels means: one class a text, or several."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import tf_keras as keras
from numpy.typing import NDArray
from scipy import optimize, special

from agnews.components.optimization.cross_entropies import cross_entropies
from agnews.components.optimization.find_thresholds import find_thresholds
from agnews.components.optimization.row_blocks import by_row, row_blocks
from agnews.components.optimization.sets_of_classes import SubsetAccuracy, SummedBinaryCrossEntropy
from agnews.components.optimization.smoothed_cross_entropy import SmoothedCrossEntropy, SummedAccuracy
from agnews.components.training.find_temperature import MOST_TEMPERATURE, find_temperature

_Logits = NDArray[np.float32]
_Labels = NDArray[np.int64]
_Costs = NDArray[np.floating[Any]]


class Objective(ABC):
    """What a model is to get right, from its logits (rows, classes)."""

    @abstractmethod
    def loss(self, label_smoothing: float, class_weights: Sequence[float] | None) -> keras.losses.Loss:
        """What training makes small."""

    @abstractmethod
    def accuracy(self) -> keras.metrics.Metric:
        """What is shown of it, under the name `accuracy`."""

    @abstractmethod
    def right(self, logits: _Logits, labels: _Labels) -> NDArray[np.bool_]:
        """Which rows are right, (rows,)."""

    @abstractmethod
    def cross_entropy(self, logits: _Logits, labels: _Labels, *, temperature: float = 1.0) -> float:
        """The mean over the rows, nats; logits are divided by the temperature before."""

    @abstractmethod
    def find_temperature(self, logits: _Logits, labels: _Labels) -> float:
        """What logits are to be divided by, so that probabilities are as high as the model is right."""

    @abstractmethod
    def find_thresholds(
        self, logits: _Logits, labels: _Labels, *, temperature: float = 1.0
    ) -> tuple[float, ...] | None:
        """From which probability on a class is given, (classes,); None where the likeliest is."""


class OneClass(Objective):
    """A text has one class: labels are positions (rows,), probabilities a softmax."""

    def loss(self, label_smoothing: float, class_weights: Sequence[float] | None) -> keras.losses.Loss:
        """See `Objective`."""
        return SmoothedCrossEntropy(label_smoothing, class_weights)

    def accuracy(self) -> keras.metrics.Metric:
        """See `Objective`."""
        return SummedAccuracy(name="accuracy")

    def right(self, logits: _Logits, labels: _Labels) -> NDArray[np.bool_]:
        """See `Objective`."""
        right: NDArray[np.bool_] = logits.argmax(axis=1) == labels
        return right

    def cross_entropy(self, logits: _Logits, labels: _Labels, *, temperature: float = 1.0) -> float:
        """See `Objective`."""

        def of_block(block: slice) -> _Costs:
            return cross_entropies((logits[block] / temperature).astype(np.float64), labels[block])

        return float(np.mean(by_row(of_block, *logits.shape)))

    def find_temperature(self, logits: _Logits, labels: _Labels) -> float:
        """See `Objective`."""
        return find_temperature(logits, labels)

    def find_thresholds(self, logits: _Logits, labels: _Labels, *, temperature: float = 1.0) -> None:
        """See `Objective`."""
        return


class ClassSets(Objective):
    """A text has any number of classes: labels are marks (rows, classes), probabilities a sigmoid of each logit."""

    def loss(self, label_smoothing: float, class_weights: Sequence[float] | None) -> keras.losses.Loss:
        """See `Objective`; rows count alike."""
        if class_weights is not None:
            raise ValueError("rows of several classes have no weight of one of them")
        return SummedBinaryCrossEntropy(label_smoothing)

    def accuracy(self) -> keras.metrics.Metric:
        """See `Objective`."""
        return SubsetAccuracy(name="accuracy")

    def right(self, logits: _Logits, labels: _Labels) -> NDArray[np.bool_]:
        """See `Objective`."""
        right: NDArray[np.bool_] = ((logits > 0.0) == (labels > 0)).all(axis=1)
        return right

    def cross_entropy(self, logits: _Logits, labels: _Labels, *, temperature: float = 1.0) -> float:
        """See `Objective`."""

        def of_block(block: slice) -> _Costs:
            wide = (logits[block] / temperature).astype(np.float64)
            costs: _Costs = (np.logaddexp(0.0, wide) - labels[block] * wide).sum(axis=1)
            return costs

        return float(np.mean(by_row(of_block, *logits.shape)))

    def find_temperature(self, logits: _Logits, labels: _Labels) -> float:
        """See `Objective`. Labels are smoothed by one row in all, as `find_temperature` does."""
        if not len(labels):
            return 1.0
        smoothing = 1.0 / (len(labels) + 2)
        means = smoothing * labels.mean(axis=0)

        def cross_entropy(log_temperature: float) -> float:
            total = 0.0
            for block in row_blocks(*logits.shape):
                scaled = logits[block].astype(np.float64) * math.exp(-log_temperature)
                smoothed = labels[block] * (1.0 - smoothing) + means
                total += float(np.sum(np.logaddexp(0.0, scaled) - smoothed * scaled))
            return total / logits.size

        reach = math.log(MOST_TEMPERATURE)
        found = optimize.minimize_scalar(
            cross_entropy, bounds=(-reach, reach), method="bounded", options={"xatol": 1e-4}
        )
        return math.exp(float(found.x))

    def find_thresholds(self, logits: _Logits, labels: _Labels, *, temperature: float = 1.0) -> tuple[float, ...]:
        """See `Objective`."""
        return tuple(find_thresholds(special.expit((logits / temperature).astype(np.float32)), labels).tolist())


def objective_of(label_shape: tuple[int, ...]) -> Objective:
    """Returns what labels of a shape ask for.

    Args:
        label_shape: Of one label; see `Corpus.label_shape`.
    """
    return ClassSets() if label_shape else OneClass()
