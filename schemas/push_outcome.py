"""What became of a model at the end of a run, `pushed.json` in the output of the Pusher."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class PushOutcome(BaseModel):
    """Whether a model is in production now."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

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
