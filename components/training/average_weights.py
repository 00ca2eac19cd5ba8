"""A moving average of the weights, which is what a run is judged by and ends with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
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
        Keras, 16 steps of a small model, with the decay of as many steps: the same average, at a sixteenth of the cost.
    """

    def __init__(self, decay: float) -> None:
        super().__init__()
        self._decay = decay
        self._steps = 0
        self._trained: list[npt.NDArray[np.generic]] | None = None

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Starts with the weights as they are."""
        self._weights = self.model.trainable_weights
        self._averages = [tf.Variable(weight, trainable=False) for weight in self._weights]
        self._steps = int(self.model.optimizer.iterations.numpy())

    @property
    def averages(self) -> list[tf.Variable]:
        """The average of each trainable weight of the model."""
        return self._averages

    @property
    def trained(self) -> list[npt.NDArray[np.generic]] | None:
        """The trained weights while the average is lent to the model, else None."""
        return self._trained

    def restore(self, averages: Sequence[npt.NDArray[np.generic]]) -> None:
        """Goes on with the average of an earlier process; the model has its weights and its optimizer already.

        Args:
            averages: What `averages` held there.
        """
        _assign(self._averages, averages)
        self._steps = int(self.model.optimizer.iterations.numpy())

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Gives the trained weights back."""
        if self._trained is not None:
            _assign(self._weights, self._trained)
            self._trained = None

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Takes a sample; Keras calls it once for the steps that it runs in one go."""
        steps = int(self.model.optimizer.iterations.numpy())
        kept = min(self._decay, (1 + steps) / (10 + steps)) ** (steps - self._steps)
        self._steps = steps
        for average, weight in zip(self._averages, self._weights, strict=True):
            average.assign_sub((1.0 - kept) * (average - weight))

    def on_test_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Lends the average to the model."""
        if self._trained is None:
            self._trained = [weight.numpy() for weight in self._weights]
            _assign(self._weights, self._averages)


def _assign(targets: Sequence[tf.Variable], values: Sequence[tf.Variable | npt.NDArray[np.generic]]) -> None:
    for target, value in zip(targets, values, strict=True):
        target.assign(value)
