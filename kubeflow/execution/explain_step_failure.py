"""Errors of a step on a cluster whose reason lies outside its code."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from agnews.pipeline.local.explain_failure import exception_chain
from agnews.schemas.errors import AgnewsError, ExitCode

_NO_SPACE = "no space left on device"


@contextmanager
def explain_step_failure(node: str, inputs: Mapping[str, Path]) -> Iterator[None]:
    """Turns an error about the disk, or about an input that is gone, into one that says what to do.

    Args:
        node: Name of the node.
        inputs: Folders of its inputs by name, as the launcher has made them.

    Raises:
        AgnewsError: The disk of the pod is full, or the files of an input have been removed.
        Exception: Whatever else was raised inside, as it was.
    """
    try:
        yield
    except Exception as error:
        reasons = list(exception_chain(error))
        if full := next((reason for reason in reasons if _is_full_disk(reason)), None):
            raise AgnewsError(
                f"The disk of {node}'s pod is full.",
                found=_first_line(full),
                fix=f"Give it more: a `scratch` among the `volumes` of the row {node} in the deployment table, or a "
                "larger claim.",
                exit_code=ExitCode.FAILED,
            ) from error
        if any(isinstance(reason, AgnewsError) for reason in reasons):
            raise
        for name, folder in inputs.items():
            if _is_empty(folder) and any(str(folder) in str(reason) for reason in reasons):
                raise AgnewsError(
                    f"The files of {node}'s input `{name}` are gone.",
                    found=_first_line(error),
                    fix="The step that made them was answered from the cache, and its files have been removed from the "
                    "object store. Write `cache: false` into the row of that step, and run again.",
                    exit_code=ExitCode.FAILED,
                ) from error
        raise


def _is_full_disk(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return _NO_SPACE in str(error).lower()


def _is_empty(folder: Path) -> bool:
    return not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
