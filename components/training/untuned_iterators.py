"""Iterators that end when they are told to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf
from tensorflow.python.data.ops import multi_device_iterator_ops

_CREATE = "_create_device_dataset"


@contextmanager
def untuned_iterators() -> Iterator[None]:
    """Lets TensorFlow make iterators for the replicas of a strategy without a thread that tunes them.

    Such an iterator reads from another one, that of the rows, and has options of its own: those of the rows do not
    reach it, and no public function sets them. At its end it waits for its thread, which sleeps up to as long as the
    training has taken, a minute at most (TensorFlow 2.21). There is nothing to tune.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    create = getattr(multi_device_iterator_ops, _CREATE, None)
    if create is None:
        # Another version of TensorFlow: it may wait, and learns the same.
        yield
        return

    def create_untuned(*arguments: Any, **named: Any) -> tf.data.Dataset:
        return create(*arguments, **named).with_options(options)

    setattr(multi_device_iterator_ops, _CREATE, create_untuned)
    try:
        yield
    finally:
        setattr(multi_device_iterator_ops, _CREATE, create)
