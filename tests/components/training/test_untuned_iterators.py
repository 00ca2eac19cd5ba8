from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf
from tensorflow.python.data.ops import multi_device_iterator_ops

from agnews.components.training.untuned_iterators import untuned_iterators


def test_iterators_of_replicas_have_no_thread_that_tunes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails as well where another TensorFlow makes them in another place."""
    original = multi_device_iterator_ops._create_device_dataset
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    made: list[tf.data.Dataset] = []
    with untuned_iterators():
        create = multi_device_iterator_ops._create_device_dataset

        def see(*arguments: Any) -> tf.data.Dataset:
            made.append(create(*arguments))
            return made[-1]

        with monkeypatch.context() as patched:
            patched.setattr(multi_device_iterator_ops, "_create_device_dataset", see)
            rows = strategy.distribute_datasets_from_function(lambda context: tf.data.Dataset.range(3))
            assert [int(each) for each in rows] == [0, 1, 2]
    assert made
    assert all(each.options().autotune.enabled is False for each in made)
    assert multi_device_iterator_ops._create_device_dataset is original
