"""The figures of a model that gives a text several classes, from its file of predictions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agnews.components.evaluator.analyse import LENGTH_BUCKETS
from agnews.components.evaluator.answer_columns import from_column
from agnews.components.evaluator.answered_rows import open_predictions
from agnews.components.evaluator.count_cells import class_figures
from agnews.components.evaluator.tally import CALIBRATION_BINS, calibration_bin
from agnews.schemas import predictions as columns
from agnews.schemas.evaluation import Figure, Metrics, SliceMetrics

_CELLS = 1 << 23
"""Rows times classes in memory at once."""
_LEAST = float(np.finfo(np.float32).eps)
_Counts = NDArray[np.int64]


@dataclass
class _Sums:
    """What figures follow from; of the classes, each (classes,)."""

    classes: int
    rows: int = 0
    unusable: int = 0
    exact: int = 0
    hits: _Counts = field(init=False)
    labels: _Counts = field(init=False)
    answers: _Counts = field(init=False)
    f1_of_rows: float = 0.0
    wrong: int = 0
    log_loss: float = 0.0
    bins: NDArray[np.float64] = field(default_factory=lambda: np.zeros((CALIBRATION_BINS, 3)))
    parts: dict[tuple[str, str], _Counts] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.hits, self.labels, self.answers = (np.zeros(self.classes, np.int64) for _ in range(3))

    def add_part(self, feature: str, value: str, exact: NDArray[np.bool_]) -> None:
        """Counts rows of a part, with those among them that are given exactly their classes."""
        if len(exact):
            counts = self.parts.setdefault((feature, value), np.zeros(2, np.int64))
            counts += (len(exact), int(exact.sum()))


def measure_sets(path: str, class_names: Sequence[str]) -> tuple[Metrics, tuple[SliceMetrics, ...]]:
    """Measures answers that are sets of classes.

    Args:
        path: What `predict_split` wrote, local or remote.
        class_names: Names of the classes.

    Returns:
        Figures of all rows, and of the parts by class, by length and by markup. Accuracy is that of whole sets.

    References:
        Definitions are those of scikit-learn for multilabel indicators, a ratio without rows being 0; of rows, F1 of a
        row without classes that is given none is 1.
    """
    sums = _Sums(len(class_names))
    for batch in _batches(path, len(class_names)):
        _add(sums, batch, class_names)
    rows, pairs = sums.rows, sums.rows * sums.classes
    whole = sums.labels + sums.answers
    per_class = class_figures(sums.hits, sums.labels, sums.answers, class_names)
    macro, micro = float(np.mean([each.f1 for each in per_class])), 2.0 * sums.hits.sum() / max(int(whole.sum()), 1)
    counted = np.maximum(sums.bins[:, 0], 1.0)
    gap = float((np.abs(sums.bins[:, 1] - sums.bins[:, 2]) / counted * sums.bins[:, 0]).sum() / pairs)
    values = (sums.exact / rows, float(micro), macro, sums.f1_of_rows / rows, sums.wrong / pairs, gap)
    figures = tuple(
        figure.model_copy(update={"value": float(value)})
        for figure, value in zip(_FIGURES, (*values, sums.log_loss / pairs), strict=True)
    )
    metrics = Metrics(
        count=rows,
        accuracy=sums.exact / rows,
        macro_f1=macro,
        ece=gap,
        figures=figures,
        per_class=per_class,
        unusable=sums.unusable,
    )
    return metrics, tuple(_slices(sums, class_names))


def _slices(sums: _Sums, class_names: Sequence[str]) -> Iterator[SliceMetrics]:
    for feature, values in (("label", class_names), ("length", LENGTH_BUCKETS), ("has_markup", ("yes", "no"))):
        for value in values:
            count, right = sums.parts.get((feature, value), (0, 0))
            if count:
                yield SliceMetrics(feature=feature, value=value, count=int(count), accuracy=float(right / count))


def _batches(path: str, classes: int) -> Iterator[pa.RecordBatch]:
    yield from open_predictions(path).iter_batches(
        max(1, _CELLS // classes),
        columns=[columns.LABEL, columns.CLASS_ID, columns.PROBABILITIES, columns.LENGTH, columns.HAS_MARKUP],
    )


def _add(sums: _Sums, batch: pa.RecordBatch, class_names: Sequence[str]) -> None:
    label, answer = (from_column(batch.column(name), sums.classes) for name in (columns.LABEL, columns.CLASS_ID))
    usable = answer[:, 0] != columns.NO_CLASS
    flat = batch.column(columns.PROBABILITIES).flatten().to_numpy(zero_copy_only=False)
    shares = np.where(usable[:, np.newaxis], flat.astype(np.float64).reshape(len(label), -1), 0.0)
    has, given = label > 0, answer > 0
    hits, exact = has & given, (has == given).all(axis=1) & usable
    sums.rows += len(label)
    sums.unusable += int((~usable).sum())
    sums.exact += int(exact.sum())
    for total, found in ((sums.hits, hits), (sums.labels, has), (sums.answers, given)):
        total += found.sum(axis=0)
    both = has.sum(axis=1) + given.sum(axis=1)
    sums.f1_of_rows += float(np.where(both > 0, 2.0 * hits.sum(axis=1) / np.maximum(both, 1), usable).sum())
    sums.wrong += int((has != given).sum())
    sums.log_loss -= float(np.log(np.clip(np.where(has, shares, 1.0 - shares), _LEAST, 1.0)).sum())
    np.add.at(sums.bins, calibration_bin(shares.ravel()), np.stack([np.ones(has.size), shares.ravel(), has.ravel()], 1))
    for number, name in enumerate(class_names):
        sums.add_part("label", name, exact[has[:, number]])
    for feature, column in (("length", columns.LENGTH), ("has_markup", columns.HAS_MARKUP)):
        words: NDArray[Any] = np.array(batch.column(column).to_pylist(), object)
        for value in set(words.tolist()):
            sums.add_part(feature, value, exact[words == value])


_FIGURES = (
    Figure(
        name="accuracy",
        title="subset accuracy",
        value=0.0,
        shown="percent",
        better="higher",
        meaning="Share of texts that are given exactly their classes, none more and none less.",
    ),
    Figure(
        name="micro_f1",
        title="micro F1",
        value=0.0,
        shown="percent",
        better="higher",
        meaning="F1 over all classes that texts have or are given, each counted alike.",
    ),
    Figure(
        name="macro_f1",
        title="macro F1",
        value=0.0,
        shown="percent",
        better="higher",
        meaning="Mean of the F1 of all classes, each counted alike.",
    ),
    Figure(
        name="samples_f1",
        title="F1 of texts",
        value=0.0,
        shown="percent",
        better="higher",
        meaning="Mean over the texts of the F1 of what each is given.",
    ),
    Figure(
        name="hamming_loss",
        title="Hamming loss",
        value=0.0,
        shown="percent",
        better="lower",
        meaning="Share of wrong decisions, where each class of each text is one.",
    ),
    Figure(
        name="calibration_error",
        title="calibration error",
        value=0.0,
        shown="percent",
        better="lower",
        meaning=f"By how much the probability of a class is off on average ({CALIBRATION_BINS} bins).",
    ),
    Figure(
        name="log_loss",
        title="log loss",
        value=0.0,
        shown="number",
        better="lower",
        meaning="Mean over the classes of all texts of minus the logarithm of what the truth was given.",
    ),
)
