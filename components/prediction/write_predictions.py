"""Writes answers as soon as they are there."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from agnews.components.corpus_files.record import Reject
from agnews.components.prediction.predict_blocks import Predict, PredictedBlock, predict_blocks
from agnews.components.prediction.text_input import TextRow
from agnews.components.serving_model.abstains import abstains
from agnews.components.serving_model.chosen_classes import choose_classes, read_thresholds
from agnews.schemas.corpus import Corpus


@dataclass(frozen=True)
class SeveralClasses:
    """What a model of several classes a text is given classes by.

    Attributes:
        thresholds: From which probability on each class is given.
        separator: What stands between two in a cell; None writes a list of JSON.
    """

    thresholds: tuple[float, ...]
    separator: str | None = None

    def cell(self, names: Sequence[str]) -> str:
        """Writes names into one cell."""
        if self.separator is None:
            return json.dumps(list(names), ensure_ascii=False)
        return self.separator.join(names)


def several_classes(folder: str, corpus: Corpus) -> SeveralClasses | None:
    """Reads what a model gives classes by; None for one that gives one a text.

    Args:
        folder: Of the version.
        corpus: What it has learnt.
    """
    thresholds = read_thresholds(folder)
    if thresholds is None:
        return None
    return SeveralClasses(tuple(thresholds.tolist()), corpus.label_sets.separator if corpus.label_sets else None)


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
        several: How classes are given where a text may have several; None for a model that gives one.
        width: Columns of the terminal, which a line must not exceed; None shows texts whole.
        color: Whether to make the class stand out.
    """

    classes: tuple[str, ...]
    version: str
    with_text: bool = False
    top: int | None = None
    abstains_below: float = 0.0
    several: SeveralClasses | None = None
    width: int | None = None
    color: bool = False


class PredictionFormatter(ABC):
    """Turns answers into the bytes of a file or a stream.

    Args:
        style: What is to be written.
    """

    def __init__(self, style: PredictionStyle) -> None:
        self._style = style

    @property
    def one_class(self) -> bool:
        """Whether a text has one class."""
        return self._style.several is None

    def _labels(self, answered: PredictedBlock) -> list[list[str]]:
        """Names of the classes that each text is given; of a model that gives one, none."""
        if self._style.several is None:
            return [[] for _ in answered.rows]
        chosen = choose_classes(answered.probabilities, np.array(self._style.several.thresholds, np.float32))
        return [
            [name for name, given in zip(self._style.classes, row, strict=True) if given] for row in chosen.tolist()
        ]

    def _abstained(self, answered: PredictedBlock) -> list[bool]:
        """Where the likeliest class is too unlikely to be an answer."""
        abstained: list[bool] = abstains(answered.probabilities, self._style.abstains_below).tolist()
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
    for answered in predict_blocks(blocks, predict, one_class=formatter.one_class):
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
