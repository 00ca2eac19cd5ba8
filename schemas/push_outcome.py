"""What became of a model at the end of a run, `pushed.json` in the output of the Pusher."""

from __future__ import annotations

from typing import ClassVar

from agnews.schemas.document import Document

MANY_USES = 25
"""Decisions after which the figures on a test file are told with a warning: the best of 25 equally good models looks
two standard deviations better than it is."""


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
    test_uses: int = 0
    """Verdicts that were given on this test file, this one among them; 0 where nobody counted."""

    @property
    def on_the_test_file(self) -> str:
        """How often the test file has decided, in words; empty where nobody counted."""
        if not self.test_uses:
            return ""
        told = f"This test file has decided {self.test_uses:,} time{'s' * (self.test_uses != 1)}."
        if self.test_uses < MANY_USES:
            return told
        return (
            f"{told} Models that pass are chosen by these very rows, so their figures look better than new texts will "
            "show: label some new ones and take them as the test file."
        )
