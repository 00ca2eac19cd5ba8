from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from agnews.components.training.training_monitor import AverageWeights


class Climb(keras.Model):
    """A model whose weight gains 1 at each step."""

    def __init__(self) -> None:
        super().__init__()
        self.height = self.add_weight(name="height", shape=(), initializer="zeros")

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return -self.height * tf.ones_like(inputs)


class Watch(keras.callbacks.Callback):
    """Notes the weight when an epoch begins and when it ends."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        self.seen.append(float(self.model.height))

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        self.seen.append(float(self.model.height))


@pytest.mark.parametrize("steps_per_execution", [1, 4])
def test_epochs_end_with_the_average_and_begin_with_the_trained_weights(steps_per_execution: int) -> None:
    model, watch, zeros = Climb(), Watch(), np.zeros((8, 1), np.float32)
    model.compile(
        keras.optimizers.legacy.SGD(1.0),
        loss=lambda _, predicted: predicted,
        steps_per_execution=steps_per_execution,
    )

    model.fit(
        zeros,
        zeros,
        batch_size=1,
        epochs=2,
        validation_data=(zeros, zeros),
        callbacks=[AverageWeights(0.5), watch],
        verbose=0,
    )

    average, heights = 0.0, []
    for step in range(1, 17):
        # As tf.train.ExponentialMovingAverage(0.5, num_updates=step) has it.
        if step % steps_per_execution == 0:
            kept = min(0.5, (1 + step) / (10 + step)) ** steps_per_execution
            average = kept * average + (1 - kept) * step
        heights.append(average)
    assert watch.seen == pytest.approx([0.0, heights[7], 8.0, heights[15]], rel=1e-5)
    assert float(model.height) == pytest.approx(heights[15], rel=1e-5)
