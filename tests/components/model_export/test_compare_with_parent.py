from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from agnews.components.model_export.compare_with_parent import Answer, compare_with_parent
from agnews.components.model_export.labelled_texts import LabelledTexts

ROWS = LabelledTexts([f"{number:03}".encode() + b" x" * (number % 7) for number in range(300)], [0, 1] * 150, "rows")


def right_except(wrong: Sequence[int], confidence: float = 0.9) -> Answer:
    """Answers rows of ROWS rightly, but for these."""

    def answer(texts: Sequence[bytes]) -> NDArray[np.float32]:
        numbers = [int(text[:3]) for text in texts]
        classes = np.array([(number % 2) ^ (number in wrong) for number in numbers])
        found = np.full((len(texts), 2), 1 - confidence, np.float32)
        found[np.arange(len(texts)), classes] = confidence
        return found

    return answer


def test_counts_rows_that_were_won_and_lost() -> None:
    done: list[int] = []

    found = compare_with_parent(
        ROWS,
        parent=right_except([1, 2, 3]),
        export=right_except([3, 4], confidence=0.8),
        version="7",
        alpha=0.05,
        on_rows=done.append,
    )

    assert (found.test.paired.only_candidate_right, found.test.paired.only_baseline_right) == (2, 1)
    assert found.test.changed_answers == 3
    assert found.test.paired.baseline_accuracy == pytest.approx(297 / 300)
    assert found.test.largest_difference == pytest.approx(0.7, abs=1e-6)
    assert found.judge(0.05)[0]
    assert done[-1] == 300
    assert not found.differs_like("float32")
    assert found.differs_like("int8")


def test_an_export_that_loses_rows_beyond_noise_does_not_pass() -> None:
    found = compare_with_parent(ROWS, parent=right_except([]), export=right_except(range(9)), version="7", alpha=0.05)

    passed, reason = found.judge(0.05)

    assert not passed
    assert "0 rows won and 9 lost" in reason
    assert "worse beyond noise at level 0.05" in reason


def test_an_export_that_gives_no_distribution_does_not_pass() -> None:
    sound = right_except([])

    def broken(texts: Sequence[bytes]) -> NDArray[np.float32]:
        found = sound(texts)
        found[0] = np.nan
        return found

    found = compare_with_parent(ROWS, parent=sound, export=broken, version="7", alpha=0.05)

    assert found.judge(0.05) == (False, "on 10 of 300 rows its probabilities are no distribution")


def test_rows_for_calibration_are_chosen_by_their_texts_and_not_judged_on() -> None:
    aside, rest = ROWS.split(40)
    backwards = LabelledTexts(ROWS.texts[::-1], ROWS.labels[::-1], "rows")

    assert len(aside.texts) == 40
    assert sorted([*aside.texts, *rest.texts]) == sorted(ROWS.texts)
    assert set(backwards.split(40)[0].texts) == set(aside.texts)
    assert (
        dict(zip(rest.texts, rest.labels, strict=True)).items()
        <= dict(zip(ROWS.texts, ROWS.labels, strict=True)).items()
    )
    assert len(ROWS.split(200)[0].texts) == 100, "at most a third is set aside"
