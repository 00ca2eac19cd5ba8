"""Keeps what a training needs to go on after its process was killed."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf
import tf_keras as keras

from agnews.components.training import stop_signal
from agnews.components.training.agreement import Agreement
from agnews.components.training.backup_place import Array, BackupPlace, BackupState
from agnews.components.training.training_monitor import AverageWeights, TrainingMonitor

_LOGGER = logging.getLogger(__name__)

_MOST_OF_THE_TIME = 0.02
"""Share of a training that backups may take; where weights are large and steps few, there are fewer backups."""


class TrainingBackup(keras.callbacks.Callback):
    """Writes weights, optimizer, averages, best weights, curve and place in the data, and goes on from there.

    A training that is killed and started again ends with the history and the weights of one that was not: the order of
    rows and what dropout drops depend on the number of the step, everything else is in here. Put it last, after the
    callbacks whose state it keeps.

    Args:
        place: Where the backup is kept.
        stopping: Keeps the best weights.
        monitor: Keeps the curve.
        averaging: Keeps a moving average, if there is one.
        steps_per_epoch: Batches in an epoch.
        epochs: Epochs in the whole run.
        seconds_between: Least time between two backups within an epoch. At the end of an epoch there is one in any
            case, as long as all of them take no more than a fiftieth of the time. 0 writes after each execution.
        writes: Whether this process writes; in a training in several processes, one does.
        agreement: With other processes, which have to write and to stop at the same step, by the clock of the one that
            writes; None for a training in one.

    References:
        `keras.callbacks.BackupAndRestore`. We differ by what is kept: that one loses the average, the best weights,
        the state of early stopping, the curve, and the metrics of an epoch that was cut.
    """

    def __init__(
        self,
        place: BackupPlace,
        *,
        stopping: keras.callbacks.EarlyStopping,
        monitor: TrainingMonitor,
        averaging: AverageWeights | None,
        steps_per_epoch: int,
        epochs: int,
        seconds_between: float,
        writes: bool = True,
        agreement: Agreement | None = None,
    ) -> None:
        super().__init__()
        self._place = place
        self._stopping = stopping
        self._monitor = monitor
        self._averaging = averaging
        self._steps_per_epoch = steps_per_epoch
        self._epochs = epochs
        self._seconds_between = seconds_between
        self._writes = writes
        self._agreement = agreement
        self._epoch = 0
        self._written_at = time.perf_counter()
        self._write_seconds = 0.0
        self._restored: tuple[BackupState, Mapping[str, Array]] | None = None

    def load(self) -> tuple[int, int]:
        """Reads the backup, if there is one.

        Returns:
            The epoch, from 0, and the step in it, from 0, that training goes on with.

        Raises:
            AgnewsError: It belongs to another training.
            OSError: The storage does not give it.
        """
        if self._writes:
            self._place.remove_leftovers()
        self._restored = self._place.read()
        if self._restored is None:
            return 0, 0
        state = self._restored[0]
        _LOGGER.info("Training goes on from %s: epoch %d, step %d", self._place.file, state.epoch + 1, state.step)
        return (self._epochs, 0) if state.finished else (state.epoch, state.step)

    def maybe_load_initial_counters_from_ckpt(
        self, steps_per_epoch: int, initial_epoch: int, mode: str
    ) -> tuple[int, int]:
        """Tells Keras where to go on: the hook of its own BackupAndRestore, which alone can begin within an epoch."""
        if self._restored is None:
            return initial_epoch, 0
        state = self._restored[0]
        return (self._epochs, 0) if state.finished else (state.epoch, state.step)

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Gives everything back to where it was."""
        self._written_at = time.perf_counter()
        if self._restored is None:
            return
        state, arrays = self._restored
        for name, variables in self._variables().items():
            for number, variable in enumerate(variables):
                variable.assign(arrays[f"{name}/{number}"])
        if self._averaging is not None:
            averages = [arrays[f"average/{number}"] for number in range(len(self.model.trainable_weights))]
            self._averaging.restore(averages)
        self._stopping.wait, self._stopping.best, self._stopping.best_epoch = state.wait, state.best, state.best_epoch
        if state.has_best:
            self._stopping.best_weights = [arrays[f"best/{number}"] for number in range(state.num_weights)]
        self._monitor.curve.extend(state.curve)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Gives the metrics of a cut epoch back, which Keras has just set to zero."""
        self._epoch = epoch
        if self._restored is None:
            return
        state, arrays = self._restored
        self._restored = None
        if state.step:
            for number, variable in enumerate(self._metrics()):
                variable.assign(arrays[f"metrics/{number}"])
            self._monitor.add_seconds(state.seconds)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Writes, if it is time to.

        Raises:
            Stopped: One of several processes was asked to end, and this is the step that they agreed on.
        """
        step = batch + 1
        if step >= self._steps_per_epoch:
            return  # The evaluation follows, and then the end of the epoch.
        due = time.perf_counter() - self._written_at >= max(self._seconds_between, self._least_seconds())
        stop, due = self._agree(due)
        if due or stop:
            self._write(self._epoch, step)
        if stop:
            raise stop_signal.Stopped

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Writes, unless that was done a moment ago.

        Raises:
            Stopped: One of several processes was asked to end.
        """
        stop, due = self._agree(time.perf_counter() - self._written_at >= self._least_seconds())
        if due or stop:
            self._write(epoch + 1, 0)
        if stop:
            raise stop_signal.Stopped

    def _agree(self, due: bool) -> tuple[bool, bool]:
        """Whether all stop here, and whether a backup is due."""
        if self._agreement is None:
            return False, due
        stop, due = self._agreement.any(stop_signal.is_asked(), due and self._writes)
        return stop, due

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        """Says in the log that the backup stays; who exports the model removes it."""
        self._restored = None

    def _least_seconds(self) -> float:
        return self._write_seconds / _MOST_OF_THE_TIME if self._seconds_between else 0.0

    def _variables(self) -> dict[str, Sequence[tf.Variable]]:
        optimizer = self.model.optimizer
        scale = []
        if isinstance(optimizer, keras.mixed_precision.LossScaleOptimizer):
            scale = [optimizer._loss_scale.current_loss_scale, optimizer._loss_scale.counter]
        return {"weights": self.model.weights, "optimizer": [*optimizer.variables(), *scale]}

    def _metrics(self) -> list[tf.Variable]:
        return [variable for metric in self.model.metrics for variable in metric.variables]

    def _write(self, epoch: int, step: int) -> None:
        began = time.perf_counter()
        groups: dict[str, Sequence[object]] = dict(self._variables())
        if self._averaging is not None:
            trained = self._averaging.trained
            if trained is not None:
                positions = {id(weight): number for number, weight in enumerate(self.model.weights)}
                current = list(self.model.weights)
                for weight, value in zip(self.model.trainable_weights, trained, strict=True):
                    current[positions[id(weight)]] = value
                groups["weights"] = current
            groups["average"] = self._averaging.averages
        if step:
            groups["metrics"] = self._metrics()
        best = self._stopping.best_weights
        if best is not None:
            groups["best"] = best
        arrays = {
            f"{name}/{number}": np.asarray(value.numpy() if hasattr(value, "numpy") else value)
            for name, values in groups.items()
            for number, value in enumerate(values)
        }
        state = BackupState(
            fingerprint=self._place.fingerprint,
            epoch=epoch,
            step=step,
            finished=not step and (bool(self.model.stop_training) or epoch >= self._epochs),
            curve=self._monitor.curve,
            seconds=self._monitor.seconds if step else 0.0,
            wait=self._stopping.wait,
            best=float(self._stopping.best),
            best_epoch=self._stopping.best_epoch,
            num_weights=len(self.model.weights),
            has_best=best is not None,
        )
        if self._writes:
            self._save(state, arrays)
        self._written_at = time.perf_counter()
        self._write_seconds = self._written_at - began

    def _save(self, state: BackupState, arrays: Mapping[str, Array]) -> None:
        try:
            self._place.write(state, arrays)
        except OSError as error:
            # A training does not end for want of what is to save it; the backup before is still there.
            _LOGGER.warning(
                "No backup of epoch %d, step %d: writing %s failed (%s). Training goes on; a cut takes it further back",
                *(state.epoch + 1, state.step, self._place.file, error),
            )
