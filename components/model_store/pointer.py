"""The file that says which version is in production, and how it came there."""

from __future__ import annotations

import getpass
import os
import secrets
import socket
from datetime import UTC, datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from agnews.schemas.model_record import FORMAT, ModelRecord

Action = Literal["push", "forced push", "rollback"]


class Move(BaseModel):
    """One change of the version in production: who, when, from where, why."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    number: int
    """Counts the moves of a store, from 1."""
    id: str = Field(pattern=r"^[0-9a-f]{16}$")
    """Tells moves apart that two processes make at once."""
    action: Action
    version: str
    before: str
    """Version that was in production; empty before the first push."""
    digest: str
    """Of the files of the version."""
    at: AwareDatetime
    """UTC, by the clock of whoever moved it."""
    by: str
    """Name of the user of the operating system."""
    host: str
    why: str = ""
    """For a rollback what was given with --why, for a push the run, for a forced one the rules that failed too."""

    @property
    def file(self) -> str:
        """Name of its file in the trail."""
        return f"{self.number:08d}-{self.id}.json"


class Pointer(ModelRecord):
    """What `latest.json` holds: the record of the version in production, and more."""

    digest: str = ""
    """Of the files of the version: what a reader compares them with. 0.1.0 wrote none; then it is the record's."""
    revision: int = 0
    """Grows whenever the file is written, so that whoever read it before can't replace it unawares."""
    floor: str = "0"
    """No push takes this number or a lower one: folders with such a number may be about to vanish."""
    move: Move | None = None
    """How the version came here; None where 0.1.0 wrote the file."""

    @model_validator(mode="after")
    def _one_digest(self) -> Pointer:
        if self.digest and self.digest != self.model_digest:
            raise ValueError(f"it names two digests, {self.digest} and {self.model_digest}")
        return self

    @property
    def record(self) -> ModelRecord:
        """The record of the version."""
        # Its values are those of this document, which were validated when it was read.
        return ModelRecord.model_construct(**{name: getattr(self, name) for name in ModelRecord.model_fields})

    def json_bytes(self) -> bytes:
        """The content of the file."""
        return self.model_dump_json(indent=2).encode() + b"\n"


def moved(before: Pointer | None, record: ModelRecord, action: Action, why: str) -> Pointer:
    """Makes the pointer to another version.

    Args:
        before: What it replaces.
        record: The version.
        action: How it comes there.
        why: In the words of whoever does it.

    Returns:
        The new content.
    """
    move = Move(
        number=(before.move.number if before and before.move else 0) + 1,
        id=secrets.token_hex(8),
        action=action,
        version=record.version,
        before=before.version if before else "",
        digest=record.model_digest,
        at=datetime.now(UTC),
        by=_user(),
        host=socket.gethostname(),
        why=why,
    )
    return Pointer(
        **record.model_dump() | {"format": FORMAT},
        digest=record.model_digest,
        revision=(before.revision if before else 0) + 1,
        floor=before.floor if before else "0",
        move=move,
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"  # A container's user need not have a name.
