"""Adam with decoupled weight decay, one pass over memory for each weight."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tf_keras as keras

from agnews.components.training.sum_gradients import sum_gradients


class AdamW(keras.optimizers.legacy.Adam):
    """Adam whose weight decay is not mixed into the gradient's moments.

    Args:
        learning_rate: A number or a schedule.
        weight_decay: Share of a weight that is taken away at each step, times the learning rate.
        weight_decays: Regular expressions and the decay of weights whose names they are found in, in place of
            weight_decay; the first one that fits counts.
        epsilon: Added to the root of the second moment.
        global_clipnorm: Largest norm of all gradients together; None does not clip.
        **kwargs: Of `keras.optimizers.legacy.Adam`.

    References:
        Loshchilov, Hutter (2017), "Decoupled Weight Decay Regularization", algorithm 2,
        https://arxiv.org/abs/1711.05101. Gives the weights of `keras.optimizers.AdamW`. We differ in two ways.
        Speed: Keras updates moments and weights in a dozen passes, TensorFlow's fused kernel, which the older Keras
        optimisers call, in one. Clipping: the gradient of an embedding comes as slices, one for each occurrence of a
        token; they are summed first, so that the norm is that of the gradient and not of its parts (`sum_gradients`).
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
        weight_decay: float = 0.0,
        weight_decays: Mapping[str, float] | None = None,
        epsilon: float = 1e-7,
        global_clipnorm: float | None = None,
        name: str = "AdamW",
        **kwargs: object,
    ) -> None:
        if global_clipnorm is not None:
            kwargs["global_clipnorm"] = global_clipnorm
        super().__init__(learning_rate, epsilon=epsilon, name=name, gradient_aggregator=sum_gradients, **kwargs)
        self.weight_decay = weight_decay
        self.weight_decays = dict(weight_decays or {})

    def _resource_apply_dense(
        self, grad: tf.Tensor, var: tf.Variable, apply_state: Mapping[Any, Mapping[str, tf.Tensor]]
    ) -> tf.Operation:
        decay = self._decay_of(var.name)
        if not decay:
            return super()._resource_apply_dense(grad, var, apply_state)
        rate = apply_state[(var.device, var.dtype.base_dtype)]["lr_t"]
        # Handing over a new value costs one pass, taking a share away in place costs two.
        decayed = var.assign(var * (1.0 - rate * decay), use_locking=self._use_locking)
        with tf.control_dependencies([decayed]):
            return super()._resource_apply_dense(grad, var, apply_state)

    def _decay_of(self, name: str) -> float:
        found = (decay for pattern, decay in self.weight_decays.items() if re.search(pattern, name))
        return next(found, self.weight_decay)

    def get_config(self) -> dict[str, object]:
        """What `from_config` needs."""
        return {
            **super().get_config(),
            "weight_decay": self.weight_decay,
            "weight_decays": self.weight_decays,
            "global_clipnorm": self.global_clipnorm,
        }
