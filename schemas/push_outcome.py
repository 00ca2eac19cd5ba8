"""What became of a model at the end of a run, `pushed.json` in the output of the Pusher."""

from __future__ import annotations

from typing import ClassVar

from agnews.schemas.document import Document


class PushOutcome(Document):
    """Whether a model is in production now."""

    FILE: ClassVar = "pushed.json"

    pushed: bool
    """Whether the run's model is in production, be it that it was there before."""
    reason: str
    """One sentence."""
    version: str = ""
    """Its version, or the empty string."""
    digest: str = ""
    """sha256 over its files, or the empty string."""
    destination: str = ""
    """The folder of that version, or the empty string."""
