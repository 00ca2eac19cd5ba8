from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from agnews.components.map_ahead import map_ahead


def test_results_come_in_the_order_of_the_items_whichever_is_done_first() -> None:
    def slow_first(item: int) -> int:
        time.sleep(0.05 if item == 0 else 0)
        return item

    assert list(map_ahead(slow_first, range(20), at_once=3)) == list(range(20))


def test_so_many_are_worked_on_at_once() -> None:
    together = threading.Barrier(3, timeout=5)
    assert list(map_ahead(lambda item: together.wait() >= 0, range(6), at_once=3)) == [True] * 6


def test_items_are_read_as_they_are_needed() -> None:
    read = []

    def items() -> Iterator[int]:
        for item in range(100):
            read.append(item)
            yield item

    results = map_ahead(lambda item: item, items(), at_once=2)
    assert next(results) == 0
    assert read == [0, 1, 2]


def test_an_error_comes_in_place_of_its_result_and_ends_the_work() -> None:
    def fail_at_two(item: int) -> int:
        if item == 2:
            raise ValueError("two")
        return item

    results = map_ahead(fail_at_two, range(100), at_once=2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(results)
