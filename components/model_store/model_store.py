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

from agnews.components.model_store.explain_storage_errors import explain_storage_errors
from agnews.components.model_store.files import files_at
from agnews.components.model_store.model_digest import RECORD_FILE, model_digest
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.model_record import LearntFrom, ModelRecord

_POINTER = "latest.json"
_MARKER = ".incoming-"
_SAVED_MODEL = "saved_model.pb"
_LOCK_SECONDS = 60.0
# Two pushers to an object store cannot lock each other out. A marker younger than this may belong to a living one.
_REMOTE_MARKER_AGE = timedelta(hours=1)


@dataclass(frozen=True)
class Push:
    """What became of a model that was handed to the store.

    Attributes:
        record: The version in production now.
        is_new: False where the same model was in production already, so nothing was written.
    """

    record: ModelRecord
    is_new: bool


class ModelStore:
    """Versions of one model under `URI/NAME`, each a folder that TF Serving loads.

    ```
    URI/NAME/latest.json                      the pointer: the record of the version in production
    URI/NAME/1763820000/saved_model.pb ...    a version
    URI/NAME/1763820000/assets.extra/         ours: record.json, statistics
    URI/NAME/.incoming-1763820100/            a push that is under way, or was cut
    ```

    A push goes through four steps: (1) the marker `.incoming-VERSION` is made, (2) the files are written, on a local
    disk inside the marker's folder, and read back, (3) on a local disk, the finished folder gets its name in one
    rename, (4) the pointer is replaced in one step. Then the marker goes. So a version counts if and only if it is
    whole and has no marker, or is the one that the pointer names. Whatever a killed push leaves behind carries its
    marker, and the next push removes it: a push that did not reach the pointer did not happen. An object store has no
    rename, so there the version is written in place, `saved_model.pb` last, which is the file that TF Serving waits
    for.

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
            raise AgnewsError(
                f"Version {version} in the model store {self.uri} is corrupt: its files are not what was pushed.",
                found=f"sha256 {digest}, its record says {record.model_digest}",
                fix=self._repair(version),
                exit_code=ExitCode.FAILED,
            )
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
            production is not pushed again.

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
            if current and (current.model_digest == digest or (fingerprint and current.fingerprint == fingerprint)):
                self._sweep()
                return Push(current, is_new=False)
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
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise AgnewsError(
                f"{path} is not a model record.",
                found=f"{place}: {first['msg']}" if place else first["msg"],
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


def _or_none(version: str) -> str:
    return f"version {version}" if version else "no version"


def _to_json(record: ModelRecord) -> bytes:
    return json.dumps(record.model_dump(mode="json"), indent=2).encode() + b"\n"
