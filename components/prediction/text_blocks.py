"""Rows in blocks: enough of them that texts of like length meet in a batch, few enough that memory stays flat."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, TypeVar

from agnews.components.corpus_files.record import Reject
from agnews.components.prediction.text_input import TextRow

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


BLOCK_ROWS = 2048
BLOCK_BYTES = 8 << 20


def text_blocks(rows: Iterable[TextRow | Reject], *, live: bool) -> Iterator[Sequence[TextRow | Reject]]:
    """Reads rows in a thread of its own, so that the model need not wait for them.

    Args:
        rows: What to read.
        live: Whether somebody waits for answers while the rows are still being written: a block is then what has
            come by now. Otherwise blocks are full, and the same each time.

    Returns:
        Blocks, in order.
    """
    # Reading begins here and now, not when the first block is wanted.
    if live:
        single = ReadAhead(rows, BLOCK_ROWS)
        return iter(lambda: single.take(BLOCK_ROWS), [])
    full = ReadAhead(fill_blocks(rows), 2)
    return (found[0] for found in iter(lambda: full.take(1), []))


def fill_blocks(rows: Iterable[TextRow | Reject]) -> Iterator[Sequence[TextRow | Reject]]:
    """Cuts rows into blocks.

    Args:
        rows: What to cut.

    Yields:
        Blocks of so many rows or bytes of text, in order.
    """
    block: list[TextRow | Reject] = []
    size = 0
    for row in rows:
        block.append(row)
        if isinstance(row, TextRow):
            size += len(row.text)
        if len(block) >= BLOCK_ROWS or size >= BLOCK_BYTES:
            yield block
            block, size = [], 0
    if block:
        yield block
