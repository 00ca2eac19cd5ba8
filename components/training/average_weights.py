"""A moving average of the weights, which is what a run is judged by and ends with."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf
import tf_keras as keras


class AverageWeights(keras.callbacks.Callback):
    """Averages the weights over the last steps, and lends the average to the model while it is not being trained.

    From the first evaluation of an epoch to the beginning of the next epoch the model has its averaged weights, so
    callbacks that look at it when an epoch ends (early stopping, checkpoints) see those. Put it before them.

    Args:
        decay: Share of the average that a step keeps: about 1 / (1 - decay) steps count. In the first steps less is
            kept, so that the weights drawn at the start are soon forgotten.

    References:
        Polyak, Juditsky (1992), "Acceleration of Stochastic Approximation by Averaging"; the shorter memory at the
        start is that of `tf.train.ExponentialMovingAverage`. We differ by taking a sample after each execution of
        Keras, 16 steps, with the decay of as many steps: the same average, at a sixteenth of the cost.
    """

    def __init__(self, decay: float) -> None:
        super().__init__()
        self._decay = decay
        self._steps = 0
        self._trained: list[tf.Tensor] | None = None

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Starts with the weights as they are."""
        self._weights = self.model.trainable_weights
        self._averages = [tf.Variable(weight, trainable=False) for weight in self._weights]
        self._steps = int(self.model.optimizer.iterations)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Gives the trained weights back."""
        if self._trained is not None:
            _assign(self._weights, self._trained)
            self._trained = None

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Takes a sample; Keras calls it once for the steps that it runs in one go."""
        steps = int(self.model.optimizer.iterations)
        kept = min(self._decay, (1 + steps) / (10 + steps)) ** (steps - self._steps)
        self._steps = steps
        for average, weight in zip(self._averages, self._weights, strict=True):
            average.assign_sub((1.0 - kept) * (average - weight))

    def on_test_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Lends the average to the model."""
        if self._trained is None:
            self._trained = [weight.numpy() for weight in self._weights]
            _assign(self._weights, self._averages)


def _assign(targets: list[tf.Variable], values: list[tf.Tensor]) -> None:
    for target, value in zip(targets, values, strict=True):
        target.assign(value)
