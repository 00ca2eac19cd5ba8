"""The optimizer that BERT models are fine-tuned with."""

from __future__ import annotations

import tf_keras as keras
from official.nlp import optimization

from agnews.components.training.sum_gradients import sum_gradients


def create_model_garden_adamw(
    *,
    learning_rate: float,
    warmup_steps: int,
    total_steps: int,
    weight_decay: float,
    clip_norm: float | None,
) -> keras.optimizers.legacy.Optimizer:
    """Makes Model Garden's AdamW with its linear warm-up and decay.

    Args:
        learning_rate: As `CreateOptimizer` says, like all that follow. After the warm-up the schedule is on the line
            that starts at this rate at step 0, so its true peak is lower by the share of the warm-up.
        warmup_steps: See there.
        total_steps: See there.
        weight_decay: See there; norms and biases have none.
        clip_norm: See there.

    Returns:
        The optimizer.

    References:
        `official.nlp.optimization.create_optimizer` of tf-models-official, which fixes the decay at 0.01 and clips at
        1; we set both, and clip the gradient of the whole batch, whatever the number of devices.
    """
    optimizer = optimization.create_optimizer(learning_rate, total_steps, warmup_steps, optimizer_type="adamw")
    optimizer.weight_decay_rate = weight_decay
    # Its own clipping comes before the gradients of several replicas are summed, that of Keras after.
    optimizer.gradient_clip_norm = 0.0
    optimizer.global_clipnorm = clip_norm
    optimizer.gradient_aggregator = sum_gradients
    return optimizer
