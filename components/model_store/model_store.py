"""The versions of a model, and the pointer to the one in production: what whoever reads sees of a store."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from agnews.components.model_store.model_digest import RECORD_FILE, model_digest
from agnews.components.model_store.pointer import Move, Pointer
from agnews.components.storage.explain_storage_errors import explain_storage_errors, storage_error
from agnews.components.storage.files_at import files_at
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.first_problem import first_problem
from agnews.schemas.model_record import ModelRecord

POINTER = "latest.json"
HISTORY = "history"
ENGINES = "engines"
MARKER = ".incoming-"
SAVED_MODEL = "saved_model.pb"
_MODEL_CARD = "assets.extra/model_card.md"
_DIGITS = 18
"""TensorFlow Serving's versions are 64 bits."""


@dataclass(frozen=True)
class Production:
    """What the pointer says at one moment.

    Attributes:
        pointer: The pointer; None before the first push.
        etag: What `Files.replace` compares; None before the first push.
    """

    pointer: Pointer | None
    etag: str | None

    @property
    def version(self) -> str:
        """The version in production; empty before the first push."""
        return self.pointer.version if self.pointer else ""


class ModelStore:
    """Versions of one model under `URI/NAME`, each a folder that TF Serving loads.

    ```
    URI/NAME/latest.json                      the pointer: record, digest and story of the version in production
    URI/NAME/1763820000/saved_model.pb ...    a version
    URI/NAME/1763820000/assets.extra/         ours: record.json, statistics
    URI/NAME/history/00000007-....json        the trail: who moved the pointer, when, from where, why
    URI/NAME/engines/1763820000/...           what `agnews export` made of a version
    URI/NAME/.incoming-1763820100/            a push or a removal that is under way, or was cut
    URI/NAME/.serving/4f2a9c01be77.json       what a running server has loaded; see serving_leases.py
    ```

    A version counts if and only if it is whole and has no marker, or is the one that the pointer names. How it is
    changed: `publish`, `rollback` and `prune`, over `transaction`.

    Args:
        uri: Folder of the store: a local path or a URI; see `files_at`.
        name: Name of the served model.
    """

    def __init__(self, uri: str, name: str) -> None:
        uri = uri.removeprefix("file://")
        self.uri = f"{uri.rstrip('/')}/{name}"
        self.name = name
        self.files = files_at(self.uri)

    def folder(self, version: str) -> str:
        """Returns the folder of a version, whether it exists or not."""
        return f"{self.uri}/{version}"

    def marker(self, version: str) -> str:
        """Returns the folder that marks a push or a removal of a version as not done."""
        return f"{self.uri}/{MARKER}{version}"

    def versions(self) -> tuple[str, ...]:
        """Lists the versions that are whole, oldest first; numbered folders that nobody pushed here are none."""
        return self.versions_beside(self.look().version)

    def versions_beside(self, in_production: str) -> tuple[str, ...]:
        """Lists the versions that are whole, oldest first, where the one in production is known."""
        names = set(self.files.names(self.uri))
        return tuple(
            version
            for version in sorted(numbers(names), key=int)
            if (MARKER + version not in names or version == in_production) and self._is_ours(version)
        )

    def foreign(self) -> tuple[str, ...]:
        """Lists numbered folders that no push has made."""
        names = set(self.files.names(self.uri))
        return tuple(
            version
            for version in sorted(numbers(names), key=int)
            if MARKER + version not in names and not self.files.exists(f"{self.folder(version)}/{RECORD_FILE}")
        )

    def _is_ours(self, version: str) -> bool:
        return all(self.files.exists(f"{self.folder(version)}/{name}") for name in (RECORD_FILE, SAVED_MODEL))

    def look(self) -> Production:
        """Reads the pointer, with what it takes to replace it.

        Raises:
            AgnewsError: The pointer is malformed or of a newer format, or cannot be read.
        """
        path = f"{self.uri}/{POINTER}"
        try:
            found = self.files.read_tagged(path)
        except (FileNotFoundError, NotADirectoryError):
            return Production(None, None)
        except OSError as error:
            raise storage_error(error, f"reading the pointer {path}") from error
        try:
            return Production(Pointer.model_validate_json(found.content), found.etag)
        except ValidationError as error:
            raise self._malformed(error, path, "") from error

    def production(self) -> ModelRecord | None:
        """Returns the record of the version in production, or None before the first push.

        Its `model_digest` is the pointer's: what readers compare the files with.

        Raises:
            AgnewsError: The pointer is malformed or of a newer format, or cannot be read.
        """
        pointer = self.look().pointer
        return pointer.record if pointer else None

    def record(self, version: str) -> ModelRecord:
        """Reads the record of a version: the pointer's for the one in production, else the one that lies beside it.

        Args:
            version: Its number.

        Returns:
            The record.

        Raises:
            AgnewsError: There is no such version, or its record is missing or malformed.
        """
        path = f"{self.folder(version)}/{RECORD_FILE}"
        with explain_storage_errors(f"reading {path}"):
            if not numbers({version}) or not self._is_ours(version):
                raise AgnewsError(
                    f"The model store {self.uri} has no whole version {version[:40]}.",
                    found=f"versions {', '.join(self.versions_beside('')) or 'none'}",
                    fix=self.repair(version),
                    exit_code=ExitCode.FAILED,
                )
            content = self.files.read_bytes(path)
        try:
            return ModelRecord.model_validate_json(content)
        except ValidationError as error:
            raise self._malformed(error, path, version) from error

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
        production = self.look()
        record = self.record(version)
        if production.pointer and version == production.version:
            record = production.pointer.record  # What lies in a folder can't vouch for the folder.
        source = self.folder(version)
        out = files_at(target)
        with explain_storage_errors(f"copying {source} to {target}"):
            paths = self.files.files_below(source)
            for path in paths:
                out.write(f"{target}/{path}", self.files.read(f"{source}/{path}"))
            digest = model_digest({path: f"{target}/{path}" for path in paths})
        if digest != record.model_digest:
            raise self.corrupt(record, digest)
        return record

    def withdrawn(self) -> tuple[ModelRecord, ...]:
        """Lists the versions that somebody rolled back from: those newer than the one in production, oldest first.

        Raises:
            AgnewsError: The pointer or a record is malformed, or cannot be read.
        """
        current = self.look().version
        if not current:
            return ()
        newer = (version for version in self.versions_beside(current) if int(version) > int(current))
        return tuple(self.record(version) for version in newer)

    def moves(self, newest: int = 0) -> tuple[Move, ...]:
        """Reads the trail: every change of the version in production, oldest first.

        Args:
            newest: How many of the last ones; 0 for all.

        Raises:
            AgnewsError: The pointer or a file of the trail is malformed, or cannot be read.
        """
        folder, found = f"{self.uri}/{HISTORY}", {}
        with explain_storage_errors(f"reading the trail in {folder}"):
            for name in self.files.names(folder)[-newest:]:
                if not name.endswith(".json") or name.startswith("."):
                    continue
                try:
                    move = Move.model_validate_json(self.files.read_bytes(f"{folder}/{name}"))
                except ValidationError as error:
                    raise AgnewsError(
                        f"{folder}/{name} does not say how production moved.",
                        found=first_problem(error),
                        fix="Delete the file: nothing but the list of moves needs it.",
                        exit_code=ExitCode.FAILED,
                    ) from error
                found[move.id] = move
        pointer = self.look().pointer
        if pointer and pointer.move:
            # Its file may not be written yet.
            found[pointer.move.id] = pointer.move
        return tuple(sorted(found.values(), key=lambda move: move.number))[-newest:]

    def model_card(self, version: str) -> str:
        """Returns the Markdown that was written beside a version; empty where there is none."""
        path = f"{self.folder(version)}/{_MODEL_CARD}"
        with explain_storage_errors(f"reading {path}"):
            return self.files.read_bytes(path).decode() if self.files.exists(path) else ""

    def size(self, version: str) -> int:
        """Returns the bytes in a version's folder."""
        folder = self.folder(version)
        with explain_storage_errors(f"measuring {folder}"):
            return sum(self.files.size(f"{folder}/{path}") for path in self.files.files_below(folder))

    def require_sound(self, record: ModelRecord) -> None:
        """Compares the files of a version with a digest that does not come from its own folder.

        Raises:
            AgnewsError: They are not what was pushed.
        """
        folder = self.folder(record.version)
        digest = model_digest({path: f"{folder}/{path}" for path in self.files.files_below(folder)})
        if digest != record.model_digest:
            raise self.corrupt(record, digest)

    def corrupt(self, record: ModelRecord, digest: str) -> AgnewsError:
        """Makes the error for a version whose files have another digest."""
        return AgnewsError(
            f"Version {record.version} in the model store {self.uri} is corrupt: its files are not what was pushed.",
            found=f"sha256 {digest}, its record says {record.model_digest}",
            fix=self.repair(record.version),
            exit_code=ExitCode.FAILED,
        )

    def _malformed(self, error: ValidationError, path: str, version: str) -> AgnewsError:
        return AgnewsError(
            f"{path} is not a model record.",
            found=first_problem(error),
            fix=self.repair(version),
            exit_code=ExitCode.FAILED,
        )

    def repair(self, broken: str) -> str:
        """Says what can be done by hand about a broken version, or about the pointer where `broken` is empty."""
        pointer = f"{self.uri}/{POINTER}"
        ways = [f"restore {self.folder(broken) if broken else pointer} from a backup"]
        if others := [version for version in self.versions_beside("") if version != broken]:
            ways.append(f"go on from version {others[-1]} (copy {self.folder(others[-1])}/{RECORD_FILE} to {pointer})")
        ways.append(f"delete {pointer} to start without a baseline")
        return f"Either {', or '.join(ways)}."


def numbers(names: set[str]) -> set[str]:
    """Returns the names that can be versions."""
    return {name for name in names if name.isascii() and name.isdecimal() and len(name) <= _DIGITS}
