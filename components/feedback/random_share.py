"""Which texts are asked about whatever the model said, so that accuracy can be measured on them."""

from __future__ import annotations

import zlib

SHARE = 0.1
"""Of all logged texts. Their labels measure, and are never learnt from."""
TRAINING_ROW = "~train/"
"""Beginning of the ids of training rows that people are asked about. No request can have such an id, and no spreadsheet
takes it for a formula."""


def is_in_random_share(row: str) -> bool:
    """Tells whether a text belongs to the random share; the same for the same row, everywhere and always.

    Args:
        row: Id of the row in the log. The rows that are logged were chosen by another hash of the request's id. What
            has been learnt from measures nothing.
    """
    if not row or row.startswith(TRAINING_ROW):
        return False
    return zlib.crc32(b"random share " + row.encode()) < SHARE * (1 << 32)
