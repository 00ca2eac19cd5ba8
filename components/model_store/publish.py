"""A new version, and the pointer to it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from agnews.components.model_store.anchors import keep_anchor
from agnews.components.model_store.model_digest import RECORD_FILE, model_digest
from agnews.components.model_store.model_store import SAVED_MODEL, ModelStore, numbers
from agnews.components.model_store.pointer import Action, Pointer, moved
from agnews.components.model_store.transaction import (
    PointerMovedError,
    after_commit,
    commit,
    exclusively,
    is_marked,
    mark,
    retire,
    settle,
    sweep,
    too_busy,
    unmark,
)
from agnews.components.storage.explain_storage_errors import storage_error
from agnews.components.storage.files_at import files_at
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.model_record import FORMAT, LearntFrom, ModelRecord

_LOGGER = logging.getLogger(__name__)
_TRIES = 100


@dataclass(frozen=True)
class Push:
    """What became of a model that was handed to the store.

    Attributes:
        record: The version in production now.
        is_new: False where nothing was written: the same model was in production already, or `withdrawn` says why not.
        withdrawn: The version that this model is, where somebody rolled back from it. It comes back into production
            by a rollback to it, and not by itself.
    """

    record: ModelRecord
    is_new: bool
    withdrawn: ModelRecord | None = None


def publish(
    store: ModelStore,
    *,
    model: str,
    extra_files: Mapping[str, str],
    judged_against: str,
    replaces: str = "",
    fingerprint: str,
    run_id: str,
    accuracy: float,
    classes: tuple[str, ...],
    learnt_from: LearntFrom | None = None,
    overruled: tuple[str, ...] = (),
    why: str = "",
    anchor: str = "",
) -> Push:
    """Puts a model into production: a new version, then the pointer.

    It goes through four steps: (1) the marker `.incoming-VERSION` is made, which only one process can for a number,
    (2) the files are written, on a local disk inside the marker's folder, and read back, (3) on a local disk, the
    finished folder gets its name in one rename, (4) the pointer is replaced in one step, if it still is the one that
    was read. Then the marker goes. Whatever a killed push leaves behind carries its marker, and the next push removes
    it: a push that did not reach the pointer did not happen. An object store has no rename, so there the version is
    written in place, `saved_model.pb` last, which is the file that TF Serving waits for.

    Args:
        store: Where to.
        model: Folder of the SavedModel, local or remote.
        extra_files: Where the content of more files is, by their path in the version's folder.
        judged_against: Version that the model was found not worse than; empty where there was none.
        replaces: Version in production that it was not compared with and takes the place of all the same; empty where
            there is none.
        fingerprint: Digest of data, configuration and code that led to the model; empty where unknown.
        run_id: Run that made the model.
        accuracy: Of the model on the test split.
        classes: Names of the classes in the order of the model's outputs.
        learnt_from: The data behind the model.
        overruled: Rules that failed and that somebody overruled.
        why: What somebody gave as a reason, for the trail.
        anchor: Folder with the best model on the test rows so far, see `keep_anchor`; empty where nobody knows.

    Returns:
        The version in production and whether it is new. A model with the fingerprint or the digest of the one in
        production, or of one that was withdrawn, is not pushed again.

    Raises:
        AgnewsError: Production has moved since the model was judged, another push is under way, the store cannot
            be written, or what was written cannot be read back. Production is then as it was, unless the message says
            that nobody knows.
    """
    sources = {path: f"{model}/{path}" for path in files_at(model).files_below(model)} | dict(extra_files)
    if SAVED_MODEL not in sources:
        raise AgnewsError(
            f"The model folder {model} holds no {SAVED_MODEL}.",
            found=", ".join(sorted(sources)) or "no file",
            fix="Train again: the export is incomplete.",
            exit_code=ExitCode.FAILED,
        )
    try:
        with exclusively(store):
            digest = model_digest(sources)
            if known := _find_same(store, digest, fingerprint):
                sweep(store)
                return known
            _require_unmoved(store, store.look().version, replaces or judged_against)
            sweep(store)
            facts = {
                "format": FORMAT,
                "name": store.name,
                "run_id": run_id,
                "pushed_at": datetime.now(UTC).replace(microsecond=0),
                "model_digest": digest,
                "fingerprint": fingerprint,
                "judged_against": judged_against,
                "accuracy": accuracy,
                "overruled": overruled,
                "classes": classes,
                "learnt_from": learnt_from,
            }
            record, tag = _claim(store, facts)
            try:
                _write_version(store, record, sources)
                if anchor:
                    keep_anchor(store, record.version, anchor, learnt_from.test_digest if learnt_from else "")
                pointer = _commit(store, record, tag, replaces, why)
            except (OSError, AgnewsError, KeyboardInterrupt):
                _undo(store, record.version, tag)
                raise
            with after_commit(store, record.version):
                settle(store, pointer)
    except OSError as error:
        raise storage_error(error, f"pushing to {store.uri}; the version in production is as it was") from error
    return Push(record, is_new=True)


def _find_same(store: ModelStore, digest: str, fingerprint: str) -> Push | None:
    current = store.production()
    if current is None:
        return None
    for known in (current, *store.withdrawn()):
        if known.model_digest == digest or (fingerprint and known.fingerprint == fingerprint):
            return Push(current, is_new=False, withdrawn=known if known is not current else None)
    return None


def _claim(store: ModelStore, facts: Mapping[str, object]) -> tuple[ModelRecord, str]:
    """Takes a number that no other process has, and none may be about to remove."""
    number = _next_number(store)
    for _ in range(_TRIES):
        version = str(number)
        number += 1
        tag = mark(store, version)
        if tag is None:
            continue
        pointer = store.look().pointer
        floor = max(int(pointer.floor), int(pointer.version)) if pointer else 0
        if int(version) > floor:
            record = ModelRecord.model_validate({**facts, "version": version})
            try:
                # Lists may be late, and this one is not: a folder belongs to whoever makes its record.
                store.files.create(f"{_writing_folder(store, version)}/{RECORD_FILE}", _to_json(record))
            except FileExistsError:
                pass
            else:
                return record, tag
        number = max(number, floor + 1)
        unmark(store, version)
    raise too_busy(store)


def _next_number(store: ModelStore) -> int:
    taken = [int(name) for name in numbers(set(store.files.names(store.uri)))]
    if pointer := store.look().pointer:
        taken += [int(pointer.version), int(pointer.floor)]
    return max([int(datetime.now(UTC).timestamp()), *(number + 1 for number in taken)])


def _writing_folder(store: ModelStore, version: str) -> str:
    return f"{store.marker(version)}/model" if store.files.renames_atomically else store.folder(version)


def _write_version(store: ModelStore, record: ModelRecord, sources: Mapping[str, str]) -> None:
    folder = _writing_folder(store, record.version)
    for path in sorted(set(sources) - {RECORD_FILE}, key=lambda path: (path == SAVED_MODEL, path)):
        store.files.write(f"{folder}/{path}", files_at(sources[path]).read(sources[path]))
    digest = model_digest({path: f"{folder}/{path}" for path in sources})
    if digest != record.model_digest:
        raise AgnewsError(
            f"What was written to {folder} is not what was sent: the storage, or the model folder, changed it.",
            found=f"sha256 {digest} instead of {record.model_digest}",
            fix="Check the disk, then run the same command again; the version in production is as it was.",
            exit_code=ExitCode.FAILED,
        )
    if store.files.renames_atomically:
        store.files.rename(folder, store.folder(record.version))


def _commit(store: ModelStore, record: ModelRecord, tag: str, replaces: str, reason: str) -> Pointer:
    action: Action = "forced push" if record.overruled else "push"
    reasons = [reason] if reason else []
    reasons += [f"against {', '.join(record.overruled)}"] if record.overruled else []
    reasons += [f"in the place of version {replaces}, which it was not compared with"] if replaces else []
    why = "; ".join([*reasons, *([f"run {record.run_id}"] if record.run_id else [])])
    for _ in range(_TRIES):
        production = store.look()
        _require_unmoved(store, production.version, replaces or record.judged_against)
        # The order matters: whoever sweeps changes first the marker, then the pointer.
        if not is_marked(store, record.version, tag):
            raise AgnewsError(
                f"Another process has swept version {record.version} away while it was pushed.",
                found=f"no marker of this push in {store.marker(record.version)}",
                fix="Run the same command again; see that the clocks of all pushing machines agree.",
                exit_code=ExitCode.FAILED,
            )
        settle(store, production.pointer)
        pointer = moved(production.pointer, record, action, why)
        try:
            commit(store, pointer, production.etag)
        except PointerMovedError:
            continue
        return pointer
    raise too_busy(store)


def _undo(store: ModelStore, version: str, tag: str) -> None:
    """Removes what a failed push has written. The failure itself is what has to be told."""
    try:
        if is_marked(store, version, tag):
            retire(store, version)
    except (OSError, AgnewsError) as error:
        _LOGGER.warning("What a failed push left in %s goes with the next one: %s", store.marker(version), error)


def _require_unmoved(store: ModelStore, current: str, judged_against: str) -> None:
    if current != judged_against:
        raise AgnewsError(
            f"Production of {store.name} has moved since this model was judged, so nobody knows which is better.",
            found=f"judged against {_or_none(judged_against)}, in production is {_or_none(current)}",
            fix="Run the same command again: the model will be judged against the version in production now.",
            exit_code=ExitCode.FAILED,
        )


def _or_none(version: str) -> str:
    return f"version {version}" if version else "no version"


def _to_json(record: ModelRecord) -> bytes:
    return record.model_dump_json(indent=2).encode() + b"\n"
