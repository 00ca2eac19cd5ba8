"""`training.json` of the Trainer: how the weights were found."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class TrainingRecord(BaseModel):
    """What a training was like."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

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
    model: dict[str, object] = {}
    """Facts about the exported model, as in its `assets.extra/model.json`: parameters, digests, versions."""
