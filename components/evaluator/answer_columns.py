"""Answers of many rows, one class a text or several, and how a file of predictions holds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agnews.schemas.predictions import NO_CLASS

Answers = NDArray[np.integer[Any]]
"""Positions of classes, (rows,); where a text may have several, 0 or 1 for each, (rows, classes). `NO_CLASS` throughout
where a row got no answer."""


def as_column(values: Answers) -> pa.Array:
    """Makes a column of labels or answers: int64, or lists of the positions of all classes that a row has."""
    if values.ndim == 1:
        return pa.array(values, pa.int64())
    listed = [[NO_CLASS] if row[0] == NO_CLASS else np.flatnonzero(row).tolist() for row in values]
    return pa.array(listed, pa.list_(pa.int64()))


def exact(answer: Answers, label: Answers) -> NDArray[np.bool_]:
    """Which rows are right, (rows,): of several classes all are given, and no other one."""
    same: NDArray[np.bool_] = np.asarray(answer == label)
    right: NDArray[np.bool_] = same if same.ndim == 1 else np.asarray(same.all(axis=1))
    return right


def named(answer: Any, names: Sequence[str]) -> str | None:
    """Writes an entry of a column as people read it; None is for no answer."""
    if isinstance(answer, int):
        return None if answer == NO_CLASS else names[answer]
    return None if answer == [NO_CLASS] else " + ".join(names[each] for each in answer) or NONE_OF_THEM


NONE_OF_THEM = "(none)"
"""Stands where names of classes would."""


def from_column(column: pa.Array | pa.ChunkedArray, classes: int) -> Answers:
    """Reads what `as_column` made.

    Args:
        column: Of a table or a batch.
        classes: How many there are.
    """
    if not pa.types.is_list(column.type):
        found: Answers = column.to_numpy()
        return found
    return as_answers(column.to_pylist(), (classes,))


def as_answers(rows: Sequence[int | Sequence[int]], label_shape: tuple[int, ...]) -> Answers:
    """Puts answers of rows together.

    Args:
        rows: Each a class or all classes that it is given; `NO_CLASS`, alone or in a list, where it got no answer.
        label_shape: See `Corpus.label_shape`.
    """
    if not label_shape:
        return np.array(rows, np.int64)
    marks = np.zeros((len(rows), *label_shape), np.int8)
    for mark, row in zip(marks, rows, strict=True):
        if row in (NO_CLASS, [NO_CLASS]):
            mark[:] = NO_CLASS
        else:
            mark[np.asarray(row, np.int64)] = 1
    return marks


def column_type(label_shape: tuple[int, ...]) -> pa.DataType:
    """Of a column that `as_column` makes of labels of a shape."""
    return pa.list_(pa.int64()) if label_shape else pa.int64()
