"""Answers a run from one that was the same, before TensorFlow and TFX are imported, which takes most of the time."""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agnews.components.report.assemble_report import installed_versions
from agnews.components.storage.atomic_output import write_atomically
from agnews.pipeline.node_settings import resolve_text, trainer_settings, transform_settings
from agnews.pipeline.observer import NodeResult
from agnews.pipeline.paths import Paths
from agnews.pipeline.plan_run import RunPlan
from agnews.schemas.document import Part
from agnews.schemas.errors import AgnewsError
from agnews.schemas.run_config import RunConfig
from agnews.schemas.run_report import NodeState

_LOGGER = logging.getLogger(__name__)

_LIVE = 2
"""Of ML Metadata's enumeration `Artifact.State`."""
_PACKAGE = Path(__file__).parents[2]
_SOURCES = {".py", ".pbtxt", ".html", ".css", ".md"}


class SameRun(Part):
    """What a whole run has left, in the order of its nodes."""

    outputs: dict[str, dict[str, str]]
    """URI by node and key."""


def run_key(
    config: RunConfig,
    plan: RunPlan,
    carried: Mapping[str, str],
    code: Mapping[str, str],
    paths: Paths,
    told: Sequence[str] = (),
) -> str:
    """Returns the digest of all that decides about every node of a run.

    More than TFX's cache looks at, so that a run with the same key is one that TFX would answer from its cache: the
    whole source counts, comments included, and the version of every package that the report lists.

    Args:
        config: The configuration.
        plan: What is known before the first node.
        carried: What nodes are told of the corpus, from `carried_corpora`.
        code: Digest of the code by node.
        paths: Where the run is stored.
        told: What the Pusher is told besides.

    Raises:
        AgnewsError: The encoder, the vocabulary cannot be found or is damaged.
    """
    text = resolve_text(config)
    facts = {
        "config": config.model_dump(mode="json", exclude={"devices": {"workers"}}),
        "plan": [plan.digest, plan.fingerprint, plan.production, plan.anchor, plan.withdrawn, plan.replaces],
        "transform": transform_settings(text, ""),
        "trainer": trainer_settings(config, text, str(paths.scratch), "", carried["Trainer"]),
        "corpora": dict(carried),
        "told": list(told),
        "code": dict(code),
        "source": _source_digest(),
        "versions": installed_versions(),
        "root": str(paths.root),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def _source_digest() -> str:
    digest = hashlib.sha256()
    for layer in ("schemas", "components", "pipeline"):
        for path in sorted((_PACKAGE / layer).rglob("*")):
            if path.suffix in _SOURCES:
                digest.update(f"{path.relative_to(_PACKAGE)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def remember_run(paths: Paths, key: str, results: Mapping[str, NodeResult]) -> None:
    """Writes down what a run has left, so that the same run can be answered from it. A disk that says no fails no run.

    Args:
        paths: Where the run is stored.
        key: From `run_key`.
        results: What became of every node; all ended well.
    """
    same = SameRun(outputs={node: dict(result.outputs) for node, result in results.items()})
    try:
        write_atomically(_file(paths, key), same.model_dump_json(indent=2) + "\n")
    except AgnewsError as error:
        _LOGGER.warning("The same run will ask each of its nodes: %s", " ".join(str(error).split()))


def find_same_run(paths: Paths, key: str) -> list[NodeResult] | None:
    """Looks for a run with the same key whose outputs are all as it has left them.

    Args:
        paths: Where runs are stored.
        key: From `run_key`.

    Returns:
        The nodes in order, as answered from the cache; None where TFX has to be asked: there is no such run, its
        record or the metadata store cannot be read, or an output or a pushed model was changed or removed.
    """
    try:
        same = SameRun.model_validate_json(_file(paths, key).read_bytes())
        known = _recorded(paths.metadata, {uri for outputs in same.outputs.values() for uri in outputs.values()})
        whole = all(
            uri in known and _is_whole(uri, known[uri]) for outputs in same.outputs.values() for uri in outputs.values()
        )
    except (OSError, ValidationError, ValueError, sqlite3.Error):
        return None
    state: NodeState = "cached"
    return (
        [NodeResult(node, state, 0.0, outputs) for node, outputs in same.outputs.items()]
        if whole and same.outputs
        else None
    )


def _file(paths: Paths, key: str) -> Path:
    return paths.root / "same_runs" / f"{key[:32]}.json"


def _recorded(metadata: Path, uris: Iterable[str]) -> dict[str, dict[str, str]]:
    """Reads the custom properties of the artifacts at these places that the metadata store takes for usable."""
    found: dict[str, dict[str, str]] = {}
    with closing(sqlite3.connect(f"{metadata.absolute().as_uri()}?mode=ro", uri=True)) as store:
        for uri in uris:
            for (artifact,) in store.execute("SELECT id FROM Artifact WHERE uri = ? AND state = ?", (uri, _LIVE)):
                found[uri] = dict(_properties(store, artifact))
    return found


def _properties(store: sqlite3.Connection, artifact: int) -> Iterator[tuple[str, str]]:
    query = "SELECT name, string_value FROM ArtifactProperty WHERE artifact_id = ? AND is_custom_property = 1"
    yield from ((name, value or "") for name, value in store.execute(query, (artifact,)))


def _is_whole(uri: str, properties: Mapping[str, Any]) -> bool:
    folder, pushed = Path(uri), properties.get("pushed_destination")
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    return (
        folder.is_dir()
        and ("files" not in properties or json.loads(properties["files"]) == sizes)
        and (not pushed or Path(pushed).exists())
    )
