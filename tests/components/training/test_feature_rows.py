from __future__ import annotations

from itertools import chain

import numpy as np

from agnews.components.training.token_rows import FeatureRows

ROWS = FeatureRows(np.arange(14, dtype=np.float32).reshape(7, 2), np.arange(7))


def batches(**settings: int | None) -> list[list[int]]:
    found = []
    for features, labels in ROWS.dataset(batch_size=3, **settings):
        np.testing.assert_array_equal(features[:, 0], 2 * labels)
        found.append(labels.numpy().tolist())
    return found


def test_an_epoch_holds_every_row_once_in_an_order_of_its_own() -> None:
    found = batches(seed=5, epochs=2)

    assert [len(batch) for batch in found] == [3, 3, 1, 3, 3, 1]
    first, second = list(chain(*found[:3])), list(chain(*found[3:]))
    assert sorted(first) == sorted(second) == list(range(7))
    assert first != second
    assert found != batches(seed=6, epochs=2)


def test_a_run_that_is_taken_up_sees_what_it_would_have_seen() -> None:
    assert batches(seed=5, first_epoch=1, epochs=3) == batches(seed=5, epochs=3)[3:]


def test_without_a_seed_rows_keep_their_order() -> None:
    assert batches() == [[0, 1, 2], [3, 4, 5], [6]]
