"""Sums the gradients of several replicas."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf
from tf_keras.src.optimizers.utils import all_reduce_sum_gradients

_Pairs = Sequence[tuple[tf.Tensor | tf.IndexedSlices | None, tf.Variable]]


def sum_gradients(grads_and_vars: _Pairs) -> _Pairs:
    """Sums gradients over all replicas; an optimizer's `gradient_aggregator`.

    The gradient of an embedding comes as slices, one for each occurrence of a token. Replicas have seen different
    tokens, and slices of different number cannot be exchanged; the norm of slices is not that of the gradient either.
    So they are summed up to a whole tensor first.

    Args:
        grads_and_vars: Pairs of a gradient and its variable.

    Returns:
        The same pairs with the sums.
    """
    whole = [
        (None if gradient is None else tf.convert_to_tensor(gradient), weight) for gradient, weight in grads_and_vars
    ]
    summed: _Pairs = all_reduce_sum_gradients(whole)
    return summed
