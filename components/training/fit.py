"""The training loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

import tensorflow as tf
import tf_keras as keras

from agnews.components.modeling.classifier import CreateOptimizer
from agnews.components.optimization.adamw import sum_gradients
from agnews.components.training import stop_signal
from agnews.components.training.agreement import Agreement
from agnews.components.training.backup_place import BackupPlace
from agnews.components.training.devices import Devices, explain_device_errors, one_device
from agnews.components.training.objective import Objective, OneClass
from agnews.components.training.token_rows import Cut, TrainingRows, batches_per_epoch, replica_batches
from agnews.components.training.training_backup import TrainingBackup
from agnews.components.training.training_monitor import AverageWeights, OnEpoch, TensorBoardLog, TrainingMonitor
from agnews.components.training.untuned_iterators import untuned_iterators
from agnews.schemas.learning_config import TrainingConfig

STEPS_PER_EXECUTION = 16
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
    settings: TrainingConfig,
    *,
    create_optimizer: CreateOptimizer,
    objective: Objective | None = None,
    class_weights: Sequence[float] | None = None,
    log_dir: str | None = None,
    on_epoch: OnEpoch | None = None,
    devices: Devices | None = None,
    steps_per_execution: int = STEPS_PER_EXECUTION,
    backup: BackupPlace | None = None,
    backup_seconds: float = 180.0,
) -> FitResult:
    """Trains a network until the eval rows say that it does not get better, and leaves it with its best weights.

    Args:
        network: Takes the rows' features and returns logits (batch, classes), or in training those of several branches
            (batch, branches, classes); its weights are changed.
        train: Rows to learn from.
        evaluation: Rows that decide when to stop and which weights are best (by loss).
        settings: How weights are found; `Devices.global_batch` says what a step sees. The learning rate decays to zero
            at the last of all epochs. The seed is that of the order of rows; weights follow TensorFlow's global seed,
            dropout the network's. Training stops by the eval loss, which is less coarse than the accuracy of a small
            eval split and counts whether probabilities are right. `warm_start` and `calibrate` are for the caller.
        create_optimizer: Makes the optimizer.
        objective: What the network is to get right; None is one class a row.
        class_weights: What a row counts by its class, in the loss of train and of eval; None counts rows alike.
        log_dir: Folder or URI for TensorBoard, or None.
        on_epoch: Called at the end of each epoch; what it raises ends the training. None calls nothing.
        devices: What the network was built for; None is one device.
        steps_per_execution: Steps that run in the graph before Python is asked again.
        backup: Where a training that was killed goes on from, and which the caller removes once the model is safe;
            None keeps none.
        backup_seconds: Time between two backups within an epoch.

    Returns:
        The curve, and the epoch whose weights were kept.

    Raises:
        AgnewsError: The loss is not a number any more, memory ran out, or the backup belongs to another training.
        Stopped: One of several processes was asked to end; the backup is written.
    """
    devices = devices or one_device()
    objective = objective or OneClass()
    with explain_device_errors(settings.batch_size, xla=devices.xla), devices.strategy.scope():
        global_batch = devices.global_batch(settings.batch_size)
        steps_per_epoch = batches_per_epoch(len(train), global_batch)
        total_steps = steps_per_epoch * settings.epochs
        optimizer = create_optimizer(
            learning_rate=settings.learning_rate,
            warmup_steps=round(settings.warmup_share * total_steps),
            total_steps=total_steps,
            weight_decay=settings.weight_decay,
            clip_norm=settings.clip_norm,
        )
        if devices.workers > 1:
            rows = -(-global_batch // devices.replicas)
            optimizer.gradient_aggregator = partial(
                sum_gradients,
                sends_slices=True,
                most_slices=rows * train.longest if steps_per_execution > 1 else None,
            )
        network.compile(
            optimizer=optimizer,
            loss=objective.loss(settings.label_smoothing, class_weights),
            metrics=[objective.accuracy()],
            steps_per_execution=steps_per_execution,
            jit_compile=devices.xla,
        )
        # What is shown within an epoch are figures of one replica; Keras would add those of all.
        network.distribute_reduction_method = "auto" if devices.replicas == 1 else "first"
        _create_variables(network, train)
        monitor = TrainingMonitor(
            num_rows=len(train), steps_per_epoch=steps_per_epoch, epochs=settings.epochs, on_epoch=on_epoch
        )
        stopping = keras.callbacks.EarlyStopping(
            monitor="val_loss", mode="min", patience=settings.patience, restore_best_weights=True
        )
        averaging = AverageWeights(settings.average_decay) if settings.average_decay else None
        callbacks = [*([averaging] if averaging else []), stopping, monitor]
        if log_dir is not None:
            callbacks.append(TensorBoardLog(log_dir, monitor.curve))
        first_epoch = first_batch = 0
        agreement = Agreement(devices)
        if backup is not None:
            keeper = TrainingBackup(
                backup,
                stopping=stopping,
                monitor=monitor,
                averaging=averaging,
                steps_per_epoch=steps_per_epoch,
                epochs=settings.epochs,
                seconds_between=backup_seconds,
                writes=devices.is_chief,
                agreement=agreement if devices.workers > 1 else None,
            )
            first_epoch, first_batch = keeper.load()
            agreement.require_same(
                "training, or do not see the same backup",
                {"training": backup.fingerprint, "epoch": first_epoch, "step": first_batch},
                fix="Give all of them the same configuration, rows and code, and a scratch folder that they share.",
            )
            callbacks.append(keeper)
            # Keras asks this object where to begin; no argument of `fit` can name a step within an epoch.
            network._training_state = keeper

        def learning_batches(cut: Cut | None = None) -> tf.data.Dataset:
            return train.dataset(
                batch_size=global_batch,
                seed=settings.seed,
                first_epoch=first_epoch,
                first_batch=first_batch,
                epochs=settings.epochs,
                cut=cut,
            )

        def eval_batches(cut: Cut | None = None) -> tf.data.Dataset:
            return evaluation.dataset(batch_size=eval_batch, cut=cut)

        eval_batch = _EVAL_BATCH_SIZE * devices.replicas
        stops = stop_signal.put_off() if backup is not None and devices.workers > 1 else nullcontext()
        with stops, untuned_iterators():
            network.fit(
                _batches(devices, learning_batches, weighted=True),
                steps_per_epoch=steps_per_epoch,
                epochs=settings.epochs,
                validation_data=_batches(devices, eval_batches, weighted=False),
                validation_steps=batches_per_epoch(len(evaluation), eval_batch),
                callbacks=callbacks,
                verbose=0,
            )
        network._training_state = None
        return FitResult(curve=tuple(monitor.curve), best_epoch=stopping.best_epoch + 1)


def _create_variables(network: keras.Model, rows: TrainingRows) -> None:
    # Left to itself, Keras creates what optimizer and metrics count in while TensorFlow traces the first step,
    # which makes TensorFlow trace it a second time.
    features, labels = next(iter(rows.dataset(batch_size=1)))
    strategy = tf.distribute.get_strategy()
    # As a replica: what a SavedModel brings along runs in no other place where there are several.
    logits = strategy.experimental_local_results(strategy.run(network, (features,)))[0]
    network.optimizer._create_all_weights(network.trainable_variables)
    network.compiled_loss.build(logits)
    network.compiled_metrics.build(logits, labels)


def _batches(
    devices: Devices, create: Callable[..., tf.data.Dataset], *, weighted: bool
) -> tf.data.Dataset | tf.distribute.DistributedDataset:
    if devices.kind != "none":
        return replica_batches(devices.strategy, create, weighted=weighted and devices.replicas > 1)
    with tf.device("/cpu:0"):  # Rows stay in the memory of the host, whatever the device.
        return create()
