"""From rows to answers in a file or stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import BinaryIO

from agnews.components.corpus_files.record import Reject
from agnews.components.prediction.answer_block import AnsweredBlock, Predict
from agnews.components.prediction.answer_blocks import answer_blocks
from agnews.components.prediction.format_answers import AnswerFormatter
from agnews.components.prediction.text_row import TextRow


def write_answers(
    blocks: Iterable[Sequence[TextRow | Reject]],
    *,
    predict: Predict,
    formatter: AnswerFormatter,
    out: BinaryIO,
    on_reject: Callable[[Reject], None],
    on_block: Callable[[AnsweredBlock], None] = lambda answered: None,
) -> None:
    """Answers rows and writes the answers in their order, each block as soon as it is done.

    Args:
        blocks: Texts, and rows that could not be read.
        predict: The model.
        formatter: Makes lines of answers.
        out: Where they go.
        on_reject: Called with each row that cannot be answered. If it raises, all that stands before that row was
            written, and nothing behind it is.
        on_block: Called with each block that was written.

    Raises:
        AgnewsError: The model fails.
    """
    out.write(formatter.header)
    out.flush()
    for answered in answer_blocks(blocks, predict):
        written = AnsweredBlock([], answered.class_ids[:0], answered.probabilities[:0], [])
        try:
            for reject in answered.rejects:
                written = answered.before(reject.row)
                on_reject(reject)
            written = answered
        finally:
            out.write(formatter.lines(written))
            out.flush()
        on_block(answered)
