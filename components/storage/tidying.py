"""Clean-ups behind work that is done: one that fails is told, and takes nothing away from the work."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from agnews.schemas.errors import AgnewsError

_LOGGER = logging.getLogger(__name__)


@contextmanager
def tidying(what: str) -> Iterator[None]:
    """Lets a clean-up fail with a warning: NFS, for one, keeps a folder for as long as somebody has a file of it open.

    Args:
        what: What is removed, as the beginning of a sentence.

    Yields:
        Nothing; the clean-up stands inside.
    """
    try:
        yield
    except (OSError, AgnewsError) as error:
        _LOGGER.warning("%s is left behind, which changes no result: %s", what, " ".join(str(error).split())[:500])
