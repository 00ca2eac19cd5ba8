"""Versions of a model, and the pointer to the one in production."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import ValidationError

from agnews.components.model_store.model_digest import RECORD_FILE, model_digest
from agnews.components.model_store.serving_leases import living_leases, remove_dead_leases
from agnews.components.storage.explain_storage_errors import explain_storage_errors
from agnews.components.storage.files_at import files_at
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.first_problem import first_problem
from agnews.schemas.model_record import LearntFrom, ModelRecord

_POINTER = "latest.json"
_MARKER = ".incoming-"
_SAVED_MODEL = "saved_model.pb"
_MODEL_CARD = "assets.extra/model_card.md"
_LOCK_SECONDS = 60.0
# Two pushers to an object store cannot lock each other out. A marker younger than this may belong to a living one.
_REMOTE_MARKER_AGE = timedelta(hours=1)


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


@dataclass(frozen=True)
class Rollback:
    """A change of the version in production.

    Attributes:
        before: The version that was in production.
        after: The version that is.
    """

    before: ModelRecord
    after: ModelRecord


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


class ModelStore:
    """Versions of one model under `URI/NAME`, each a folder that TF Serving loads.

    ```
    URI/NAME/latest.json                      the pointer: the record of the version in production
    URI/NAME/1763820000/saved_model.pb ...    a version
    URI/NAME/1763820000/assets.extra/         ours: record.json, statistics
    URI/NAME/.incoming-1763820100/            a push or a removal that is under way, or was cut
    URI/NAME/.serving-4f2a9c01be77.json       what a running server has loaded; see serving_leases.py
    ```

    A push goes through four steps: (1) the marker `.incoming-VERSION` is made, (2) the files are written, on a local
    disk inside the marker's folder, and read back, (3) on a local disk, the finished folder gets its name in one
    rename, (4) the pointer is replaced in one step. Then the marker goes. So a version counts if and only if it is
    whole and has no marker, or is the one that the pointer names. Whatever a killed push leaves behind carries its
    marker, and the next push removes it: a push that did not reach the pointer did not happen. An object store has no
    rename, so there the version is written in place, `saved_model.pb` last, which is the file that TF Serving waits
    for.

    The pointer may also be moved back, by `rollback`. Versions newer than the one that it names are then withdrawn:
    they stay, and a run that makes such a model again does not bring it back. The next push of another model ends
    that, for it was compared with the version in production, and has a higher number than all.

    On a local disk a file lock keeps two pushes apart. An object store has none: `publish` looks at the pointer
    again right before it replaces it, which leaves a window of one request.

    Args:
        uri: Folder of the store: a local path or a URI that TensorFlow's file layer opens.
        name: Name of the served model.
    """

    def __init__(self, uri: str, name: str) -> None:
        uri = uri.removeprefix("file://")
        self.uri = f"{uri.rstrip('/')}/{name}"
        self.name = name
        self._files = files_at(self.uri)

    def folder(self, version: str) -> str:
        """Returns the folder of a version, whether it exists or not."""
        return f"{self.uri}/{version}"

    def versions(self) -> tuple[str, ...]:
        """Lists the versions that are whole, oldest first."""
        current = self.production()
        return self._versions(current.version if current else "")

    def _versions(self, in_production: str) -> tuple[str, ...]:
        names = set(self._files.names(self.uri))
        return tuple(
            version
            for version in sorted((name for name in names if name.isdecimal()), key=int)
            if (_MARKER + version not in names or version == in_production)
            and self._files.exists(f"{self.folder(version)}/{_SAVED_MODEL}")
        )

    def production(self) -> ModelRecord | None:
        """Reads the pointer.

        Returns:
            The record of the version in production, or None before the first push.

        Raises:
            AgnewsError: The pointer is not a model record, or cannot be read.
        """
        pointer = f"{self.uri}/{_POINTER}"
        with explain_storage_errors(f"reading the pointer {pointer}"):
            if not self._files.exists(pointer):
                return None
            content = b"".join(self._files.read(pointer))
        return self._parse(content, pointer)

    def record(self, version: str) -> ModelRecord:
        """Reads the record that lies beside a version.

        Args:
            version: Its number.

        Returns:
            The record.

        Raises:
            AgnewsError: There is no such version, or its record is missing or malformed.
        """
        path = f"{self.folder(version)}/{RECORD_FILE}"
        with explain_storage_errors(f"reading {path}"):
            if not self._files.exists(f"{self.folder(version)}/{_SAVED_MODEL}") or not self._files.exists(path):
                raise AgnewsError(
                    f"The model store {self.uri} has no whole version {version}.",
                    found=f"versions {', '.join(self._versions('')) or 'none'}",
                    fix=self._repair(version),
                    exit_code=ExitCode.FAILED,
                )
            content = b"".join(self._files.read(path))
        return self._parse(content, path)

    def fetch(self, version: str, target: str) -> ModelRecord:
        """Copies a version out of the store and checks that the copy is sound.

        Args:
            version: Its number.
            target: Folder to write to, local or remote.

        Returns:
            The record of the version.

        Raises:
            AgnewsError: There is no such version, or its files are not those that were pushed.
        """
        record = self.record(version)
        source = self.folder(version)
        out = files_at(target)
        with explain_storage_errors(f"copying {source} to {target}"):
            paths = self._files.files_below(source)
            for path in paths:
                out.write(f"{target}/{path}", self._files.read(f"{source}/{path}"))
            digest = model_digest({path: f"{target}/{path}" for path in paths})
        if digest != record.model_digest:
            raise self._corrupt(record, digest)
        return record

    def publish(
        self,
        *,
        model: str,
        extra_files: Mapping[str, str],
        judged_against: str,
        fingerprint: str,
        run_id: str,
        accuracy: float,
        classes: tuple[str, ...],
        learnt_from: LearntFrom | None = None,
        overruled: tuple[str, ...] = (),
    ) -> Push:
        """Puts a model into production: a new version, then the pointer.

        Args:
            model: Folder of the SavedModel, local or remote.
            extra_files: Where the content of more files is, by their path in the version's folder.
            judged_against: Version that the model was found not worse than; empty where there was none.
            fingerprint: Digest of data, configuration and code that led to the model; empty where unknown.
            run_id: Run that made the model.
            accuracy: Of the model on the test split.
            classes: Names of the classes in the order of the model's outputs.
            learnt_from: The data behind the model.
            overruled: Rules that failed and that somebody overruled.

        Returns:
            The version in production and whether it is new. A model with the fingerprint or the digest of the one in
            production, or of one that was withdrawn, is not pushed again.

        Raises:
            AgnewsError: Production has moved since the model was judged, another push is under way, the store cannot
                be written, or what was written cannot be read back. Production is then as it was.
        """
        sources = {path: f"{model}/{path}" for path in files_at(model).files_below(model)} | dict(extra_files)
        if _SAVED_MODEL not in sources:
            raise AgnewsError(
                f"The model folder {model} holds no {_SAVED_MODEL}.",
                found=", ".join(sorted(sources)) or "no file",
                fix="Train again: the export is incomplete.",
                exit_code=ExitCode.FAILED,
            )
        with explain_storage_errors(f"pushing to {self.uri}; the version in production is as it was"), self._lock():
            digest = model_digest(sources)
            current = self.production()
            for known in (current, *self.withdrawn()):
                if current and known and _is_same(known, digest, fingerprint):
                    self._sweep()
                    return Push(current, is_new=False, withdrawn=known if known is not current else None)
            self._check_unmoved(judged_against)
            self._sweep()
            record = ModelRecord(
                version=self._next_version(current),
                name=self.name,
                run_id=run_id,
                pushed_at=datetime.now(UTC).replace(microsecond=0),
                model_digest=digest,
                fingerprint=fingerprint,
                judged_against=judged_against,
                accuracy=accuracy,
                overruled=overruled,
                classes=classes,
                learnt_from=learnt_from,
            )
            try:
                self._write_version(record, sources)
                self._check_unmoved(judged_against)
                self._files.replace(f"{self.uri}/{_POINTER}", _to_json(record))
            finally:
                # After a success this removes the marker alone, after a failure all that was written.
                self._undo_or_finish(record.version)
        return Push(record, is_new=True)

    def withdrawn(self) -> tuple[ModelRecord, ...]:
        """Lists the versions that somebody rolled back from: those newer than the one in production, oldest first.

        Raises:
            AgnewsError: The pointer or a record is malformed, or cannot be read.
        """
        current = self.production()
        if current is None:
            return ()
        newer = (version for version in self._versions(current.version) if int(version) > int(current.version))
        return tuple(self.record(version) for version in newer)

    def rollback(self, to: str = "") -> Rollback:
        """Puts an earlier version into production, or a later one that was withdrawn.

        Only the pointer changes, in one step. The files of the version are read and compared with its digest before.

        Args:
            to: Number of the version; empty takes the one before the version in production.

        Returns:
            The versions before and after; the same one where it is in production already.

        Raises:
            AgnewsError: Nothing was pushed yet, there is no such version or none before, its files are not those that
                were pushed, a push is under way, or the store cannot be written. Production is then as it was.
        """
        moving = f"moving the pointer in {self.uri}; the version in production is as it was"
        with explain_storage_errors(moving), self._lock():
            before = self.production()
            if before is None:
                raise AgnewsError(
                    f"There is no version of {self.name} in production.",
                    found=f"no pointer in {self.uri}",
                    fix="Run the pipeline first: `agnews run`.",
                )
            versions = self._versions(before.version)
            if to and to not in versions:
                raise AgnewsError(
                    f"There is no whole version {to} of {self.name} in {self.uri}.",
                    found=f"versions {', '.join(versions)}",
                    fix="Name one of these; `agnews models list` tells more about them.",
                )
            after = self.record(to or self._version_before(before.version))
            if after.version != before.version:
                self._check_files(after)
                self._check_pointer(before.version)
                self._files.replace(f"{self.uri}/{_POINTER}", _to_json(after))
        return Rollback(before, after)

    def _version_before(self, version: str) -> str:
        versions = self._versions(version)
        older = [each for each in versions if int(each) < int(version)]
        if not older:
            raise AgnewsError(
                f"There is no version of {self.name} before {version}, which is in production.",
                found=f"versions {', '.join(versions)}",
                fix="Name a version with --to, or push a better model: `agnews run`.",
            )
        return older[-1]

    def prune(self, keep: int, *, dry_run: bool = False) -> tuple[Pruning, ...]:
        """Removes old versions.

        The version in production stays, and so do those that running servers use and those that were withdrawn,
        whatever their age.

        Args:
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
        with explain_storage_errors(f"removing versions from {self.uri}"), self._lock():
            if not dry_run:
                self._sweep()
                remove_dead_leases(self)
            current = self.production()
            versions = self._versions(current.version if current else "")
            prunings = [
                Pruning(version, self._kept_because(version, current, version in versions[-keep:]), self.size(version))
                for version in versions
            ]
            if not dry_run:
                prunings = [self._remove(each, current) for each in prunings]
        return tuple(prunings)

    def _kept_because(self, version: str, current: ModelRecord | None, is_new: bool) -> str:
        if current is None:
            return "nothing is in production"
        if version == current.version:
            return "in production"
        if int(version) > int(current.version):
            return "withdrawn; no run brings it back"
        if leases := [lease for lease in living_leases(self) if lease.version == version]:
            return f"served by {', '.join(f'{lease.host}:{lease.pid}' for lease in leases)}"
        return "among the newest" if is_new else ""

    def _remove(self, pruning: Pruning, current: ModelRecord | None) -> Pruning:
        if pruning.kept_because:
            return pruning
        # A server may have come since the plan was made.
        if reason := self._kept_because(pruning.version, current, is_new=False):
            return Pruning(pruning.version, reason, pruning.size)
        marker = f"{self.uri}/{_MARKER}{pruning.version}"
        self._files.write(f"{marker}/started", [datetime.now(UTC).isoformat().encode()])
        if not self._files.renames_atomically:
            self._files.remove_file(f"{self.folder(pruning.version)}/{_SAVED_MODEL}")
        self._undo_or_finish(pruning.version)
        return pruning

    def model_card(self, version: str) -> str:
        """Returns the Markdown that was written beside a version; empty where there is none."""
        path = f"{self.folder(version)}/{_MODEL_CARD}"
        with explain_storage_errors(f"reading {path}"):
            return b"".join(self._files.read(path)).decode() if self._files.exists(path) else ""

    def size(self, version: str) -> int:
        """Returns the bytes in a version's folder."""
        folder = self.folder(version)
        with explain_storage_errors(f"measuring {folder}"):
            return sum(self._files.size(f"{folder}/{path}") for path in self._files.files_below(folder))

    def sweep(self) -> None:
        """Removes what killed pushes left behind.

        Raises:
            AgnewsError: A push is under way, or the store cannot be written.
        """
        with explain_storage_errors(f"sweeping {self.uri}"), self._lock():
            self._sweep()

    def _write_version(self, record: ModelRecord, sources: Mapping[str, str]) -> None:
        marker, final = f"{self.uri}/{_MARKER}{record.version}", self.folder(record.version)
        folder = f"{marker}/model" if self._files.renames_atomically else final
        self._files.write(f"{marker}/started", [record.pushed_at.isoformat().encode()])
        self._files.write(f"{folder}/{RECORD_FILE}", [_to_json(record)])
        for path in sorted(sources, key=lambda path: path == _SAVED_MODEL):
            self._files.write(f"{folder}/{path}", files_at(sources[path]).read(sources[path]))
        digest = model_digest({path: f"{folder}/{path}" for path in sources})
        if digest != record.model_digest:
            raise AgnewsError(
                f"What was written to {folder} is not what was sent: the storage, or the model folder, changed it.",
                found=f"sha256 {digest} instead of {record.model_digest}",
                fix="Check the disk, then run the same command again; the version in production is as it was.",
                exit_code=ExitCode.FAILED,
            )
        if self._files.renames_atomically:
            self._files.rename(folder, final)

    def _check_files(self, record: ModelRecord) -> None:
        folder = self.folder(record.version)
        digest = model_digest({path: f"{folder}/{path}" for path in self._files.files_below(folder)})
        if digest != record.model_digest:
            raise self._corrupt(record, digest)

    def _corrupt(self, record: ModelRecord, digest: str) -> AgnewsError:
        return AgnewsError(
            f"Version {record.version} in the model store {self.uri} is corrupt: its files are not what was pushed.",
            found=f"sha256 {digest}, its record says {record.model_digest}",
            fix=self._repair(record.version),
            exit_code=ExitCode.FAILED,
        )

    def _check_pointer(self, version: str) -> None:
        """On an object store, a push may have moved the pointer while files were compared."""
        current = self.production()
        if current is None or current.version != version:
            raise AgnewsError(
                f"Production of {self.name} has moved meanwhile.",
                found=f"{_or_none(current.version if current else '')} instead of version {version}",
                fix="Look with `agnews models list`, then run the same command again if you still want it.",
                exit_code=ExitCode.FAILED,
            )

    def _check_unmoved(self, judged_against: str) -> None:
        current = self.production()
        if (current.version if current else "") != judged_against:
            raise AgnewsError(
                f"Production of {self.name} has moved since this model was judged, so nobody knows which is better.",
                found=f"judged against {_or_none(judged_against)}, in production is "
                f"{_or_none(current.version if current else '')}",
                fix="Run the same command again: the model will be judged against the version in production now.",
                exit_code=ExitCode.FAILED,
            )

    def _next_version(self, current: ModelRecord | None) -> str:
        taken = [int(name) for name in self._files.names(self.uri) if name.isdecimal()]
        if current:
            taken.append(int(current.version))
        return str(max([int(datetime.now(UTC).timestamp()), *(number + 1 for number in taken)]))

    def _sweep(self) -> None:
        for name in self._files.names(self.uri):
            version = name.removeprefix(_MARKER)
            if name.startswith(_MARKER) and version.isdecimal() and self._is_abandoned(f"{self.uri}/{name}"):
                self._undo_or_finish(version)

    def _is_abandoned(self, marker: str) -> bool:
        if self._files.renames_atomically:
            return True  # The lock is ours, so no push is under way.
        if not self._files.exists(f"{marker}/started"):
            return True
        started = datetime.fromisoformat(b"".join(self._files.read(f"{marker}/started")).decode())
        return datetime.now(UTC) - started > _REMOTE_MARKER_AGE

    def _undo_or_finish(self, version: str) -> None:
        marker, final = f"{self.uri}/{_MARKER}{version}", self.folder(version)
        current = self.production()
        if (current is None or current.version != version) and self._files.exists(final):
            if self._files.renames_atomically:
                # Under its number a folder must vanish at once, or a server may load half of it.
                self._files.remove(f"{marker}/model")
                self._files.rename(final, f"{marker}/model")
            else:
                self._files.remove(final)
        self._files.remove(marker)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        if not self._files.renames_atomically:
            yield
            return
        Path(self.uri).mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{self.uri}/.lock")
        try:
            lock.acquire(timeout=_LOCK_SECONDS)
        except Timeout as error:
            raise AgnewsError(
                f"Another process has been pushing to {self.uri} for {_LOCK_SECONDS:.0f} seconds.",
                found=f"{self.uri}/.lock is held",
                fix="Wait until it is done, or end it, then run the same command again.",
                exit_code=ExitCode.LOCKED,
            ) from error
        try:
            yield
        finally:
            lock.release()

    def _parse(self, content: bytes, path: str) -> ModelRecord:
        try:
            return ModelRecord.model_validate_json(content)
        except ValidationError as error:
            raise AgnewsError(
                f"{path} is not a model record.",
                found=first_problem(error),
                fix=self._repair(""),
                exit_code=ExitCode.FAILED,
            ) from error

    def _repair(self, broken: str) -> str:
        """What can be done by hand about a broken version, or about the pointer where `broken` is empty."""
        pointer = f"{self.uri}/{_POINTER}"
        ways = [f"restore {self.folder(broken) if broken else pointer} from a backup"]
        if others := [version for version in self._versions("") if version != broken]:
            ways.append(f"go on from version {others[-1]} (copy {self.folder(others[-1])}/{RECORD_FILE} to {pointer})")
        ways.append(f"delete {pointer} to start without a baseline")
        return f"Either {', or '.join(ways)}."


def _is_same(record: ModelRecord, digest: str, fingerprint: str) -> bool:
    return record.model_digest == digest or bool(fingerprint and record.fingerprint == fingerprint)


def _or_none(version: str) -> str:
    return f"version {version}" if version else "no version"


def _to_json(record: ModelRecord) -> bytes:
    return json.dumps(record.model_dump(mode="json"), indent=2).encode() + b"\n"
