"""The way back to an earlier version."""

from __future__ import annotations

from dataclasses import dataclass

from agnews.components.model_store.model_store import ModelStore, Production
from agnews.components.model_store.pointer import Pointer, moved
from agnews.components.model_store.transaction import (
    PointerMovedError,
    after_commit,
    commit,
    exclusively,
    has_marker,
    settle,
)
from agnews.components.storage.explain_storage_errors import storage_error
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.model_record import ModelRecord


@dataclass(frozen=True)
class Rollback:
    """A change of the version in production.

    Attributes:
        before: The version that was in production.
        after: The version that is.
    """

    before: ModelRecord
    after: ModelRecord


def rollback(store: ModelStore, to: str = "", *, why: str = "") -> Rollback:
    """Puts an earlier version into production, or a later one that was withdrawn.

    Only the pointer changes, in one step. The files of the version are read and compared with its digest before.
    Versions newer than the one that the pointer names are then withdrawn: they stay, and a run that makes such a model
    again does not bring it back. The next push of another model ends that, for it was compared with the version in
    production, and has a higher number than all.

    Args:
        store: The store.
        to: Number of the version; empty takes the one before the version in production.
        why: For the trail.

    Returns:
        The versions before and after; the same one where it is in production already.

    Raises:
        AgnewsError: Nothing was pushed yet, there is no such version or none before, its files are not those that
            were pushed, a push is under way, or the store cannot be written. Production is then as it was, unless the
            message says that nobody knows.
    """
    try:
        with exclusively(store):
            production = store.look()
            if production.pointer is None:
                raise AgnewsError(
                    f"There is no version of {store.name} in production.",
                    found=f"no pointer in {store.uri}",
                    fix="Run the pipeline first: `agnews run`.",
                )
            before = production.pointer.record
            after = _find(store, before.version, to)
            if after.version != before.version:
                store.require_sound(after)
                pointer = _move(store, before, after, why)
                with after_commit(store, after.version):
                    settle(store, pointer)
    except OSError as error:
        doing = f"moving the pointer in {store.uri}; the version in production is as it was"
        raise storage_error(error, doing) from error
    return Rollback(before, after)


def _find(store: ModelStore, current: str, to: str) -> ModelRecord:
    versions = store.versions_beside(current)
    if to and to not in versions:
        raise AgnewsError(
            f"There is no whole version {to[:40]} of {store.name} in {store.uri}.",
            found=f"versions {', '.join(versions)}",
            fix="Name one of these; `agnews models list` tells more about them.",
        )
    older = [each for each in versions if int(each) < int(current)]
    if not to and not older:
        raise AgnewsError(
            f"There is no version of {store.name} before {current}, which is in production.",
            found=f"versions {', '.join(versions)}",
            fix="Name a version with --to, or push a better model: `agnews run`.",
        )
    return store.record(to or older[-1])


def _move(store: ModelStore, before: ModelRecord, after: ModelRecord, why: str) -> Pointer:
    while True:
        production = store.look()
        if production.version != before.version:
            raise _has_moved(store, production)
        # The order matters: whoever removes a version marks it first, then changes the pointer.
        if has_marker(store, after.version) or not store.files.exists(store.folder(after.version)):
            raise AgnewsError(
                f"Version {after.version} of {store.name} is being removed by another process.",
                found=store.marker(after.version),
                fix="Name another version; `agnews models list` tells which there are.",
                exit_code=ExitCode.FAILED,
            )
        settle(store, production.pointer)
        pointer = moved(production.pointer, after, "rollback", why)
        try:
            commit(store, pointer, production.etag)
        except PointerMovedError:
            continue
        return pointer


def _has_moved(store: ModelStore, production: Production) -> AgnewsError:
    return AgnewsError(
        f"Production of {store.name} has moved meanwhile.",
        found=f"version {production.version}" if production.version else "no version",
        fix="Look with `agnews models list`, then run the same command again if you still want it.",
        exit_code=ExitCode.FAILED,
    )
