"""From whatever ended a step to a message that its reader can act on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agnews.components.storage.explain_storage_errors import is_full_disk, storage_error
from agnews.schemas.errors import AgnewsError, ExitCode

_MARK = " [while running "


def unwrap(error: AgnewsError) -> AgnewsError:
    """Undoes what Beam does to an error: it raises a new one, with all parts of the old in the first of its own.

    Args:
        error: What was caught.

    Returns:
        The error that a worker raised; `error` itself if it did not come through Beam.
    """
    while _MARK in error.problem and isinstance(error.__context__, AgnewsError):
        error = error.__context__
    return error


def exception_chain(error: BaseException) -> Iterator[BaseException]:
    """Walks from an error to what led to it; Beam and TensorFlow wrap what they pass on.

    Args:
        error: What was caught.

    Yields:
        The error, then its causes; an AgnewsError as it was raised.
    """
    seen: set[int] = set()
    reason: BaseException | None = error
    while reason is not None and id(reason) not in seen:
        seen.add(id(reason))
        yield unwrap(reason) if isinstance(reason, AgnewsError) else reason
        reason = reason.__cause__ or reason.__context__


_READ_DATA = frozenset({"NewsExampleGen", "DataGate"})
"""Steps whose complaints are about the data: the reader mends that, not the step."""


def explain_failure(error: Exception, node: str, log: Path, metadata: Path | None = None) -> AgnewsError:
    """Finds the reason behind an error that may have come through Beam or TensorFlow, which wrap what they pass on.

    Args:
        error: What ended the run.
        node: The step that ran; empty before the first.
        log: File with everything that libraries said.
        metadata: File in which TFX records executions, where there is one.

    Returns:
        The error to show. Its exit code says whether a step had started, and whether the data is to blame.
    """
    place = f"{node}: " if node else ""
    code = ExitCode.FAILED if node else ExitCode.USAGE
    for reason in exception_chain(error):
        if isinstance(reason, AgnewsError):
            about_data = node in _READ_DATA and reason.exit_code == ExitCode.USAGE
            code = reason.exit_code if about_data or not node else ExitCode.FAILED
            return AgnewsError(f"{place}{reason.problem}", found=reason.found, fix=reason.fix, exit_code=code)
        if is_full_disk(reason):
            return storage_error(
                reason, f"running {node or 'the pipeline'}", elsewhere="use another disk with --root DIR"
            )
        if metadata is not None and type(reason).__module__.startswith("ml_metadata"):
            return unusable_metadata(metadata, f"{place}{str(reason).splitlines()[0]}")
    return AgnewsError(
        f"{node or 'The run'} failed.",
        found=f"{type(error).__name__}: {error}",
        fix=f"The whole story is in {log}.",
        exit_code=ExitCode.FAILED,
    )


def unusable_metadata(path: Path, found: str) -> AgnewsError:
    """Returns the error for a metadata store that cannot be read or written.

    Args:
        path: Its file.
        found: What is wrong with it.
    """
    return AgnewsError(
        "The record of earlier steps cannot be used.",
        found=f"{path}: {found}",
        fix=f"Make sure that the disk is not full and the file not read-only. If it is damaged, delete it and "
        f"{path.parent / 'artifacts'}: all steps run again then, and pushed models, reports and studies stay.",
        exit_code=ExitCode.FAILED,
    )
