"""What is known of a trial that has ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from agnews.components.tuning.dimension import Setting


@dataclass(frozen=True)
class TrialRecord:
    """A trial that has ended.

    Attributes:
        number: Its place among those that ended, from 0; 0 is the configuration as it stands.
        state: `complete`; `pruned`, stopped early because others were better at that epoch; or `failed`.
        settings: The values that were searched, by key of the configuration.
        loss: Lowest eval loss, nats; of a pruned trial, up to there. None where there is none.
        accuracy: Eval accuracy at that epoch, of a complete trial.
        best_epoch: That epoch, from 1, of a complete trial.
        seconds: How long it took.
        reason: Why it failed; empty otherwise.
    """

    number: int
    state: Literal["complete", "pruned", "failed"]
    settings: Mapping[str, Setting]
    loss: float | None
    accuracy: float | None
    best_epoch: int | None
    seconds: float
    reason: str
