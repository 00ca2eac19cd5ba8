"""How a store is changed: alone where there is a lock, with conditions where there is none, and so that a cut is swept.

On a disk a file lock keeps two writers apart. An object store that knows conditional writes has no lock: everybody may
try, and who is late finds the pointer changed. Where neither is known, claim files are the lock.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from agnews.components.model_store.anchors import remove_anchor
from agnews.components.model_store.model_digest import RECORD_FILE
from agnews.components.model_store.model_store import HISTORY, MARKER, POINTER, SAVED_MODEL, ModelStore, numbers
from agnews.components.model_store.pointer import Pointer
from agnews.components.model_store.signature_file import remove_signature
from agnews.components.storage.files import ChangedError
from agnews.schemas.errors import AgnewsError, ExitCode

_LOGGER = logging.getLogger(__name__)

_LOCK_SECONDS = 60.0
_MARKER_AGE = timedelta(hours=1)
"""Where no lock keeps others out, a marker younger than this may belong to a living process."""
_STARTED = "started"
_TRIES = 100


class PointerMovedError(Exception):
    """The pointer is not the one that was read."""


@contextmanager
def exclusively(store: ModelStore) -> Iterator[None]:
    """Keeps other writers out where the storage knows how.

    Raises:
        AgnewsError: Another process has been writing for a minute.
    """
    with _lock(store):
        if store.files.exists(store.uri):
            # A process that was killed may have left a pointer that a power cut would still undo: nothing is built on
            # it before it is safe.
            store.files.sync_folder(store.uri)
        yield


@contextmanager
def _lock(store: ModelStore) -> Iterator[None]:
    lock = store.files.lock(store.uri, _LOCK_SECONDS)
    try:
        lock.__enter__()
    except TimeoutError as error:
        raise AgnewsError(
            f"Another process has been pushing to {store.uri} for {_LOCK_SECONDS:.0f} seconds.",
            found=error.strerror or error,
            fix="Wait until it is done, or end it, then run the same command again.",
            exit_code=ExitCode.LOCKED,
        ) from error
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


def commit(store: ModelStore, pointer: Pointer, etag: str | None) -> None:
    """Replaces the pointer, if it still is the one that was read.

    Args:
        store: The store.
        pointer: What it holds from now on.
        etag: Tag of what was read; None where there was none.

    Raises:
        PointerMovedError: It is another one by now, and nothing was changed.
        AgnewsError: The storage failed, and does not say whether the pointer was replaced.
        OSError: The storage failed, and the pointer is as it was.
    """
    path = f"{store.uri}/{POINTER}"
    try:
        if etag is None:
            store.files.create(path, pointer.json_bytes())
        else:
            store.files.replace(path, pointer.json_bytes(), etag)
    except (FileExistsError, ChangedError, FileNotFoundError) as error:
        if not _is_committed(store, pointer):
            raise PointerMovedError from error
    except OSError as error:
        # The answer may have been lost, and not the request.
        try:
            done = _is_committed(store, pointer)
            store.files.sync_folder(store.uri)  # Seen is not yet safe from a power cut.
        except (AgnewsError, OSError):
            raise AgnewsError(
                f"Nobody knows whether version {pointer.version} is in production: the storage failed while the "
                f"pointer {path} was replaced.",
                found=error,
                fix="Look with `agnews models list` once the storage answers; then run again what is missing.",
                exit_code=ExitCode.FAILED,
            ) from error
        if not done:
            raise


def _is_committed(store: ModelStore, pointer: Pointer) -> bool:
    found = store.look().pointer
    if found is None or pointer.move is None:
        return False
    # Somebody may have moved it on since, and has then written down where it had been.
    return found.move == pointer.move or store.files.exists(f"{store.uri}/{HISTORY}/{pointer.move.file}")


def mark(store: ModelStore, version: str) -> str | None:
    """Marks a version as not done.

    Returns:
        The tag of the mark, for `is_marked`; None where somebody else works on this number.
    """
    try:
        return store.files.create(f"{store.marker(version)}/{_STARTED}", _mark())
    except FileExistsError:
        return None


def _mark() -> bytes:
    return json.dumps({"at": datetime.now(UTC).isoformat(), "id": secrets.token_hex(8)}).encode()


def is_marked(store: ModelStore, version: str, tag: str) -> bool:
    """Whether the mark is still the own one: after an hour, others may take it for abandoned."""
    if store.files.renames_atomically:
        return True
    try:
        return store.files.read_tagged(f"{store.marker(version)}/{_STARTED}").etag == tag
    except FileNotFoundError:
        return False


def has_marker(store: ModelStore, version: str) -> bool:
    """Whether somebody is pushing or removing a version; asks for the file itself, as lists may be late."""
    return not store.files.renames_atomically and store.files.exists(f"{store.marker(version)}/{_STARTED}")


def sweep(store: ModelStore) -> None:
    """Removes what killed writers left behind, and completes the trail."""
    write_trail(store, store.look().pointer)
    for name in store.files.names(store.uri):
        version = name.removeprefix(MARKER)
        if name.startswith(MARKER) and numbers({version}) and _is_abandoned(store, version):
            retire(store, version)


def _is_abandoned(store: ModelStore, version: str) -> bool:
    if store.files.renames_atomically:
        return True  # The lock is ours, so no push is under way.
    path = f"{store.marker(version)}/{_STARTED}"
    try:
        found = store.files.read_tagged(path)
    except FileNotFoundError:
        return False  # Its owner has just removed it, or will.
    started = _started(found.content)
    if started is not None and datetime.now(UTC) - started <= _MARKER_AGE:
        return False
    return _take(store, version, found.etag)


def _take(store: ModelStore, version: str, etag: str) -> bool:
    """Makes a mark the own one, so that its owner, and others who would take it, find that they have lost it."""
    try:
        store.files.replace(f"{store.marker(version)}/{_STARTED}", _mark(), etag)
    except (ChangedError, FileNotFoundError):
        return False
    return True


def _started(content: bytes) -> datetime | None:
    """When a mark was made or taken; None where it does not say."""
    text = content.decode(errors="replace")
    try:
        # 0.1.0 wrote the time alone.
        found = datetime.fromisoformat(json.loads(text)["at"] if text.startswith("{") else text)
    except (ValueError, KeyError, TypeError):
        return None
    return found if found.tzinfo else None


def settle(store: ModelStore, pointer: Pointer | None) -> None:
    """Completes the move that led to the version in production, before the pointer moves on.

    Its push may have been cut, or be about to end: a mark that stayed would make the version one that was never pushed.

    Args:
        store: The store.
        pointer: What is about to be replaced.
    """
    write_trail(store, pointer)
    if pointer is None:
        return
    try:
        found = store.files.read_tagged(f"{store.marker(pointer.version)}/{_STARTED}")
    except FileNotFoundError:
        found = None
    if found is None:
        if store.files.renames_atomically:
            store.files.remove(store.marker(pointer.version))
    elif store.look().version == pointer.version and _take(store, pointer.version, found.etag):
        unmark(store, pointer.version)


def unmark(store: ModelStore, version: str) -> None:
    """Removes the mark of a version whose push is done, or whose removal was given up."""
    store.files.remove_file(f"{store.marker(version)}/{_STARTED}")
    store.files.remove(store.marker(version))


def retire(store: ModelStore, version: str) -> None:
    """Removes a marked version, or its mark alone where it is in production: then its push was done.

    Where no lock keeps others out, the pointer is written anew before anything is removed, with the same version. So
    whoever has read it before, to put this very version into production, finds that it has changed.

    Raises:
        AgnewsError: The pointer cannot be read.
        OSError: The storage failed; the next sweep goes on.
    """
    marker, folder = store.marker(version), store.folder(version)
    if store.files.renames_atomically:
        if store.look().version != version and store.files.exists(folder):
            # Under its number a folder must vanish at once, or a server may load half of it.
            store.files.remove(f"{marker}/model")
            store.files.rename(folder, f"{marker}/model")
        if store.look().version != version:
            remove_anchor(store, version)
            remove_signature(store, version)
        store.files.remove(marker)
        return
    fenced = _fence(store, version)
    if fenced is None:
        return  # Nothing is in production yet, so nothing can be written anew: it stays, and counts for nothing.
    if fenced:
        store.files.remove_file(f"{folder}/{SAVED_MODEL}")
        store.files.remove_file(f"{folder}/{RECORD_FILE}")
        store.files.remove(folder)
        remove_anchor(store, version)
        remove_signature(store, version)
    unmark(store, version)


def _fence(store: ModelStore, version: str) -> bool | None:
    """Whether the version may be removed: it isn't in production, and can't get there by what anybody has read."""
    for _ in range(_TRIES):
        production = store.look()
        pointer = production.pointer
        if pointer is None:
            return None
        if pointer.version == version:
            return False
        floor = str(max(int(pointer.floor), int(version)))
        newer = pointer.model_copy(update={"revision": pointer.revision + 1, "floor": floor})
        try:
            store.files.replace(f"{store.uri}/{POINTER}", newer.json_bytes(), production.etag)
        except (ChangedError, FileNotFoundError):
            continue
        return True
    raise too_busy(store)


def write_trail(store: ModelStore, pointer: Pointer | None) -> None:
    """Writes how the pointer came there into the trail, unless it is there: before it is replaced, too."""
    if pointer is None or pointer.move is None:
        return
    path = f"{store.uri}/{HISTORY}/{pointer.move.file}"
    if store.files.exists(path):
        return
    try:
        store.files.create(path, pointer.move.model_dump_json(indent=2).encode() + b"\n")
    except FileExistsError:
        return  # Another process was there first, with the same content.


@contextmanager
def after_commit(store: ModelStore, version: str) -> Iterator[None]:
    """What fails after the pointer has moved is told, and changes nothing about it."""
    try:
        yield
    except (OSError, AgnewsError) as error:
        _LOGGER.warning(
            "Version %s of %s is in production. What is left to tidy up goes with the next push: %s",
            version,
            store.uri,
            " ".join(str(error).split()),
        )


def too_busy(store: ModelStore) -> AgnewsError:
    """Makes the error for a pointer that others replace again and again."""
    return AgnewsError(
        f"The pointer of {store.uri} was replaced by others {_TRIES} times in a row.",
        found=f"{store.uri}/{POINTER}",
        fix="Look with `agnews models list`, then run the same command again.",
        exit_code=ExitCode.FAILED,
    )
