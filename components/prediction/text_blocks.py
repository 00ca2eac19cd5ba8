"""Rows in blocks: enough of them that texts of like length meet in a batch, few enough that memory stays flat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from agnews.components.corpus_files.record import Reject
from agnews.components.prediction.read_ahead import ReadAhead
from agnews.components.prediction.text_row import TextRow

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
