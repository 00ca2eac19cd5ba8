"""Writes answers as soon as they are there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from agnews.components.corpus_files.record import Reject
from agnews.components.prediction.predict_blocks import Predict, PredictedBlock, predict_blocks
from agnews.components.prediction.text_input import TextRow


@dataclass(frozen=True)
class PredictionStyle:
    """What is to be written of answers.

    Attributes:
        classes: Names of the classes in the order of the probabilities.
        version: Version of the model.
        with_text: Whether the texts are repeated.
        top: Give the likeliest so many classes; None gives all.
        abstains_below: An answer of a lower probability is none; 0 for a model that answers always, whose answers have
            no word about it.
        width: Columns of the terminal, which a line must not exceed; None shows texts whole.
        color: Whether to make the class stand out.
    """

    classes: tuple[str, ...]
    version: str
    with_text: bool = False
    top: int | None = None
    abstains_below: float = 0.0
    width: int | None = None
    color: bool = False


class PredictionFormatter(ABC):
    """Turns answers into the bytes of a file or a stream.

    Args:
        style: What is to be written.
    """

    def __init__(self, style: PredictionStyle) -> None:
        self._style = style

    def _abstained(self, answered: PredictedBlock) -> list[bool]:
        """Where the likeliest class is too unlikely to be an answer."""
        abstained: list[bool] = (answered.probabilities.max(axis=1, initial=0.0) < self._style.abstains_below).tolist()
        return abstained

    @property
    def header(self) -> bytes:
        """What stands above the first answer, with its line end, or nothing."""
        return b""

    @abstractmethod
    def block(self, answered: PredictedBlock) -> bytes:
        """What a block adds: whole lines, where the format has lines."""

    def end(self) -> bytes:
        """What stands behind the last answer."""
        return b""


def write_predictions(
    blocks: Iterable[Sequence[TextRow | Reject]],
    *,
    predict: Predict,
    formatter: PredictionFormatter,
    out: BinaryIO,
    on_reject: Callable[[Reject], None],
    on_block: Callable[[PredictedBlock], None] = lambda answered: None,
) -> None:
    """Answers rows and writes the answers in their order, each block as soon as it is done.

    Args:
        blocks: Texts, and rows that could not be read.
        predict: The model.
        formatter: Makes a file of answers.
        out: Where they go.
        on_reject: Called with each row that cannot be answered. If it raises, all that stands before that row was
            written, and nothing behind it is.
        on_block: Called with each block that was written.

    Raises:
        AgnewsError: The model fails.
    """
    out.write(formatter.header)
    out.flush()
    for answered in predict_blocks(blocks, predict):
        written = PredictedBlock([], answered.class_ids[:0], answered.probabilities[:0], [])
        try:
            for reject in answered.rejects:
                written = answered.before(reject.row)
                on_reject(reject)
            written = answered
        finally:
            out.write(formatter.block(written))
            out.flush()
        on_block(answered)
    out.write(formatter.end())
    out.flush()
