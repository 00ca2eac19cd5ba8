"""Adam with decoupled weight decay, one pass over memory for each weight."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
import tf_keras as keras
from official.nlp import optimization
from tf_keras.src.optimizers.utils import all_reduce_sum_gradients

_SPARSE_ROWS = 4096
"""Tables of that many rows or more have fewer tokens in a batch than rows."""

_Pairs = Sequence[tuple[tf.Tensor | tf.IndexedSlices | None, tf.Variable]]


def sum_gradients(grads_and_vars: _Pairs, *, sends_slices: bool = False, most_slices: int | None = None) -> _Pairs:
    """Sums gradients over all replicas; an optimizer's `gradient_aggregator`.

    The gradient of an embedding comes as slices, one for each occurrence of a token, and the norm of slices is not that
    of the gradient: what is returned is whole, and replicas exchange it so, all in one message.

    Args:
        grads_and_vars: Pairs of a gradient and its variable.
        sends_slices: Whether processes exchange the slices of large tables: a batch has a thousand tokens, a table of
            word pieces tens of megabytes, nearly all of them zeros.
        most_slices: Slices that a replica has at most in a step. Within a loop TensorFlow holds a message to the size
            that it had in the first step, so there are always as many, some of them empty, and tables to which the
            whole is less are exchanged whole. None is for steps that Python starts one by one: slices as they are.

    Returns:
        The same pairs with the sums.
    """
    travels = sends_slices and isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy)
    apart = {
        number: _gather_slices(gradient, most_slices)
        for number, (gradient, weight) in enumerate(grads_and_vars)
        if travels and isinstance(gradient, tf.IndexedSlices) and _are_less(weight, most_slices)
    }
    # Without those that are summed already: Keras would warn of gradients that do not exist.
    rest = [
        (_whole(gradient), weight) for number, (gradient, weight) in enumerate(grads_and_vars) if number not in apart
    ]
    summed = iter(all_reduce_sum_gradients(rest))
    return [
        (_whole(apart[number]), weight) if number in apart else next(summed)
        for number, (_, weight) in enumerate(grads_and_vars)
    ]


def _are_less(table: tf.Variable, slices: int | None) -> bool:
    """Whether slices are less to send than a table: each replica's to all others, where sums go round twice."""
    rows, width = table.shape[0], table.shape.num_elements() // table.shape[0]
    if slices is None:
        return bool(rows >= _SPARSE_ROWS)
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return bool(rows >= _SPARSE_ROWS and slices * (width + 1) * replicas < 2 * rows * width)


def _gather_slices(slices: tf.IndexedSlices, most: int | None) -> tf.IndexedSlices:
    """Puts the slices of all replicas behind each other; rows and their numbers travel in one message."""
    numbers = tf.bitcast(tf.cast(slices.indices, tf.int32), tf.float32)
    mine = tf.concat([tf.cast(slices.values, tf.float32), numbers[:, tf.newaxis]], axis=1)
    if most is not None:
        mine = tf.pad(mine, [[0, most - tf.shape(mine)[0]], [0, 0]])
    everyone = tf.distribute.get_replica_context().all_gather(mine, axis=0)
    return tf.IndexedSlices(everyone[:, :-1], tf.bitcast(everyone[:, -1], tf.int32), slices.dense_shape)


def _whole(gradient: tf.Tensor | tf.IndexedSlices | None) -> tf.Tensor | None:
    return None if gradient is None else tf.convert_to_tensor(gradient)


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
