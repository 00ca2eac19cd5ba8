"""A network with what its training has to know about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import tensorflow as tf
import tf_keras as keras


class CreateOptimizer(Protocol):
    """Makes the optimizer of a training run, once its length is known."""

    def __call__(
        self,
        *,
        learning_rate: float,
        warmup_steps: int,
        total_steps: int,
        weight_decay: float,
        clip_norm: float | None,
    ) -> keras.optimizers.legacy.Optimizer:
        """Makes it.

        Args:
            learning_rate: Peak of the schedule: linear warm-up, then linear decay to zero at the last step.
            warmup_steps: Steps in which the rate rises.
            total_steps: Steps in all.
            weight_decay: Decoupled weight decay, of the weights that are to have some.
            clip_norm: Largest global norm of the gradients, or None.

        Returns:
            The optimizer, without state so far.
        """


@dataclass(frozen=True)
class Classifier:
    """A model as the factory hands it out, whatever its kind.

    Attributes:
        network: Takes `{token_ids: int32 (batch, length), padding_mask: bool (batch, length)}` and returns logits
            float32 (batch, num_classes); while training it may return those of several branches, each to be trained
            by a loss of its own, (batch, branches, num_classes). Its weights exist.
        create_optimizer: Makes the optimizer that suits it.
        head: Where the rest of the network stands still: the part that learns, from features float32 (batch, width)
            to logits. It shares its weights with the network. None where everything learns.
        backbone: Where there is a head: the part before it, from the network's inputs to features.
    """

    network: keras.Model
    create_optimizer: CreateOptimizer
    head: keras.Model | None = None
    backbone: keras.Model | None = None


class EmbeddingNetwork(Protocol):
    """A classifier in two halves: from word pieces to vectors, and from vectors to classes.

    The second half takes any vectors, such as those on the way from one text to another, which is what an explanation
    by gradients needs. Training and serving do not use the halves: they call the network.
    """

    def embed(self, token_ids: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Looks word pieces up.

        Args:
            token_ids: (batch, length) int32, of the vocabulary, 0 on padding.

        Returns:
            One tensor or more, float32 (batch, length, ...): all that the second half may know about the pieces.
        """

    def classify(self, embedded: tuple[tf.Tensor, ...], padding_mask: tf.Tensor) -> tf.Tensor:
        """Scores the classes of each row.

        Args:
            embedded: Tensors such as `embed` returns.
            padding_mask: (batch, length) bool, True on tokens.

        Returns:
            Logits float32 (batch, num_classes): for what `embed` returns, those of the network.
        """
