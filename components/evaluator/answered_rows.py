"""A file of predictions, read back without having all of its probabilities in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from agnews.components.storage.files_at import files_at
from agnews.schemas import predictions as columns

_CELLS = 1 << 22
"""Probabilities in memory at once."""


def open_predictions(path: str) -> pq.ParquetFile:
    """Opens a file of predictions.

    Args:
        path: What `predict_split` wrote. A local file is mapped; of a remote one the compressed bytes are in memory.
    """
    if "://" in path:
        return pq.ParquetFile(pa.BufferReader(files_at(path).read_bytes(path)))
    return pq.ParquetFile(path, memory_map=True)


class AnsweredRows:
    """Rows of a file of predictions, in its order.

    Args:
        source: The file, or rows of it that are in memory already.
        classes: How many the model knows.

    Attributes:
        table: All columns but the probabilities, which take more room than all others.
    """

    def __init__(self, source: pq.ParquetFile | pa.Table, classes: int) -> None:
        self._source, self._classes = source, classes
        names = source.column_names if isinstance(source, pa.Table) else source.schema_arrow.names
        others = [name for name in names if name != columns.PROBABILITIES]
        self.table: pa.Table = source.select(others) if isinstance(source, pa.Table) else source.read(others)

    def blocks(self) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Reads the probabilities of all rows, some rows at a time; each call begins at the first.

        Yields:
            Which rows they are, and their probabilities (rows, classes).
        """
        start, size = 0, max(1, _CELLS // max(self._classes, 1))
        wanted = [columns.PROBABILITIES]
        source = self._source
        batches = (
            source.select(wanted).to_batches(max_chunksize=size)
            if isinstance(source, pa.Table)
            else source.iter_batches(size, columns=wanted)
        )
        for batch in batches:
            if rows := len(batch):
                shares = batch.column(0).flatten().to_numpy(zero_copy_only=False).reshape(rows, -1)
                yield slice(start, start + rows), shares
                start += rows

    def at(self, positions: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        """Reads the probabilities of some rows.

        Args:
            positions: Of the rows, in any order.

        Returns:
            By position, (classes,).
        """
        wanted = sorted(set(positions))
        found: dict[int, NDArray[np.float32]] = {}
        for block, shares in self.blocks() if wanted else ():
            found |= {each: shares[each - block.start].copy() for each in wanted if block.start <= each < block.stop}
        return found
