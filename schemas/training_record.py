"""`training.json` of the Trainer: how the weights were found."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from agnews.schemas.document import Document


class TrainingRecord(Document):
    """What a training was like."""

    FILE: ClassVar = "training.json"

    curve: tuple[dict[str, float], ...]
    """One entry an epoch: `epoch`, `loss`, `accuracy`, `val_loss`, `val_accuracy`, `learning_rate`, `seconds`,
    `rows_per_second`."""
    config: dict[str, object]
    """The parts of the configuration that the Trainer took."""
    best_epoch: int
    """Whose weights the model has."""
    devices: dict[str, dict[str, object]]
    """What was `asked` for, and what was `taken`."""
    warm_start: str | None
    """Which earlier weights it started from, or why not; null where it was not to."""
    model: dict[str, object] = Field(default_factory=dict)
    """Facts about the exported model, as in its `assets.extra/model.json`: parameters, digests, versions."""
