"""The texts of the log that can be labelled, or were."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from agnews.components.feedback.choose_texts import LoggedText
from agnews.components.request_log import columns
from agnews.components.request_log.places import Places
from agnews.components.request_log.read_requests import read_requests

_FIRST_REACH = timedelta(minutes=10)


def read_logged_texts(places: Places, since: datetime, *, rows: Collection[str] | None = None) -> list[LoggedText]:
    """Reads rows that were kept with their texts.

    Args:
        places: Of the log.
        since: From when on.
        rows: Ids of the rows; None for all.

    Returns:
        The rows, oldest first.
    """
    names = [columns.ID, columns.TEXT, columns.LABEL, columns.PROBABILITIES]
    found = read_requests(places, since, names=[*names, columns.IS_SHADOW])
    # What a shadow said nobody got; null where no shadow was known yet.
    is_shadow = pc.fill_null(found.column(columns.IS_SHADOW), False)
    found = found.filter(pc.and_(pc.is_valid(found.column(columns.TEXT)), pc.invert(is_shadow)))
    if rows is not None:
        found = found.filter(pc.is_in(found.column(columns.ID), value_set=pa.array(sorted(rows), pa.string())))
    values = (found.column(name).to_pylist() for name in names)
    return [LoggedText(*row) for row in zip(*values, strict=True)]


def read_newest_texts(places: Places, since: datetime, most: int) -> list[LoggedText]:
    """Reads the newest rows, and no more of the log than they need.

    Args:
        places: Of the log.
        since: The earliest that is of interest.
        most: Rows that are enough.

    Returns:
        The newest `most` rows, or all since then where there are fewer, oldest first.
    """
    now = datetime.now(UTC)
    reach = _FIRST_REACH
    while True:
        start = max(since, now - reach)
        found = read_logged_texts(places, start)
        if len(found) >= most or start == since:
            return found[-most:]
        reach *= 4
