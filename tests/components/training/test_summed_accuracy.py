from __future__ import annotations

import tensorflow as tf

from agnews.components.optimization.smoothed_cross_entropy import SummedAccuracy


def test_branches_vote_with_their_sum() -> None:
    of_branches = tf.constant([[[1.0, 0.0], [0.0, 3.0]], [[1.0, 0.0], [0.0, 0.5]]])
    labels = tf.constant([1, 1])

    together, summed = SummedAccuracy(), SummedAccuracy()
    together.update_state(labels, of_branches)
    summed.update_state(labels, tf.reduce_sum(of_branches, axis=1))

    assert float(together.result()) == float(summed.result()) == 0.5
