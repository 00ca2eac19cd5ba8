"""What a storage's refusal means to whoever has to mend it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from agnews.schemas.errors import AgnewsError, ExitCode

_NO_SPACE = "no space left on device"


def is_full_disk(error: BaseException) -> bool:
    """Whether an error says that there is no space left, in Python's words or in those of a library beneath it."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return _NO_SPACE in str(error).lower()


def storage_error(error: BaseException, action: str, *, elsewhere: str = "") -> AgnewsError:
    """Says what an error of the storage means.

    Args:
        error: What was raised.
        action: What was being done, to end the sentence "No permission while ...".
        elsewhere: How to choose another place, to end the sentence "Free some space, or ..."; empty where there is no
            such way.

    Returns:
        The error to raise from it: the disk is full, there is no permission, or the storage failed.
    """
    also = f", or {elsewhere}" if elsewhere else ""
    if is_full_disk(error):
        problem, fix = "The disk is full", f"Free some space{also}, then run the same command again."
    elif isinstance(error, PermissionError) or getattr(error, "errno", None) == errno.EROFS:
        problem, fix = (
            "No permission",
            f"Allow this user to read and write there, or {elsewhere or 'choose another folder'}.",
        )
    else:
        problem, fix = "The storage failed", f"Check that the place exists and can be reached{also}, then run again."
    found = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return AgnewsError(f"{problem} while {action}.", found=found, fix=fix, exit_code=ExitCode.FAILED)


@contextmanager
def explain_storage_errors(action: str, *, elsewhere: str = "") -> Iterator[None]:
    """Turns errors of the storage into an AgnewsError that names a way out.

    Args:
        action: See `storage_error`.
        elsewhere: See `storage_error`.

    Raises:
        AgnewsError: The disk is full, there is no permission, or the storage failed.
    """
    try:
        yield
    except OSError as error:
        raise storage_error(error, action, elsewhere=elsewhere) from error
