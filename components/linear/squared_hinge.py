"""Fits one linear classifier a class, by Newton's method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

_Floats = NDArray[np.float32]

_CLASSES_AT_ONCE = 96
_MOST_STEPS, _MOST_PRODUCTS = 20, 40
_FORCING = 0.1
_HALVINGS = 8


@dataclass(frozen=True)
class LinearWeights:
    """What a linear classifier has learnt.

    Attributes:
        kernel: float32 (columns, classes).
        bias: float32 (classes,).
    """

    kernel: _Floats
    bias: _Floats


def fit_squared_hinge(
    matrix: sparse.csr_matrix,
    labels: NDArray[np.int64],
    num_classes: int,
    *,
    cost: float,
    class_weights: NDArray[np.float32] | None = None,
    tolerance: float = 0.04,
) -> LinearWeights:
    """Tells each class from all others, with as large a margin as the rows allow.

    For each class it finds the least of |w|^2 / 2 + sum over rows of cost * max(0, 1 - y (x w + b))^2, where y is 1 on
    the class' rows and -1 on others.

    Args:
        matrix: float32 (rows, columns).
        labels: (rows,), 0-based; or where a row has several classes a mark for each, (rows, classes).
        num_classes: Classes to tell apart.
        cost: What mistakes weigh against large weights: C of a support vector machine.
        class_weights: What mistakes on a row weigh besides, by its class, (classes,); None weighs all rows alike.
        tolerance: Norm of the gradient at the end, as a share of that at the start, for a class that has all rows; for
            others by their share of the rows, as in LIBLINEAR: where a class is rare, the gradient at the start says
            mostly that.

    Returns:
        The weights.

    References:
        Keerthi, DeCoste (2005), "A Modified Finite Newton Method for Fast Solution of Large Scale Linear SVMs", and
        Fan et al. (2008), "LIBLINEAR". We differ: classes are solved side by side, so that a pass over the matrix
        serves many of them, and the bias is not held back.
    """
    kernel = np.zeros((matrix.shape[1], num_classes), np.float32)
    bias = np.zeros(num_classes, np.float32)
    costs = np.full((len(labels), 1), cost, np.float32)
    if class_weights is not None:
        costs *= class_weights[labels, np.newaxis]
    for first in range(0, num_classes, _CLASSES_AT_ONCE):
        classes = np.arange(first, min(first + _CLASSES_AT_ONCE, num_classes))
        marks = labels[:, classes] > 0 if labels.ndim == 2 else labels[:, np.newaxis] == classes
        signs = np.where(marks, 1.0, -1.0).astype(np.float32)
        problem = _Problem(matrix, signs, costs)
        kernel[:, classes], bias[classes] = problem.solve(tolerance)
    return LinearWeights(kernel, bias)


class _Problem:
    """Some classes at once. Weights are (columns + 1, classes); the last row is the bias. Costs are (rows, 1)."""

    def __init__(self, matrix: sparse.csr_matrix, signs: _Floats, costs: _Floats) -> None:
        self._matrix, self._transposed = matrix, matrix.T
        self._signs, self._costs = signs, costs

    def solve(self, tolerance: float) -> tuple[_Floats, _Floats]:
        rows, classes = self._signs.shape
        weights = np.zeros((self._matrix.shape[1] + 1, classes), np.float32)
        scores = np.zeros((rows, classes), np.float32)
        goal: _Floats | None = None
        for _ in range(_MOST_STEPS):
            is_active = (self._signs * scores < 1.0).astype(np.float32)
            gradient = weights - 2.0 * self._backward(self._costs * is_active * (self._signs - scores))
            gradient[-1] -= weights[-1]  # The bias is not held back.
            norms = _norms(gradient)
            if goal is None:
                share = np.maximum((self._signs > 0.0).mean(axis=0), 1.0 / rows)
                goal = tolerance * np.minimum(share, 1.0 - share) * norms
            if np.all(norms <= goal):
                break
            step = self._newton_step(gradient, is_active, norms > goal)
            along = self._forward(step)
            lengths = self._line_search(weights, scores, step, along)
            weights += lengths * step
            scores += lengths * along
        return weights[:-1], weights[-1]

    def _newton_step(self, gradient: _Floats, is_active: _Floats, is_open: NDArray[np.bool_]) -> _Floats:
        """Solves H step = -gradient to a tenth by conjugate gradients; classes that are done stay as they are."""
        step = np.zeros_like(gradient)
        rest = -gradient * is_open
        direction, product = rest.copy(), _dots(rest, rest)
        goal = _FORCING**2 * product
        for _ in range(_MOST_PRODUCTS):
            curved = 2.0 * self._backward(self._costs * is_active * self._forward(direction))
            curved[:-1] += direction[:-1]
            length = product / np.maximum(_dots(direction, curved), 1e-30)
            step += length * direction
            rest -= length * curved
            product, before = _dots(rest, rest), product
            if np.all(product <= goal):
                break
            direction *= product / np.maximum(before, 1e-30)
            direction += rest
        return step

    def _line_search(self, weights: _Floats, scores: _Floats, step: _Floats, along: _Floats) -> _Floats:
        lengths = np.ones(weights.shape[1], np.float32)
        start = self._loss(weights, scores)
        for _ in range(_HALVINGS):
            is_worse = self._loss(weights + lengths * step, scores + lengths * along) > start
            if not is_worse.any():
                break
            lengths[is_worse] /= 2.0
        return lengths

    def _loss(self, weights: _Floats, scores: _Floats) -> NDArray[np.float64]:
        slack = np.maximum(0.0, 1.0 - self._signs * scores)
        size = np.einsum("ij,ij->j", weights[:-1], weights[:-1], dtype=np.float64)
        loss: NDArray[np.float64] = 0.5 * size + np.einsum("ij,ij->j", self._costs * slack, slack, dtype=np.float64)
        return loss

    def _forward(self, weights: _Floats) -> _Floats:
        scores: _Floats = self._matrix @ weights[:-1]
        scores += weights[-1]
        return scores

    def _backward(self, rows: _Floats) -> _Floats:
        found = np.empty((self._matrix.shape[1] + 1, rows.shape[1]), np.float32)
        found[:-1] = self._transposed @ rows
        found[-1] = rows.sum(axis=0)
        return found


def _dots(left: _Floats, right: _Floats) -> _Floats:
    found: _Floats = np.einsum("ij,ij->j", left, right)
    return found


def _norms(values: _Floats) -> _Floats:
    found: _Floats = np.sqrt(_dots(values, values))
    return found
