"""What can go from a workspace, and what needs the rest."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from agnews.components.model_store import ModelStore
from agnews.components.model_store.anchors import kept_anchor
from agnews.pipeline.paths import Paths
from agnews.schemas.errors import AgnewsError

Kind = Literal["run", "artifact", "cache entry", "study", "scratch"]


@dataclass(frozen=True)
class Wish:
    """What is to stay. One of both is given.

    Attributes:
        keep: That many of the newest runs.
        older_than: What is younger.
    """

    keep: int | None = None
    older_than: timedelta | None = None


@dataclass(frozen=True)
class Item:
    """Something that can go.

    Attributes:
        kind: What it is.
        path: Where it is: a file or a folder.
        size: Bytes.
    """

    kind: Kind
    path: Path
    size: int


@dataclass(frozen=True)
class Cleaning:
    """A plan.

    Attributes:
        items: What goes, in the order in which it is removed: what points at something before what it points at.
        kept: Why a run stays, by its name.
    """

    items: tuple[Item, ...]
    kept: Mapping[str, str] = field(default_factory=dict)


def plan_cleaning(paths: Paths, wish: Wish, *, now: datetime | None = None) -> Cleaning:
    """Looks through a workspace. Models are not touched: `agnews models prune` looks after them.

    A run stays if it is new enough, or made a version that is in production or the best ever pushed. An artifact stays
    if a run that stays has made or used it, according to its report or to the metadata store, or if it is as young as
    the oldest of them: then a run that was cut may go on with it.

    Args:
        paths: The workspace; the caller holds its lock.
        wish: What is to stay.
        now: The time; None asks the clock.

    Returns:
        The plan; nothing is changed.

    Raises:
        AgnewsError: The pointer of a model cannot be read, or the metadata store cannot: then nobody knows what is
            needed.
    """
    runs = sorted((path for path in _folders(paths.runs)), key=_started, reverse=True)
    kept = _kept_runs(runs, wish, now or datetime.now(UTC))
    kept |= {run: why for run, why in _runs_of_models(paths) if (paths.runs / run).is_dir() and run not in kept}
    cutoff = _cutoff(runs, kept, wish, now or datetime.now(UTC))
    needed = {Path(uri) for run in kept for uri in (*_in_report(paths, run), *_in_metadata(paths, run))}
    artifacts = [
        Item("artifact", path, _size(path))
        for node in _folders(paths.artifacts)
        for key in _folders(node)
        for path in _folders(key)
        if not key.name.startswith(".") and path not in needed and _changed(path) < cutoff
    ]
    gone = {item.path for item in artifacts}
    items = [
        *_stale_entries(paths, gone),
        *(Item("run", run, _size(run)) for run in runs if run.name not in kept),
        *artifacts,
        *_studies(paths, wish, cutoff),
        *(Item("scratch", path, _size(path)) for path in _entries(paths.scratch) if _changed(path) < cutoff),
    ]
    return Cleaning(tuple(items), kept)


def _kept_runs(runs: list[Path], wish: Wish, now: datetime) -> dict[str, str]:
    if wish.keep is not None:
        return {run.name: "among the newest" for run in runs[: wish.keep]}
    oldest = now - (wish.older_than or timedelta())
    return {run.name: "young enough" for run in runs if _started(run) >= oldest}


def _runs_of_models(paths: Paths) -> Iterator[tuple[str, str]]:
    for folder in _folders(paths.models):
        store = ModelStore(str(paths.models), folder.name)
        production = store.production()
        if production is None:
            continue
        yield production.run_id, f"made version {production.version}, which is in production"
        anchor = kept_anchor(store, production.version)
        if anchor is not None and anchor.version in store.versions():
            yield store.record(anchor.version).run_id, f"made version {anchor.version}, the best that was ever pushed"


def _cutoff(runs: list[Path], kept: Mapping[str, str], wish: Wish, now: datetime) -> datetime:
    """Nothing that changed since then goes; with fewer runs than are to stay, nothing goes at all."""
    if wish.older_than is not None:
        return now - wish.older_than
    newest = [run for run in runs if kept.get(run.name) == "among the newest"]
    if wish.keep is None or len(runs) <= wish.keep:
        return datetime.min.replace(tzinfo=UTC)
    return min((_started(run) for run in newest), default=now)


_RUN_ID = re.compile(r"(\d{8}T\d{6})-")


def _started(run: Path) -> datetime:
    found = _RUN_ID.match(run.name)
    if found:
        try:
            return datetime.strptime(found[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
        except ValueError:
            pass  # Digits that are no date: the file system knows better.
    return _changed(run)


def _in_report(paths: Paths, run: str) -> Iterator[str]:
    """Outputs that the report names. One that is missing or damaged names none; then the metadata store does."""
    try:
        nodes = json.loads(paths.report(run).read_bytes()).get("nodes", {})
        for node in nodes.values():
            yield from node.get("outputs", {}).values()
    except (OSError, ValueError, AttributeError):
        return


_OF_RUN = """
SELECT DISTINCT Artifact.uri FROM Artifact
JOIN Event ON Event.artifact_id = Artifact.id
JOIN Association ON Association.execution_id = Event.execution_id
JOIN Context ON Context.id = Association.context_id
WHERE Context.name = ?
"""


def _in_metadata(paths: Paths, run: str) -> list[str]:
    """What its executions took and gave, be it from the cache."""
    if not paths.metadata.exists():
        return []
    try:
        with closing(sqlite3.connect(f"{paths.metadata.absolute().as_uri()}?mode=ro", uri=True)) as store:
            return [uri for (uri,) in store.execute(_OF_RUN, (run,))]
    except sqlite3.Error as error:
        raise AgnewsError(
            "The record of all executions cannot be read, so nobody knows what runs need.",
            found=f"{paths.metadata}: {error}",
            fix="See what `agnews run` says about it; then clean.",
        ) from error


def _stale_entries(paths: Paths, gone: set[Path]) -> Iterator[Item]:
    for path in _entries(paths.root / "same_runs"):
        try:
            outputs = json.loads(path.read_bytes())["outputs"]
            needs = {Path(uri) for keys in outputs.values() for uri in keys.values()}
        except (OSError, ValueError, KeyError, AttributeError):
            needs = gone  # Nobody can read it, so it answers nothing.
            yield Item("cache entry", path, _size(path))
            continue
        if needs & gone or not all(each.exists() for each in needs):
            yield Item("cache entry", path, _size(path))


def _studies(paths: Paths, wish: Wish, cutoff: datetime) -> Iterator[Item]:
    """Studies, not the settings that came of them: a file of settings is a configuration that runs are made with."""
    studies = sorted((paths.root / "tuning").glob("*.sqlite"), key=_changed, reverse=True)
    for study in studies[wish.keep :] if wish.keep is not None else studies:
        if wish.keep is not None or _changed(study) < cutoff:
            yield Item("study", study, _size(study))


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _folders(folder: Path) -> Iterable[Path]:
    return [path for path in _entries(folder) if path.is_dir() and not path.is_symlink()]


def _files(path: Path) -> Iterator[Path]:
    yield from (each for each in path.rglob("*") if each.is_file()) if path.is_dir() else (path,)


def _size(path: Path) -> int:
    return sum(each.lstat().st_size for each in _files(path))


def _changed(path: Path) -> datetime:
    """When the newest file in it was written."""
    stamps = [each.lstat().st_mtime for each in (path, *_files(path))]
    return datetime.fromtimestamp(max(stamps), UTC)
