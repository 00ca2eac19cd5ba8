"""Which word pieces spoke for a class, and which against it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from agnews.components.modeling.classifier import EmbeddingNetwork


def attribute_to_tokens(
    network: EmbeddingNetwork,
    token_ids: tf.Tensor,
    padding_mask: tf.Tensor,
    class_ids: tf.Tensor,
    *,
    unknown_id: int,
    special_ids: Sequence[int],
    temperature: float = 1.0,
    steps: int = 8,
) -> tf.Tensor:
    """Shares a class's log-odds out over the word pieces of a text.

    The text is compared with the same text in which every piece is [UNK]. On the straight way from the vectors of that
    one to the vectors of this one, the gradient of the log-odds tells what each step of each piece adds; summed over
    the way, what each piece adds.

    Args:
        network: The classifier.
        token_ids: (batch, length) int32, 0 on padding.
        padding_mask: (batch, length) bool, True on tokens.
        class_ids: (batch,) integers, the class that is spoken for or against.
        unknown_id: Id of [UNK].
        special_ids: Ids of [PAD], [CLS] and [SEP], which are left as they are.
        temperature: What logits are divided by before the softmax.
        steps: Points on the way at which the gradient is looked at. All of them are computed at once, as one batch
            that is so many times larger.

    Returns:
        float32 (batch, length), in units of log-odds (natural logarithm). A row's sum is the log-odds of the text
        less those of the unreadable one, up to the error of so few steps. Special pieces get 0.

    References:
        Sundararajan, Taly, Yan (2017), "Axiomatic Attribution for Deep Networks", https://arxiv.org/abs/1703.01365. We
        differ by the points and weights of Gauss and Legendre, which need fewer steps than equal ones, and by the
        log-odds in place of the probability, whose gradient vanishes where a model is sure. Plain gradient times
        input says nothing about a network that normalises right behind its embedding: the length of a vector hardly
        changes its output, so the two are orthogonal.
    """
    is_special = tf.reduce_any(token_ids[..., tf.newaxis] == tf.constant(special_ids, token_ids.dtype), axis=-1)
    unreadable = tf.where(is_special, token_ids, unknown_id)
    starts, ends = network.embed(unreadable), network.embed(token_ids)
    points, weights = np.polynomial.legendre.leggauss(steps)
    shape = tf.shape(token_ids)

    def along(start: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
        """All points of the way, (steps * batch, length, ...)."""
        places = tf.constant((points + 1) / 2, start.dtype)[:, tf.newaxis, tf.newaxis, tf.newaxis]
        way = start + places * (end - start)
        return tf.reshape(way, tf.concat([[steps * shape[0]], tf.shape(start)[1:]], axis=0))

    ways = tuple(map(along, starts, ends))
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(ways)
        logits = network.classify(ways, tf.tile(padding_mask, [steps, 1])) / temperature
        log_odds = _log_odds(logits, tf.tile(class_ids, [steps]))
    gradients = tape.gradient(log_odds, ways)
    contributions = tf.zeros(shape, tf.float32)
    for gradient, start, end in zip(gradients, starts, ends, strict=True):
        by_step = tf.reshape(gradient, tf.concat([[steps], tf.shape(start)], axis=0))
        mean = tf.tensordot(tf.constant(weights / 2, gradient.dtype), by_step, axes=1)
        contributions += tf.reduce_sum(mean * (end - start), axis=-1)
    return contributions


def _log_odds(logits: tf.Tensor, class_ids: tf.Tensor) -> tf.Tensor:
    """The logarithm of p / (1 - p), (batch,), finite however sure the network is."""
    is_class = tf.one_hot(class_ids, tf.shape(logits)[-1], on_value=True, off_value=False)
    own = tf.reduce_sum(tf.where(is_class, logits, 0.0), axis=-1)
    return own - tf.reduce_logsumexp(tf.where(is_class, logits.dtype.min, logits), axis=-1)
