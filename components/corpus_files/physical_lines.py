"""The lines of a stream of bytes, however long they are."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator

BOM_SIZE = len(codecs.BOM_UTF8)


def physical_lines(stream: io.BufferedReader, longest: int) -> Iterator[tuple[bytes, int]]:
    """Reads lines without ever holding much more than the longest that is of use.

    Args:
        stream: Where to read; it stays open.
        longest: Bytes of a line that are kept, its end included.

    Yields:
        The beginning of each line, with its LF if it fits, and how many bytes the whole line has in the stream.
    """
    readline = stream.readline
    while line := readline(longest):
        size = len(line)
        if size == longest and line[-1] != 10:
            while rest := readline(longest):
                size += len(rest)
                if rest[-1] == 10:
                    break
        yield line, size


def skip_byte_order_mark(stream: io.BufferedReader) -> int:
    """Moves a stream that stands at its beginning behind UTF-8's byte-order mark, if it has one.

    Args:
        stream: Where to read.

    Returns:
        How many bytes were skipped.
    """
    # utf-8-sig would drop it too, but decodes at a fraction of the speed.
    if not stream.peek(BOM_SIZE).startswith(codecs.BOM_UTF8):
        return 0
    return len(stream.read(BOM_SIZE))
