from __future__ import annotations

import numpy as np
import tensorflow as tf

from agnews.components.modeling.dropout import WordDropout


def test_hides_its_share_of_words_and_no_special_token() -> None:
    words = tf.fill((100, 100), 9)
    framed = tf.concat([tf.fill((100, 1), 2), words, tf.fill((100, 1), 3), tf.zeros((100, 4), tf.int32)], 1)

    layer = WordDropout(0.3, unknown_id=1, kept_ids=(0, 2, 3))
    hidden = layer(framed, training=True, seed=tf.constant([3, 0], tf.int64)).numpy()

    assert abs(np.mean(hidden[:, 1:101] == 1) - 0.3) < 0.02
    assert set(np.unique(hidden[:, 1:101])) == {1, 9}
    np.testing.assert_array_equal(hidden[:, 0], 2)
    np.testing.assert_array_equal(hidden[:, 101:], framed[:, 101:])


def test_hides_nothing_when_not_training() -> None:
    ids = tf.constant([[2, 9, 9, 3]])

    np.testing.assert_array_equal(WordDropout(0.9, unknown_id=1, kept_ids=(0, 2, 3))(ids), ids)
