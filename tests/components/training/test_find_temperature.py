from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from agnews.components.optimization import row_blocks
from agnews.components.training.find_shares import find_shares
from agnews.components.training.find_temperature import find_temperature
from agnews.components.training.objective import ClassSets, OneClass

RANDOM = np.random.default_rng(2)


def test_of_many_classes_no_copy_of_all_logits_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, labels = RANDOM.normal(size=(400, 2000)).astype(np.float32), RANDOM.integers(0, 2000, 400)
    monkeypatch.setattr(row_blocks, "_CELLS", 1 << 16)
    tracemalloc.start()
    try:
        find_temperature(logits, labels)
        OneClass().cross_entropy(logits, labels, temperature=1.5)
        assert tracemalloc.get_traced_memory()[1] < 2 * logits.nbytes
    finally:
        tracemalloc.stop()


def test_what_is_found_in_blocks_is_what_is_found_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, labels = RANDOM.normal(size=(300, 5)).astype(np.float32), RANDOM.integers(0, 5, 300)
    marks = (RANDOM.random((300, 5)) < 0.3).astype(np.int64)

    def found() -> list[object]:
        sets = ClassSets()
        return [
            find_temperature(logits, labels),
            OneClass().cross_entropy(logits, labels, temperature=0.8),
            sets.cross_entropy(logits, marks, temperature=0.8),
        ]

    whole, temperature = found(), ClassSets().find_temperature(logits, marks)
    shares = find_shares([logits, logits**2], labels)
    monkeypatch.setattr(row_blocks, "_CELLS", 70)
    assert found() == whole
    # A product of matrices is summed in another order, whatever is asked for.
    assert find_shares([logits, logits**2], labels) == pytest.approx(shares, rel=1e-6)
    assert ClassSets().find_temperature(logits, marks) == pytest.approx(temperature, rel=1e-9)


def test_thresholds_are_about_probabilities_after_the_temperature() -> None:
    logits = (4.0 * RANDOM.normal(size=(200, 3))).astype(np.float32)
    marks = (logits + RANDOM.normal(size=logits.shape) > 0).astype(np.int64)
    assert ClassSets().find_thresholds(logits, marks, temperature=2.0) == ClassSets().find_thresholds(
        logits / 2.0, marks
    )
