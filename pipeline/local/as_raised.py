"""Errors of Beam's workers as they were raised there."""

from __future__ import annotations

from agnews.schemas.errors import AgnewsError

_MARK = " [while running "


def as_raised(error: AgnewsError) -> AgnewsError:
    """Undoes what Beam does to an error: it raises a new one, with all parts of the old in the first of its own.

    Args:
        error: What was caught.

    Returns:
        The error that a worker raised; `error` itself if it did not come through Beam.
    """
    while _MARK in error.problem and isinstance(error.__context__, AgnewsError):
        error = error.__context__
    return error
