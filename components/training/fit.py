"""The training loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import tf_keras as keras

from agnews.components.modeling.classifier import CreateOptimizer
from agnews.components.training.average_weights import AverageWeights
from agnews.components.training.length_bucketed_dataset import batches_per_epoch
from agnews.components.training.smoothed_cross_entropy import SmoothedCrossEntropy
from agnews.components.training.summed_accuracy import SummedAccuracy
from agnews.components.training.tensorboard_log import TensorBoardLog
from agnews.components.training.training_monitor import OnEpoch, TrainingMonitor
from agnews.components.training.training_rows import TrainingRows

_STEPS_PER_EXECUTION = 16
"""Steps that run in the graph before Python is asked again: often enough for a live view, and it costs nothing."""

_EVAL_BATCH_SIZE = 256


@dataclass(frozen=True)
class FitResult:
    """What a training run was like.

    Attributes:
        curve: One entry an epoch; see `TrainingMonitor`.
        best_epoch: The epoch, from 1, whose weights the network ends with.
    """

    curve: Sequence[dict[str, float]]
    best_epoch: int


def fit(
    network: keras.Model,
    train: TrainingRows,
    evaluation: TrainingRows,
    *,
    create_optimizer: CreateOptimizer,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    warmup_share: float,
    weight_decay: float,
    label_smoothing: float,
    clip_norm: float | None,
    patience: int,
    average_decay: float,
    seed: int,
    log_dir: str | None = None,
    on_epoch: OnEpoch | None = None,
) -> FitResult:
    """Trains a network until the eval rows say that it does not get better, and leaves it with its best weights.

    Args:
        network: Takes the rows' features and returns logits (batch, classes), or in training those of several branches
            (batch, branches, classes); its weights are changed.
        train: Rows to learn from.
        evaluation: Rows that decide when to stop and which weights are best (by loss).
        create_optimizer: Makes the optimizer.
        epochs: Most epochs.
        batch_size: Rows in a batch.
        learning_rate: Peak of the schedule: linear warm-up, then linear decay to zero at the last of all epochs.
        warmup_share: Share of all steps in which the rate rises.
        weight_decay: Decoupled weight decay.
        label_smoothing: Share of each label that is spread over all classes.
        clip_norm: Largest global norm of the gradients, or None.
        patience: Epochs without a lower eval loss before training stops. The loss is less coarse than the accuracy of a
            small eval split, and it counts whether probabilities are right.
        average_decay: Share that a step keeps of the moving average of the weights, which the network is judged by
            and ends with; 0 takes the weights as they are.
        seed: Of the order of rows. Weights and dropout follow TensorFlow's global seed.
        log_dir: Folder or URI for TensorBoard, or None.
        on_epoch: Called at the end of each epoch; what it raises ends the training. None calls nothing.

    Returns:
        The curve, and the epoch whose weights were kept.

    Raises:
        AgnewsError: The loss is not a number any more.
    """
    steps_per_epoch = batches_per_epoch(len(train), batch_size)
    total_steps = steps_per_epoch * epochs
    network.compile(
        optimizer=create_optimizer(
            learning_rate=learning_rate,
            warmup_steps=round(warmup_share * total_steps),
            total_steps=total_steps,
            weight_decay=weight_decay,
            clip_norm=clip_norm,
        ),
        loss=SmoothedCrossEntropy(label_smoothing),
        metrics=[SummedAccuracy(name="accuracy")],
        steps_per_execution=_STEPS_PER_EXECUTION,
    )
    _create_variables(network, train)
    monitor = TrainingMonitor(num_rows=len(train), steps_per_epoch=steps_per_epoch, epochs=epochs, on_epoch=on_epoch)
    stopping = keras.callbacks.EarlyStopping(
        monitor="val_loss", mode="min", patience=patience, restore_best_weights=True
    )
    averaging = [AverageWeights(average_decay)] if average_decay else []
    callbacks = [*averaging, stopping, monitor]
    if log_dir is not None:
        callbacks.append(TensorBoardLog(log_dir, monitor.curve))
    network.fit(
        train.dataset(batch_size=batch_size, seed=seed, epochs=epochs),
        steps_per_epoch=steps_per_epoch,
        epochs=epochs,
        validation_data=evaluation.dataset(batch_size=_EVAL_BATCH_SIZE),
        callbacks=callbacks,
        verbose=0,
    )
    return FitResult(curve=tuple(monitor.curve), best_epoch=stopping.best_epoch + 1)


def _create_variables(network: keras.Model, rows: TrainingRows) -> None:
    # Left to itself, Keras creates what optimizer and metrics count in while TensorFlow traces the first step,
    # which makes TensorFlow trace it a second time.
    features, labels = next(iter(rows.dataset(batch_size=1)))
    logits = network(features)
    network.optimizer._create_all_weights(network.trainable_variables)
    network.compiled_loss.build(logits)
    network.compiled_metrics.build(logits, labels)
