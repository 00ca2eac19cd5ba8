"""What a storage's refusal means to whoever has to mend it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from agnews.schemas.errors import AgnewsError, ExitCode


@contextmanager
def explain_storage_errors(action: str) -> Iterator[None]:
    """Turns errors of the storage into an AgnewsError that names a way out.

    Args:
        action: What is being done inside, to end the sentence "No permission while ...".

    Raises:
        AgnewsError: The disk is full, there is no permission, or the storage failed.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            problem, fix = "The disk is full", "Free some space, then run the same command again."
        elif isinstance(error, PermissionError) or error.errno == errno.EROFS:
            problem, fix = "No permission", "Allow this user to read and write there, or choose another folder."
        else:
            problem, fix = "The storage failed", "Check that the place exists and can be reached, then run again."
        raise AgnewsError(f"{problem} while {action}.", found=error, fix=fix, exit_code=ExitCode.FAILED) from error
