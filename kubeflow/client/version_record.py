"""A version of a pipeline as the server knows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class VersionRecord:
    """A version of a pipeline. The server never changes what it holds.

    Attributes:
        pipeline_id: The pipeline.
        version_id: The server's name for the version.
        name: Our name for it: git commit and digest.
        created_at: When it was uploaded.
        spec: What was uploaded, as the server gives it back; None where it was not asked for.
    """

    pipeline_id: str
    version_id: str
    name: str
    created_at: datetime | None = None
    spec: dict[str, object] | None = None
