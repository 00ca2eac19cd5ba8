"""What a trial hands back when its training has come to its end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrialOutcome:
    """What trained settings are worth.

    Attributes:
        loss: Lowest eval loss, nats.
        accuracy: Eval accuracy at that epoch.
        best_epoch: That epoch, from 1.
    """

    loss: float
    accuracy: float
    best_epoch: int
