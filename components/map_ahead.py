"""Work on items side by side, handed over in their order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_ahead(function: Callable[[Item], Result], items: Iterable[Item], *, at_once: int) -> Iterator[Result]:
    """Like `map`, with threads; at most `at_once` items and their results are in memory.

    Args:
        function: Called by several threads at once.
        items: Read by the caller's thread, when there is room for the next.
        at_once: Threads.

    Yields:
        What the function returns, in the order of the items.

    Raises:
        Exception: What the function raises, in place of its result.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(at_once) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > at_once:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
