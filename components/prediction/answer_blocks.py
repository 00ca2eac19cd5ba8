"""The model's answers for blocks of rows, while blocks are read and answers are written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from agnews.components.corpus_files.record import Reject
from agnews.components.prediction.answer_block import AnsweredBlock, Predict, answer_block
from agnews.components.prediction.read_ahead import ReadAhead
from agnews.components.prediction.text_row import TextRow

# While the last batches of a block are computed, the first ones of the next keep all cores busy.
_AT_ONCE = 2


def answer_blocks(blocks: Iterable[Sequence[TextRow | Reject]], predict: Predict) -> Iterator[AnsweredBlock]:
    """Asks the model about blocks, two at once.

    Args:
        blocks: Texts, and rows that could not be read.
        predict: The model; called from several threads.

    Yields:
        Answers in the order of the blocks, each as soon as it and those before it are there.

    Raises:
        AgnewsError: A row cannot be read, or the model fails.
    """
    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        asked = ReadAhead((pool.submit(answer_block, block, predict) for block in blocks), 1)
        while found := asked.take(1):
            yield found[0].result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
