"""Which versions running servers have loaded: each server says so in a file, in a folder beside the versions."""

from __future__ import annotations

import os
import socket
import uuid
from datetime import UTC, datetime, timedelta

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from agnews.components.storage.explain_storage_errors import explain_storage_errors
from agnews.components.storage.files_at import files_at
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.first_problem import first_problem

LEASE_TIME = timedelta(minutes=5)
"""A lease that was not renewed for so long belongs to a server that is gone."""

LEASES_FOLDER = ".serving"
"""All that a server writes: the rest of a store may be read-only to it."""

_SUFFIX = ".json"
_PREFIX_0_1_0 = ".serving-"
"""Servers of 0.1.0 write their leases beside the versions."""


class Lease(BaseModel):
    """What a server says about itself."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    version: str = Field(pattern=r"^[0-9]{1,18}$")
    """The version that it answers from."""
    host: str
    pid: int
    renewed_at: AwareDatetime
    """UTC, by the server's clock."""


class ServingLease:
    """A server's word that it uses a version of a store, so that `agnews models prune` leaves the version alone.

    The file `URI/NAME/.serving/ID.json` is there from the moment the object is made until `release`. It has to be
    renewed about once a minute, and before another version is loaded: a server that was killed releases nothing, so
    what is not renewed for `LEASE_TIME` counts for nothing.

    Take the lease before loading. A version that is gone by the time it is loaded was pruned in between, which it can
    only be while another version is in production: read the pointer again.

    Args:
        uri: Folder of the store with the name of the model: `ModelStore.uri`.
        version: Its number.

    Raises:
        AgnewsError: The folder of the leases cannot be written. A server may go on without a lease; nothing then keeps
            its version from being pruned.
    """

    def __init__(self, uri: str, version: str) -> None:
        self._files = files_at(uri)
        self._path = f"{uri}/{LEASES_FOLDER}/{uuid.uuid4().hex[:12]}{_SUFFIX}"
        self.renew(version)

    def renew(self, version: str) -> None:
        """Says that this server is there and which version it uses.

        Args:
            version: Its number; another one than before after a switch.

        Raises:
            AgnewsError: The store cannot be written.
        """
        lease = Lease(version=version, host=socket.gethostname(), pid=os.getpid(), renewed_at=datetime.now(UTC))
        with explain_storage_errors(f"renewing the lease {self._path}"):
            self._files.replace(self._path, lease.model_dump_json(indent=2).encode() + b"\n")

    def release(self) -> None:
        """Says that this server uses nothing any more; a second call changes nothing.

        Raises:
            AgnewsError: The store cannot be written.
        """
        with explain_storage_errors(f"releasing the lease {self._path}"):
            self._files.remove_file(self._path)


def living_leases(uri: str, now: datetime | None = None) -> tuple[Lease, ...]:
    """Reads the leases of servers that are running, ordered by version, host and process.

    Args:
        uri: `ModelStore.uri`.
        now: The time that a lease's age is counted from; None takes the clock's.

    Raises:
        AgnewsError: A lease cannot be read, so nobody knows what its server uses.
    """
    leases = _read(uri)
    living = (lease for lease in leases.values() if _is_living(lease, now or datetime.now(UTC)))
    return tuple(sorted(living, key=lambda lease: (int(lease.version), lease.host, lease.pid)))


def remove_dead_leases(uri: str) -> None:
    """Removes the leases of servers that are gone.

    Args:
        uri: `ModelStore.uri`.

    Raises:
        AgnewsError: A lease cannot be read or removed.
    """
    for path, lease in _read(uri).items():
        if not _is_living(lease, datetime.now(UTC)):
            with explain_storage_errors(f"removing the lease {path}"):
                files_at(uri).remove_file(path)


def _is_living(lease: Lease, now: datetime) -> bool:
    return now - lease.renewed_at < LEASE_TIME


def _read(uri: str) -> dict[str, Lease]:
    files, leases = files_at(uri), {}
    with explain_storage_errors(f"reading the leases of servers in {uri}"):
        paths = [f"{uri}/{name}" for name in files.names(uri) if name.startswith(_PREFIX_0_1_0)]
        folder = f"{uri}/{LEASES_FOLDER}"
        # A file that is about to be written has a name with a dot in front.
        paths += [f"{folder}/{name}" for name in files.names(folder) if not name.startswith(".")]
        for path in paths:
            if not path.endswith(_SUFFIX):
                continue
            try:
                content = files.read_bytes(path)
            except FileNotFoundError:
                continue  # Released since the names were listed.
            leases[path] = _parse(content, path)
    return leases


def _parse(content: bytes, path: str) -> Lease:
    try:
        return Lease.model_validate_json(content)
    except ValidationError as error:
        raise AgnewsError(
            f"{path} does not say which version its server uses.",
            found=first_problem(error),
            fix="Delete the file if no server runs on this store; a running one writes it anew within a minute.",
            exit_code=ExitCode.FAILED,
        ) from error
