"""Reading while something else computes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class ReadAhead(Generic[T]):
    """Runs an iterator in a thread of its own, a few items ahead of whoever takes them.

    Args:
        items: What to iterate over.
        depth: Most items that are kept.
    """

    def __init__(self, items: Iterable[T], depth: int) -> None:
        self._queue: queue.Queue[T | _End] = queue.Queue(depth)
        self._end: _End | None = None
        # A daemon: one that waits for a pipe or a terminal must not keep the process alive.
        threading.Thread(target=self._run, args=(items,), daemon=True).start()

    def take(self, most: int) -> list[T]:
        """Waits for an item, and takes with it what else is there.

        Args:
            most: Most items to take.

        Returns:
            At least one item; none at the end.

        Raises:
            BaseException: What the iterator raised, once all items before it were taken.
        """
        taken: list[T] = []
        while len(taken) < most and self._end is None:
            try:
                found = self._queue.get(block=not taken)
            except queue.Empty:
                break
            if isinstance(found, _End):
                self._end = found
            else:
                taken.append(found)
        if not taken and self._end is not None and self._end.error is not None:
            raise self._end.error
        return taken

    def _run(self, items: Iterable[T]) -> None:
        end = _End()
        try:
            for item in items:
                self._queue.put(item)
        except BaseException as error:  # noqa: BLE001 - raised where the items are taken
            end.error = error
        self._queue.put(end)


class _End:
    """Stands behind the last item."""

    error: BaseException | None = None
