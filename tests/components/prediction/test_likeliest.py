"""The likeliest classes, in the order that the model itself has among equals."""

from __future__ import annotations

import numpy as np
import pytest

from agnews.components.prediction.likeliest import chosen_top, default_top, likeliest


@pytest.mark.parametrize("top", [1, 2, 5, 19, 20, 100, None])
def test_the_order_is_that_of_a_stable_sort(top: int | None) -> None:
    drawn = np.random.default_rng(0)
    # Halves and quarters: many are equal, at the border of what is named too.
    probabilities = drawn.integers(0, 4, (200, 20)).astype(np.float32) / 4
    stable = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    np.testing.assert_array_equal(likeliest(probabilities, top), stable)


def test_the_first_is_the_answer_even_where_all_are_equal() -> None:
    assert likeliest(np.full((1, 10_000), 1e-4, np.float32), 3).tolist() == [[0, 1, 2]]


def test_probabilities_so_small_that_they_are_almost_nothing_are_told_apart() -> None:
    assert likeliest(np.array([[0.0, 1e-44, 3e-39, 0.0]], np.float32), 3).tolist() == [[2, 1, 0]]


def test_five_of_more_than_ten_classes_unless_somebody_says_otherwise() -> None:
    assert [default_top(classes) for classes in (2, 10, 11, 10_000)] == [None, None, 5, 5]
    assert [chosen_top(77, asked) for asked in (None, 0, 3)] == [5, None, 3]
    assert [chosen_top(4, asked) for asked in (None, 0, 2)] == [None, None, 2]
