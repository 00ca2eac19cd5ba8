"""What a batch costs, and which waiting rows make a good one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class BatchCost:
    """A straight line: all rows of a batch are padded to its longest, and each batch has a price of its own.

    Attributes:
        seconds: Of a batch, whatever is in it.
        seconds_per_byte: Of text, padding included.
    """

    seconds: float
    seconds_per_byte: float

    @classmethod
    def fit(cls, samples: Sequence[tuple[int, float]]) -> BatchCost:
        """Draws the line through measurements, by least squares of the relative errors.

        Args:
            samples: Bytes with padding, and seconds.

        Returns:
            The line; neither number is negative.
        """
        size, seconds = np.array(samples, float).T
        line = np.stack([1.0 / seconds, size / seconds], axis=1)
        fixed, slope = np.linalg.lstsq(line, np.ones(len(seconds)), rcond=None)[0]
        return cls(max(0.0, float(fixed)), max(1e-9, float(slope)))

    def choose(self, lengths: Sequence[int], head: int, most: int) -> range:
        """Chooses rows for a batch so that a byte of text costs as little as possible.

        Starts with one row, which is in the batch in any case, and goes on to the next shorter or the next longer one
        for as long as that makes a byte cheaper.

        Args:
            lengths: Of the waiting rows, in ascending order.
            head: Position of the row to begin with.
            most: Rows in a batch.

        Returns:
            The positions of the chosen rows.
        """
        first = last = head
        useful = lengths[head]
        price = self._price(1, lengths[head], useful)
        while last - first + 1 < most:
            rows = last - first + 2
            shorter = longer = float("inf")
            if first > 0:
                shorter = self._price(rows, lengths[last], useful + lengths[first - 1])
            if last + 1 < len(lengths):
                longer = self._price(rows, lengths[last + 1], useful + lengths[last + 1])
            if min(shorter, longer) > price:
                break
            if longer <= shorter:
                last += 1
                useful += lengths[last]
                price = longer
            else:
                first -= 1
                useful += lengths[first]
                price = shorter
        return range(first, last + 1)

    def _price(self, rows: int, longest: int, useful: int) -> float:
        return (self.seconds + self.seconds_per_byte * rows * longest) / max(useful, 1)
