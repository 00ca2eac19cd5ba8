"""Keeps labels beside the requests that they are about."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from agnews.components.feedback.document_lines import SUFFIX, read_lines, remove_lines, write_lines
from agnews.components.request_log.places import Places
from agnews.components.storage.files_at import files_at
from agnews.schemas.feedback import GivenLabel, Label, Source


def keep_labels(places: Places, given: Iterable[GivenLabel], source: Source) -> list[Label]:
    """Writes labels down; they are safe when this returns.

    Args:
        places: Of the log of requests.
        given: The labels.
        source: By which way they came.

    Returns:
        The labels as they are kept.

    Raises:
        OSError: They could not be written; none of them is kept.
    """
    now = datetime.now(UTC)
    batch = secrets.token_hex(6)
    labels = [
        Label(
            id=f"{batch}-{number}",
            row=each.row,
            text=each.text,
            label=each.label,
            by=each.by,
            at=each.at or now,
            source=source,
        )
        for number, each in enumerate(given)
    ]
    path = f"{places.feedback}/{now:%Y-%m-%d}/{now:%H%M%S}-{batch}{SUFFIX}"
    write_lines(path, labels)
    return labels


def read_labels(places: Places) -> list[Label]:
    """Reads all labels, in the order of the times that they were given for.

    Args:
        places: Of the log of requests.
    """
    files = files_at(places.uri)
    found = [
        label
        for name in files.files_below(places.feedback)
        if name.endswith(SUFFIX)
        for label in read_lines(f"{places.feedback}/{name}", Label)
    ]
    return sorted(found, key=lambda label: label.at)


def remove_labels(places: Places, has_to_go: Callable[[Label], bool]) -> int:
    """Removes labels for good.

    Args:
        places: Of the log of requests.
        has_to_go: Which.

    Returns:
        How many.
    """
    names = files_at(places.uri).files_below(places.feedback)
    return remove_lines((f"{places.feedback}/{name}" for name in names), Label, has_to_go)
