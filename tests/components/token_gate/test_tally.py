from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from agnews.components.token_gate.check_tokens import Tally
from agnews.schemas.token_check import SplitTokens

UNK, CLS, SEP = 1, 2, 3


def count(*batches: Sequence[Sequence[int]], max_length: int = 6) -> SplitTokens:
    tally = Tally(cls_id=CLS, sep_id=SEP, unknown_id=UNK, max_length=max_length, continues=np.arange(100) == 9)
    for rows in batches:
        values = np.array([token for row in rows for token in row], np.int64)
        tally.add(values, np.cumsum([0, *(len(row) for row in rows)]))
    return tally.summary()


def test_figures_over_batches() -> None:
    found = count([[2, 9, 1, 3], [2, 3]], [[2, 9, 9, 9, 9, 3], [2, 1, 1, 3]])
    assert found == SplitTokens(
        rows=4,
        pieces=8,
        unknown_pieces=3,
        unknown_share=0.375,
        words=3,
        pieces_per_word=8 / 3,
        full_share=0.25,
        mean_length=4.0,
        median_length=4,
        p95_length=6,
        p99_length=6,
        longest=6,
        empty_rows=1,
        broken_rows=0,
        first_broken_row=None,
    )


@pytest.mark.parametrize(
    "row",
    [
        [],
        [2],
        [3],
        [9, 9],
        [2, 9],
        [9, 3],
        [3, 9, 2],
        [2, 2, 9, 3],
        [2, 9, 3, 3],
        [2, 9, 3, 9, 3],
        [2, 9, 2, 3],
        [2, 9, 9, 9, 9, 9, 3],
    ],
)
def test_broken_rows_are_found_anywhere_in_a_batch(row: list[int]) -> None:
    good = [2, 9, 3]
    for position in range(3):
        rows = [good, good]
        rows.insert(position, row)
        found = count([good] * 4, rows, [good])
        assert found.broken_rows == 1
        assert found.first_broken_row == 4 + position


def test_a_batch_of_rows_without_ids() -> None:
    found = count([[], []])
    assert (found.rows, found.broken_rows, found.first_broken_row, found.longest) == (2, 2, 0, 0)


def test_no_rows() -> None:
    found = count()
    assert (found.rows, found.pieces, found.unknown_share, found.longest) == (0, 0, 0.0, 0)


def test_quantiles_equal_numpy() -> None:
    lengths = np.random.default_rng(0).integers(2, 400, 5000)
    found = count([[2, *[9] * (length - 2), 3] for length in lengths], max_length=512)
    wanted = np.quantile(lengths, [0.5, 0.95, 0.99], method="inverted_cdf")
    assert [found.median_length, found.p95_length, found.p99_length] == wanted.tolist()
    assert found.mean_length == pytest.approx(lengths.mean())
