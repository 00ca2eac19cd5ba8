"""Carries a plan out, so that a cut at any place leaves a workspace that works: the rest goes with the next call."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing

from agnews.components.storage.explain_storage_errors import explain_storage_errors
from agnews.pipeline.cleaning.plan_cleaning import Cleaning, Item
from agnews.pipeline.paths import Paths
from agnews.schemas.errors import AgnewsError

_DELETED = 4
"""Of ML Metadata's enumeration `Artifact.State`."""


def clean(paths: Paths, plan: Cleaning) -> Iterator[Item]:
    """Removes what a plan names.

    First the metadata store says of each artifact that it is deleted, so no cache counts on it; then files go.

    Args:
        paths: The workspace; the caller holds its lock.
        plan: From `plan_cleaning`.

    Yields:
        Each item once it is gone.

    Raises:
        AgnewsError: Something cannot be removed; what was removed before is.
    """
    _forget(paths, [str(item.path) for item in plan.items if item.kind == "artifact"])
    for item in plan.items:
        with explain_storage_errors(f"removing {item.path}"):
            if item.path.is_dir():
                shutil.rmtree(item.path)
            else:
                item.path.unlink(missing_ok=True)
        yield item


def _forget(paths: Paths, uris: list[str]) -> None:
    if not uris or not paths.metadata.exists():
        return
    try:
        with closing(sqlite3.connect(paths.metadata)) as store, store:
            store.executemany("UPDATE Artifact SET state = ? WHERE uri = ?", [(_DELETED, uri) for uri in uris])
    except sqlite3.Error as error:
        raise AgnewsError(
            "The record of all executions cannot be written, so nothing was removed.",
            found=f"{paths.metadata}: {error}",
            fix="Mend its permissions, or make room on the disk.",
        ) from error
