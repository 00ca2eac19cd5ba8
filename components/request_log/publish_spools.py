"""Turns spools into whole files of the log, also those of a process that was killed."""

from __future__ import annotations

import fcntl
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pyarrow.parquet as pq

from agnews.components.request_log.erasures import read_erasures
from agnews.components.request_log.places import Places
from agnews.components.request_log.spool import COUNTS, SUFFIX, read_counts, read_spool
from agnews.components.storage.files_at import files_at

_HOUR = "%Y%m%dT%H"


def spool_name(instance: str, hour: datetime, part: int) -> str:
    """Names a spool.

    Args:
        instance: Of the process.
        hour: Whose rows it takes.
        part: Number of it in this hour.
    """
    return f"{instance}-{hour:{_HOUR}}-{part}{SUFFIX}"


def file_name(path: Path) -> str:
    """Names the file that a spool becomes, in the folder of its hour.

    Args:
        path: The spool.
    """
    instance, _, part = path.name.removesuffix(SUFFIX).split("-")
    return f"{instance}-{part}.parquet"


def publish_spool(places: Places, path: Path) -> int:
    """Writes a spool's rows as a file of its hour, and removes the spool.

    The file's name follows from the spool's: whoever is killed between the two steps does the first one again, and
    nothing is there twice.

    Args:
        places: Of the log.
        path: The spool, to which nobody writes any more.

    Returns:
        Rows.

    Raises:
        OSError: The log cannot be written; the spool is still there.
    """
    rows = read_erasures(places).apply(read_spool(path))
    if rows.num_rows:
        sink = io.BytesIO()
        pq.write_table(rows, sink, compression="zstd")
        hour = datetime.strptime(path.name.split("-")[1], _HOUR).replace(tzinfo=UTC)
        target = f"{places.hour_folder(hour)}/{file_name(path)}"
        files_at(target).write_private(target, [sink.getvalue()])
    path.unlink()
    return int(rows.num_rows)


def recover_spools(places: Places, tell: Callable[[str], None]) -> int:
    """Publishes what processes that were killed have left, and counts what went with them.

    Args:
        places: Of the log.
        tell: Receives a sentence for each process.

    Returns:
        Rows that were lost.

    Raises:
        OSError: The log cannot be written; what is left stays.
    """
    lost = 0
    for counts in sorted(places.spool.glob(f"*{COUNTS}")):
        with _of_the_dead(counts) as descriptor:
            if descriptor is None:
                continue
            instance = counts.name.removesuffix(COUNTS)
            rows = sum(publish_spool(places, path) for path in sorted(places.spool.glob(f"{instance}-*{SUFFIX}")))
            missing = read_counts(descriptor).lost
            if missing:
                ended = datetime.fromtimestamp(counts.stat().st_mtime, UTC)
                gap = f"{places.gaps}/{instance}.json"
                content = orjson.dumps({"instance": instance, "rows": missing, "ended": ended.isoformat()})
                files_at(gap).write(gap, [content])
            tell(f"the log of a server that was killed is whole again: {rows} rows saved, {missing} lost")
            lost += missing
            counts.unlink()
    return lost


@contextmanager
def _of_the_dead(path: Path) -> Iterator[int | None]:
    """Opens the counts of a process that is gone, and keeps others off; None where it lives, or another does so."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        yield None
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield descriptor if path.exists() else None
    finally:
        os.close(descriptor)


def remove_old_days(places: Places, keep_days: int) -> list[str]:
    """Removes whole days of requests that are older than they may become.

    Args:
        places: Of the log.
        keep_days: Days to keep, besides today.

    Returns:
        Names of what was removed.
    """
    files = files_at(places.uri)
    oldest = (datetime.now(UTC) - timedelta(days=keep_days)).strftime("%Y-%m-%d")
    old = [name for name in files.names(places.requests) if name.startswith("date=") and name < f"date={oldest}"]
    for name in old:
        files.remove(f"{places.requests}/{name}")
    return old
