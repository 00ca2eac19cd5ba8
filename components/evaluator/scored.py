"""Predictions beside the truth: what metrics are computed from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from numpy.typing import NDArray

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


def read_scored(path: str, chunk_rows: int = 65_536) -> Iterator[Scored]:
    """Reads a file of predictions back, each row by itself.

    Args:
        path: What `predict_split` wrote, local or remote.
        chunk_rows: Rows in memory at once.

    Yields:
        The rows, in the order of the file.
    """
    with tf.io.gfile.GFile(path, "rb") as source:
        file = pq.ParquetFile(pa.BufferReader(source.read()))
    wanted = [columns.LABEL, columns.CLASS_ID, columns.PROBABILITIES]
    for batch in file.iter_batches(chunk_rows, columns=wanted):
        label, answer, probabilities = (batch.column(name) for name in wanted)
        values = probabilities.flatten().to_numpy(zero_copy_only=False).astype(np.float64).reshape(len(label), -1)
        usable = answer.to_numpy() != columns.NO_CLASS
        yield Scored(
            label=label.to_numpy(),
            probabilities=np.where(usable[:, None], values, 0.0),
            count=np.ones(len(label)),
        )


def confusion_matrix(predictions: Iterable[Scored]) -> NDArray[np.float64]:
    """Counts pairs of true class and answer.

    Args:
        predictions: At least one row.

    Returns:
        (classes, classes + 1): rows are the true classes, columns the answers; the last one is no answer.
    """
    matrix: NDArray[np.float64] | None = None
    for chunk in predictions:
        classes = chunk.probabilities.shape[1]
        if matrix is None:
            matrix = np.zeros((classes, classes + 1))
        answer = np.where(chunk.answer == columns.NO_CLASS, classes, chunk.answer)
        np.add.at(matrix, (chunk.label, answer), chunk.count)
    if matrix is None:
        raise ValueError("there are no predictions to count")
    return matrix
