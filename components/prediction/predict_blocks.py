"""The model's answers for a block of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agnews.components.corpus_files.record import Reason, Reject
from agnews.components.evaluator.tally import answers
from agnews.components.prediction.text_blocks import ReadAhead
from agnews.components.prediction.text_input import TextRow
from agnews.schemas.predictions import NO_CLASS

Predict = Callable[[NDArray[np.object_]], NDArray[np.float32]]
"""From UTF-8 texts (rows,) to probabilities (rows, classes)."""


@dataclass(frozen=True)
class PredictedBlock:
    """Answers, in the order of the rows.

    Attributes:
        rows: The rows that were answered, n of them.
        class_ids: Positions of their likeliest classes, int64 (n,).
        probabilities: float32 (n, classes).
        rejects: The rows that were not, in their order.
    """

    rows: Sequence[TextRow]
    class_ids: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    rejects: Sequence[Reject]

    def before(self, row: int) -> PredictedBlock:
        """Returns what stands before a row of the file."""
        count = sum(each.row < row for each in self.rows)
        rejects = [reject for reject in self.rejects if reject.row < row]
        return PredictedBlock(self.rows[:count], self.class_ids[:count], self.probabilities[:count], rejects)


def predict_block(block: Sequence[TextRow | Reject], predict: Predict, *, one_class: bool = True) -> PredictedBlock:
    """Asks the model about the texts of a block.

    Args:
        block: Texts, and rows that could not be read.
        predict: The model.
        one_class: Whether a text has one class, so that its probabilities sum to one.

    Returns:
        Its answers. A text for which the model gives no probabilities is a reject too.

    Raises:
        AgnewsError: The model fails.
    """
    rows = [row for row in block if isinstance(row, TextRow)]
    rejects = [row for row in block if isinstance(row, Reject)]
    texts = np.empty(len(rows), object)
    texts[:] = [row.text for row in rows]
    probabilities = predict(texts)
    class_ids = answers(probabilities, one_class=one_class)
    silent = class_ids == NO_CLASS
    if silent.any():
        rejects += [_no_answer(rows[i], probabilities[i]) for i in np.flatnonzero(silent)]
        rejects.sort(key=lambda reject: reject.row)
        rows = [rows[i] for i in np.flatnonzero(~silent)]
        class_ids, probabilities = class_ids[~silent], probabilities[~silent]
    return PredictedBlock(rows, class_ids, probabilities, rejects)


def _no_answer(row: TextRow, found: NDArray[np.float32]) -> Reject:
    detail = f"the model answers {found.tolist()}, which are no probabilities"
    return Reject.of(row.row, row.line, Reason.NO_ANSWER, detail, row.text.decode())


# While the last batches of a block are computed, the first ones of the next keep all cores busy.
_AT_ONCE = 2


def predict_blocks(
    blocks: Iterable[Sequence[TextRow | Reject]], predict: Predict, *, one_class: bool = True
) -> Iterator[PredictedBlock]:
    """Asks the model about blocks, two at once.

    Args:
        blocks: Texts, and rows that could not be read.
        predict: The model; called from several threads.
        one_class: See `predict_block`.

    Yields:
        Answers in the order of the blocks, each as soon as it and those before it are there.

    Raises:
        AgnewsError: A row cannot be read, or the model fails.
    """
    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        asked = ReadAhead((pool.submit(predict_block, block, predict, one_class=one_class) for block in blocks), 1)
        while found := asked.take(1):
            yield found[0].result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
