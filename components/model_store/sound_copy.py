"""A pushed version, compared with its digest before anything loads it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from agnews.components.model_store.model_digest import model_digest
from agnews.components.storage.files_at import files_at
from agnews.components.storage.local_copy import local_copy
from agnews.schemas.errors import AgnewsError, ExitCode


@contextmanager
def sound_copy(folder: str, digest: str) -> Iterator[str]:
    """Hands over a version's folder where TensorFlow opens it, and its files are those that were pushed.

    The digest is the one in the pointer for the version in production: a folder can't vouch for itself. What is
    compared is what is loaded, the copy where one is made.

    Args:
        folder: Of the version, local or remote.
        digest: What the pointer says of it, or its record where it is not in production.

    Yields:
        See `local_copy`.

    Raises:
        AgnewsError: The files are not what was pushed.
        OSError: It cannot be read.
    """
    with local_copy(folder) as copy:
        found = model_digest({path: f"{copy}/{path}" for path in files_at(copy).files_below(copy)})
        if found != digest:
            raise AgnewsError(
                f"The files in {folder} are not what was pushed.",
                found=f"sha256 {found}, pushed was {digest}",
                fix="Restore the folder from a backup, or go back with `agnews models rollback`.",
                exit_code=ExitCode.FAILED,
            )
        yield copy
