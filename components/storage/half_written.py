"""What killed processes leave of files that they were writing."""

from __future__ import annotations

import re
import time
from pathlib import Path

from agnews.components.storage.atomic_output import TEMPORARY_SUFFIX

_NAME = re.compile(rf"\..+\.[0-9a-f]{{16}}{re.escape(TEMPORARY_SUFFIX)}")
_STILL = 60.0
"""Seconds without a byte more, after which nobody writes to a file."""


def remove_half_written(folder: str, still: float = _STILL) -> int:
    """Removes files that `replaced_file` has begun and nobody will end. No reader looks at them, but they hold rows.

    Args:
        folder: A local folder, which need not exist, with all that is below it. Of a URI nothing is removed: object
            stores show no file before it is whole.
        still: Seconds since the last byte. One who still writes after that fails, and says so.

    Returns:
        How many.

    Raises:
        OSError: One cannot be removed.
    """
    removed = 0
    if "://" not in folder:
        for path in list(Path(folder).rglob(f".*{TEMPORARY_SUFFIX}")):
            if _NAME.fullmatch(path.name) and time.time() - path.lstat().st_mtime >= still:
                path.unlink(missing_ok=True)
                removed += 1
    return removed
