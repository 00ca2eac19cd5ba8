"""An export beside the version that it was made of: the same texts, one batch after the other."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agnews.components.evaluator.paired_test import paired_test
from agnews.components.evaluator.tally import answers
from agnews.components.model_export.labelled_texts import LabelledTexts
from agnews.schemas.model_export import ExportSpeed, ExportTest, Precision
from agnews.schemas.predictions import NO_CLASS

_BATCH, _WARM_UP = 32, 2
_ROUNDING = 1e-3
"""Float32 in another order of sums differs by a thousandth of this."""

Answer = Callable[[Sequence[bytes]], NDArray[np.float32]]


class Comparison(NamedTuple):
    """What was found.

    Attributes:
        test: Counts, and the paired test.
        speed: Processor time of both.
        unusable: Rows to which the export gives no distribution.
        classes: How many there are.
    """

    test: ExportTest
    speed: ExportSpeed
    unusable: int
    classes: int

    def judge(self, alpha: float) -> tuple[bool, str]:
        """Decides whether the export may be served.

        Args:
            alpha: Level of the paired test.

        Returns:
            The decision, and a sentence about it.
        """
        if self.unusable:
            return False, f"on {self.unusable:,} of {self.test.rows:,} rows its probabilities are no distribution"
        paired = self.test.paired
        low, high = paired.confidence_interval
        passed = paired.p_worse > alpha
        return passed, (
            f"{self.test.changed_answers:,} of {self.test.rows:,} answers changed, {paired.only_candidate_right:,} "
            f"rows won and {paired.only_baseline_right:,} lost: {100 * paired.difference:+.2f} points "
            f"({100 * paired.level:g} % interval {100 * low:+.2f} to {100 * high:+.2f}), "
            f"{'not worse beyond noise' if passed else f'worse beyond noise at level {alpha:g}'}"
        )

    def differs_like(self, precision: Precision) -> bool:
        """Whether the probabilities differ no more than arithmetic of this precision explains."""
        return precision != "float32" or self.test.largest_difference <= _ROUNDING


def compare_with_parent(
    rows: LabelledTexts,
    *,
    parent: Answer,
    export: Answer,
    version: str,
    alpha: float,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> Comparison:
    """Lets both answer.

    Args:
        rows: Texts that neither has learnt from.
        parent: The version.
        export: What was made of it.
        version: Number of the version, for the record.
        alpha: Level of the paired test.
        on_rows: Called with the number of rows done.

    Returns:
        What was found. Processor time is that of all threads, and of both in turn, so that what else runs on the
        machine meets them alike.
    """
    sides = (parent, export)
    found: list[list[NDArray[np.int64]]] = [[], []]
    classes, largest = 0, 0.0
    seconds = [0.0, 0.0]
    timed = 0
    order = sorted(range(len(rows.texts)), key=lambda each: -len(rows.texts[each]))
    for start in range(0, len(order), _BATCH):
        texts = [rows.texts[each] for each in order[start : start + _BATCH]]
        is_timed = start >= _WARM_UP * _BATCH or len(order) <= _WARM_UP * _BATCH
        said: list[NDArray[np.float32]] = []
        for side, answer in enumerate(sides):
            began = time.process_time()
            said.append(answer(texts))
            seconds[side] += (time.process_time() - began) * is_timed
            found[side].append(answers(said[side]))
        classes = said[0].shape[1]
        largest = max(largest, float(np.nan_to_num(np.abs(said[0] - said[1]), nan=1.0).max()))
        timed += len(texts) * is_timed
        on_rows(start + len(texts))
    old, new = (np.concatenate(each) for each in found)
    labels = np.array(rows.labels)[order]
    test = ExportTest(
        rows=len(order),
        source=rows.source,
        changed_answers=int((old != new).sum()),
        largest_difference=largest,
        paired=paired_test(
            baseline=version,
            rows=len(order),
            both_right=int(((old == labels) & (new == labels)).sum()),
            only_candidate_right=int(((old != labels) & (new == labels)).sum()),
            only_baseline_right=int(((old == labels) & (new != labels)).sum()),
            alpha=alpha,
        ),
    )
    speed = ExportSpeed(
        tensorflow=1000.0 * seconds[0] / timed, engine=1000.0 * seconds[1] / timed, processor=_processor()
    )
    return Comparison(test, speed, int((new == NO_CLASS).sum()), classes)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
