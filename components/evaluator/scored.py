"""Predictions beside the truth: what metrics are computed from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agnews.components.evaluator.answered_rows import open_predictions
from agnews.components.evaluator.tally import Cell
from agnews.schemas import predictions as columns


@dataclass(frozen=True)
class Scored:
    """Some rows, or cells that stand for several rows each.

    Attributes:
        label: (rows,) positions of the true classes.
        probabilities: (rows, classes) float64; zeros where a row got no distribution. Of a cell, the mean of its rows.
        count: (rows,) float64, how many rows each stands for.
    """

    label: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    count: NDArray[np.float64]

    @property
    def answer(self) -> NDArray[np.int64]:
        """The top class of each, (rows,); `NO_CLASS` where there is no distribution."""
        top = self.probabilities.argmax(axis=1)
        answer: NDArray[np.int64] = np.where(self.probabilities.max(axis=1) > 0.0, top, columns.NO_CLASS)
        return answer


_ROWS, _PROBABILITIES = 65_536, 1 << 23
"""In memory at once."""


def scored_cells(cells: Sequence[Cell]) -> Scored:
    """Puts cells into arrays.

    Args:
        cells: At least one.
    """
    return Scored(
        label=np.array([cell.label for cell in cells]),
        probabilities=np.stack([cell.probabilities for cell in cells]),
        count=np.array([cell.count for cell in cells], np.float64),
    )


def read_scored(path: str, *, classes: int) -> Iterator[Scored]:
    """Reads a file of predictions back, each row by itself.

    Args:
        path: What `predict_split` wrote, local or remote.
        classes: How many the model knows: of many, fewer rows are in memory at once.

    Yields:
        The rows, in the order of the file.
    """
    wanted = [columns.LABEL, columns.CLASS_ID, columns.PROBABILITIES]
    for batch in open_predictions(path).iter_batches(max(1, min(_ROWS, _PROBABILITIES // classes)), columns=wanted):
        label, answer, probabilities = (batch.column(name) for name in wanted)
        values = probabilities.flatten().to_numpy(zero_copy_only=False).astype(np.float64).reshape(len(label), -1)
        usable = answer.to_numpy() != columns.NO_CLASS
        values[~usable] = 0.0
        yield Scored(
            label=label.to_numpy(),
            probabilities=values,
            count=np.ones(len(label)),
        )


def class_counts(rows: Scored) -> NDArray[np.float64]:
    """Counts rows by class.

    Args:
        rows: Any number.

    Returns:
        Right answers, labels, and answers of each class, (3, classes). Those of several sets of rows may be added.
    """
    answer, classes = rows.answer, rows.probabilities.shape[1]
    there, right = answer != columns.NO_CLASS, answer == rows.label
    return np.stack(
        [
            np.bincount(positions[kept], rows.count[kept], minlength=classes)
            for positions, kept in ((answer, right), (rows.label, slice(None)), (answer, there))
        ]
    )
