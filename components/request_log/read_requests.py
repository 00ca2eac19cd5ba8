"""Reads logged requests back."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from agnews.components.request_log import columns
from agnews.components.request_log.columns import SCHEMA
from agnews.components.request_log.erasures import read_erasures
from agnews.components.request_log.places import Places
from agnews.components.request_log.publish_spools import file_name
from agnews.components.request_log.spool import SUFFIX, read_spool
from agnews.components.storage.files import Files
from agnews.components.storage.files_at import files_at


def request_files(files: Files, places: Places, since: datetime, until: datetime) -> Iterator[str]:
    """Finds the files that may hold rows of a time, oldest first.

    Args:
        files: Operations for the log.
        places: Of the log.
        since: The beginning.
        until: The end. A row of an hour's last second may stand in the file of the next hour.
    """
    first, last = f"{since.astimezone(UTC):%Y-%m-%d%H}", f"{until.astimezone(UTC) + timedelta(hours=1):%Y-%m-%d%H}"
    for day in files.names(places.requests):
        date = day.removeprefix("date=")
        if not (day.startswith("date=") and first[:10] <= date <= last[:10]):
            continue
        for hour in files.names(f"{places.requests}/{day}"):
            if first <= date + hour.removeprefix("hour=") <= last:
                folder = f"{places.requests}/{day}/{hour}"
                yield from (f"{folder}/{name}" for name in files.names(folder) if name.endswith(".parquet"))


def read_requests(
    places: Places,
    since: datetime,
    until: datetime | None = None,
    names: Sequence[str] | None = None,
    where: Callable[[pa.Table], pa.Table] = lambda rows: rows,
) -> pa.Table:
    """Reads the rows of a time, those of the hour that is not over among them where the spool is on this machine.

    Args:
        places: Of the log.
        since: The first moment.
        until: The first moment that is not wanted; None for now.
        where: Chooses rows of each file before the next one is read, so that not all of them are in memory at once.
        names: Columns; None for all. The time is always among them.

    Returns:
        The rows in the order of their times.
    """
    until = until or datetime.now(UTC) + timedelta(minutes=1)
    wanted = SCHEMA.names if names is None else list(dict.fromkeys([columns.TIME, *names]))
    files = files_at(places.uri)
    erasures = read_erasures(places)
    tables, taken = [], set()
    # Spools first: one that becomes a file meanwhile is known by its name, and not read twice.
    for path in sorted(places.spool.glob(f"*{SUFFIX}")):
        with suppress(FileNotFoundError):
            tables.append(where(_known(erasures.apply(read_spool(path))).select(wanted)))
            taken.add(file_name(path))
    tables += [
        where(_known(pq.read_table(io.BytesIO(files.read_bytes(path)))).select(wanted))
        for path in request_files(files, places, since, until)
        if path.rpartition("/")[2] not in taken
    ]
    rows = pa.concat_tables(tables) if tables else SCHEMA.empty_table().select(wanted)
    time = rows.column(columns.TIME)
    bounds = [pa.scalar(moment, SCHEMA.field(columns.TIME).type) for moment in (since, until)]
    rows = rows.filter(pc.and_(pc.greater_equal(time, bounds[0]), pc.less(time, bounds[1])))
    return rows.sort_by(columns.TIME)


def _known(table: pa.Table) -> pa.Table:
    """Gives a file of an earlier form the columns that it has not."""
    for place, each in enumerate(SCHEMA):
        if each.name not in table.column_names:
            table = table.add_column(place, each, pa.nulls(table.num_rows, each.type))
    return table.select(SCHEMA.names).cast(SCHEMA)


def lost_rows(places: Places, since: datetime) -> int:
    """Counts the rows that went with processes that were killed.

    Args:
        places: Of the log.
        since: From when on.
    """
    files = files_at(places.uri)
    gaps = [json.loads(files.read_bytes(f"{places.gaps}/{name}")) for name in files.names(places.gaps)]
    return sum(gap["rows"] for gap in gaps if datetime.fromisoformat(gap["ended"]) >= since)
