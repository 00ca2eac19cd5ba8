"""The errors behind an error."""

from __future__ import annotations

from collections.abc import Iterator

from agnews.pipeline.local.as_raised import as_raised
from agnews.schemas.errors import AgnewsError


def reasons_behind(error: BaseException) -> Iterator[BaseException]:
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
        yield as_raised(reason) if isinstance(reason, AgnewsError) else reason
        reason = reason.__cause__ or reason.__context__
