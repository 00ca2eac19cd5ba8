"""Which texts go together."""

from __future__ import annotations

import pytest

from agnews.components.model_server.batch_cost import BatchCost

BY_LENGTH = BatchCost(seconds=0.0, seconds_per_byte=1.0)
BY_CALL = BatchCost(seconds=1e9, seconds_per_byte=1.0)


def test_the_line_through_measurements() -> None:
    cost = BatchCost.fit([(bytes_, 0.002 + 1e-6 * bytes_) for bytes_ in (40, 200, 600, 3000, 9600)])
    assert cost.seconds == pytest.approx(0.002)
    assert cost.seconds_per_byte == pytest.approx(1e-6)


def test_a_line_never_makes_a_batch_free() -> None:
    cost = BatchCost.fit([(100, 0.01), (1000, 0.001), (10_000, 0.0005)])
    assert cost.seconds >= 0
    assert cost.seconds_per_byte > 0


def test_where_padding_is_all_that_costs_only_texts_of_one_length_go_together() -> None:
    lengths = [50, 90, 90, 90, 300]
    assert BY_LENGTH.choose(lengths, 2, 32) == range(1, 4)
    assert BY_LENGTH.choose(lengths, 0, 32) == range(1)


def test_where_a_call_is_all_that_costs_everything_goes_together() -> None:
    assert BY_CALL.choose([1, 10, 100, 1000], 1, 32) == range(4)


def test_in_between_a_text_joins_if_the_batch_gets_cheaper_by_the_byte() -> None:
    cost = BatchCost(seconds=100.0, seconds_per_byte=1.0)
    # Alone, 100 bytes cost 200: two a byte. With 90 more, 300 for 190. With 1,000 more, 2,300 for 1,190.
    assert cost.choose([90, 100, 1000], 1, 32) == range(2)


@pytest.mark.parametrize("head", [0, 3, 6])
def test_the_first_row_is_in_and_the_size_is_kept(head: int) -> None:
    chosen = BY_CALL.choose([5, 6, 7, 8, 9, 10, 11], head, 3)
    assert len(chosen) == 3
    assert head in chosen


def test_empty_texts_are_no_trouble() -> None:
    assert 0 in BY_LENGTH.choose([0, 0, 5], 0, 32)
