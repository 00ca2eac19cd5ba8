"""A learning rate that rises, then falls."""

from __future__ import annotations

import tensorflow as tf
import tf_keras as keras


class WarmupLinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly from 0 to the peak, then falls linearly to 0 at the last step.

    Args:
        peak: Highest learning rate.
        warmup_steps: Steps in which it rises; 0 starts at the peak.
        total_steps: Steps in all; after them the rate is 0.

    Example:
        >>> schedule = WarmupLinearDecay(peak=1.0, warmup_steps=2, total_steps=6)
        >>> [float(schedule(step)) for step in range(7)]
        [0.0, 0.5, 1.0, 0.75, 0.5, 0.25, 0.0]

    References:
        Devlin et al. (2018), "BERT", appendix A.2, https://arxiv.org/abs/1810.04805.
    """

    def __init__(self, peak: float, warmup_steps: int, total_steps: int) -> None:
        super().__init__()
        self.peak = peak
        self.warmup_steps = warmup_steps
        self.total_steps = total_steps

    def __call__(self, step: tf.Tensor | int) -> tf.Tensor:
        """Returns the learning rate.

        Args:
            step: Steps already done.

        Returns:
            float32 scalar.
        """
        done = tf.cast(step, tf.float32)
        rising = done / max(self.warmup_steps, 1)
        falling = (self.total_steps - done) / max(self.total_steps - self.warmup_steps, 1)
        share = tf.where(done < self.warmup_steps, rising, falling)
        return self.peak * tf.clip_by_value(share, 0.0, 1.0)

    def get_config(self) -> dict[str, float | int]:
        """What `from_config` needs."""
        return {"peak": self.peak, "warmup_steps": self.warmup_steps, "total_steps": self.total_steps}
