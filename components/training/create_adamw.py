"""The optimizer of models that are trained from scratch."""

from __future__ import annotations

from collections.abc import Mapping

from agnews.components.training.adamw import AdamW
from agnews.components.training.warmup_linear_decay import WarmupLinearDecay


def create_adamw(
    *,
    weight_decays: Mapping[str, float],
    learning_rate: float,
    warmup_steps: int,
    total_steps: int,
    weight_decay: float,
    clip_norm: float | None,
) -> AdamW:
    """Makes our AdamW with linear warm-up and decay.

    Args:
        weight_decays: Patterns of names and the decay of weights so named, in place of weight_decay.
        learning_rate: As `CreateOptimizer` says, like all that follow.
        warmup_steps: See there.
        total_steps: See there.
        weight_decay: See there.
        clip_norm: See there.

    Returns:
        The optimizer.
    """
    return AdamW(
        WarmupLinearDecay(learning_rate, warmup_steps, total_steps),
        weight_decay=weight_decay,
        weight_decays=weight_decays,
        global_clipnorm=clip_norm,
    )
