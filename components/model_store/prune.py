"""Room for new versions."""

from __future__ import annotations

from dataclasses import dataclass

from agnews.components.model_store.anchors import kept_anchor
from agnews.components.model_store.model_store import ENGINES, ModelStore
from agnews.components.model_store.serving_leases import living_leases, remove_dead_leases
from agnews.components.model_store.transaction import exclusively, mark, retire, sweep, unmark
from agnews.components.storage.explain_storage_errors import explain_storage_errors


@dataclass(frozen=True)
class Pruning:
    """What becomes of one version when old ones are removed.

    Attributes:
        version: Its number.
        kept_because: Why it stays; empty where it goes.
        size: Bytes in its folder.
    """

    version: str
    kept_because: str
    size: int


def prune(store: ModelStore, keep: int, *, dry_run: bool = False) -> tuple[Pruning, ...]:
    """Removes old versions.

    The version in production stays, and so do the best one that was ever pushed (a new test file has it scored again),
    those that running servers use and those that were withdrawn, whatever their age. Numbered folders that no push
    has made are left alone.

    Args:
        store: The store.
        keep: How many of the newest versions stay in any case; at least 1.
        dry_run: Remove nothing.

    Returns:
        What becomes of each version, oldest first.

    Raises:
        AgnewsError: A push is under way, or the store cannot be read or written. Versions are removed oldest first,
            each as a whole; what a cut removal leaves goes with the next push or pruning.
    """
    if keep < 1:
        raise ValueError(f"keep is {keep}, and at least one version has to stay")
    with explain_storage_errors(f"removing versions from {store.uri}"), exclusively(store):
        if not dry_run:
            sweep(store)
            remove_dead_leases(store.uri)
        current = store.look().version
        versions = store.versions_beside(current)
        prunings = [
            Pruning(version, _kept_because(store, version, current, version in versions[-keep:]), store.size(version))
            for version in versions
        ]
        if not dry_run:
            prunings = [_remove(store, each) for each in prunings]
            _remove_exports(store)
    return tuple(prunings)


def _kept_because(store: ModelStore, version: str, current: str, is_new: bool) -> str:
    if not current:
        return "nothing is in production"
    if version == current:
        return "in production"
    if int(version) > int(current):
        return "withdrawn; no run brings it back"
    if (anchor := kept_anchor(store, current)) and anchor.version == version:
        return "the best that was ever pushed; runs are compared with it"
    if leases := [lease for lease in living_leases(store.uri) if lease.version == version]:
        return f"served by {', '.join(f'{lease.host}:{lease.pid}' for lease in leases)}"
    return "among the newest" if is_new else ""


def _remove_exports(store: ModelStore) -> None:
    """Removes what was made of versions that are gone, also of those that a removal which was cut has taken."""
    folder = f"{store.uri}/{ENGINES}"
    exported = {path.partition("/")[0] for path in store.files.files_below(folder)}
    for version in exported - set(store.versions_beside(store.look().version)):
        store.files.remove(f"{folder}/{version}")


def _remove(store: ModelStore, pruning: Pruning) -> Pruning:
    if pruning.kept_because:
        return pruning
    if mark(store, pruning.version) is None:
        return Pruning(pruning.version, "another process works on it", pruning.size)
    # A server may have come since the plan was made, or somebody gone back to it.
    if reason := _kept_because(store, pruning.version, store.look().version, is_new=False):
        unmark(store, pruning.version)
        return Pruning(pruning.version, reason, pruning.size)
    retire(store, pruning.version)
    return pruning
