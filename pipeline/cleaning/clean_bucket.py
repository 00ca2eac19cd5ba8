"""What can go below the pipeline root of a cluster: `ROOT/PIPELINE/RUN/STEP/...`, as Kubeflow Pipelines lays it out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from agnews.components.storage.explain_storage_errors import explain_storage_errors
from agnews.components.storage.files import Files
from agnews.components.storage.files_at import files_at
from agnews.pipeline.cleaning.plan_cleaning import Wish


@dataclass(frozen=True)
class BucketRun:
    """Artifacts of one run.

    Attributes:
        uri: Their folder.
        size: Bytes.
        changed: When the newest file was written.
        kept_because: Why it stays; empty where it goes.
    """

    uri: str
    size: int
    changed: datetime
    kept_because: str


def plan_bucket(root: str, wish: Wish, *, now: datetime | None = None) -> tuple[BucketRun, ...]:
    """Looks through a pipeline root.

    Args:
        root: Folder or URI.
        wish: What is to stay; `keep` counts the runs of each pipeline by itself.
        now: The time; None asks the clock.

    Returns:
        Every run, newest first. A run whose artifacts the report of one that stays names is needed: a step of that one
        was answered from the cache.

    Raises:
        AgnewsError: The storage cannot be read.
    """
    root = root.removeprefix("file://").rstrip("/")
    files = files_at(root)
    oldest = (now or datetime.now(UTC)) - (wish.older_than or timedelta())
    found: list[BucketRun] = []
    with explain_storage_errors(f"reading {root}"):
        for pipeline in files.names(root):
            folder = f"{root}/{pipeline}"
            runs = sorted(
                (run for name in files.names(folder) if (run := _look(files, f"{folder}/{name}"))),
                key=lambda run: run.changed,
                reverse=True,
            )
            stays = {
                run.uri
                for place, run in enumerate(runs)
                if (place < wish.keep if wish.keep is not None else run.changed >= oldest)
            }
            used = {name for uri in stays for name in _named_by_reports(files, uri, folder)}
            for run in runs:
                why = "new enough" if run.uri in stays else ""
                if not why and run.uri.rsplit("/", 1)[-1] in used:
                    why = "a newer run uses what it has made"
                found.append(BucketRun(run.uri, run.size, run.changed, why))
    return tuple(found)


def clean_bucket(root: str, runs: tuple[BucketRun, ...]) -> Iterator[BucketRun]:
    """Removes the runs that nothing keeps.

    Args:
        root: Folder or URI.
        runs: From `plan_bucket`.

    Yields:
        Each once it is gone.
    """
    files = files_at(root.removeprefix("file://"))
    for run in runs:
        if not run.kept_because:
            with explain_storage_errors(f"removing {run.uri}"):
                files.remove(run.uri)
            yield run


def _look(files: Files, uri: str) -> BucketRun | None:
    states = [files.state(f"{uri}/{path}") for path in files.files_below(uri)]
    if not states:
        return None  # A file beside the runs, or an empty folder: nobody knows what it is.
    newest = datetime.fromtimestamp(max(state.changed_ns for state in states) / 1e9, UTC)
    return BucketRun(uri, sum(state.size for state in states), newest, "")


def _named_by_reports(files: Files, uri: str, folder: str) -> Iterator[str]:
    # The address of a bucket is written with other schemes too: what counts is what follows.
    place = re.escape(folder.partition("://")[2] or folder).encode()
    pattern = re.compile(place + rb'/([^/"\s]+)/')
    for path in files.files_below(uri):
        if path.endswith(("/report.json", "/executor_output.json")):
            yield from (name.decode() for name in pattern.findall(files.read_bytes(f"{uri}/{path}")))
