"""Watches a training run: tells how far it is, keeps its curve, and stops it when it has gone astray."""

from __future__ import annotations

import math
import posixpath
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras as keras

from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.progress import Progress, report_progress

OnEpoch = Callable[[int, Mapping[str, float]], None]
"""Takes the number of a finished epoch, from 1, and its entry of the curve; what it raises ends the training."""


class TrainingMonitor(keras.callbacks.Callback):
    """Reports progress, keeps one entry an epoch, and turns a loss that is no number into a clear error.

    Args:
        num_rows: Training rows in an epoch.
        steps_per_epoch: Batches in an epoch.
        epochs: Epochs in the whole run.
        node: Name of the pipeline's node that progress is reported for.
        on_epoch: Called at the end of each epoch, or None.

    Attributes:
        curve: For each finished epoch `epoch` (from 1), `loss` (of all branches together, with dropout), `accuracy`,
            `val_loss` (of what the network says in the end), `val_accuracy`, `learning_rate` (at its end), `seconds`
            (evaluation included) and `rows_per_second` (of training alone).
    """

    def __init__(
        self,
        *,
        num_rows: int,
        steps_per_epoch: int,
        epochs: int,
        node: str = "Trainer",
        on_epoch: OnEpoch | None = None,
    ) -> None:
        super().__init__()
        self.curve: list[dict[str, float]] = []
        self._num_rows = num_rows
        self._steps_per_epoch = steps_per_epoch
        self._total_steps = steps_per_epoch * epochs
        self._node = node
        self._on_epoch = on_epoch
        self._epoch = 0
        self._epoch_began = 0.0
        self._rows_per_second = 0.0

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Starts the clock."""
        self._epoch = epoch
        self._epoch_began = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Time spent on the epoch so far."""
        return time.perf_counter() - self._epoch_began

    def add_seconds(self, seconds: float) -> None:
        """Counts the time that an earlier process has spent on the epoch.

        Args:
            seconds: That time.
        """
        self._epoch_began -= seconds

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Tells how far training is; Keras calls it once for the steps that it runs in one go.

        Raises:
            AgnewsError: The loss is not a number any more.
        """
        figures = logs or {}
        done = batch + 1
        done_in_all = self._epoch * self._steps_per_epoch + done
        self._rows_per_second = self._num_rows * (done / self._steps_per_epoch) / self.seconds
        left = (self._total_steps - done_in_all) * (self.seconds / done)
        self._require_finite(figures["loss"], done)
        report_progress(
            Progress(
                node=self._node,
                done=done_in_all,
                total=self._total_steps,
                unit="steps",
                metrics={
                    "epoch": self._epoch + 1,
                    "loss": float(figures["loss"]),
                    "accuracy": float(figures["accuracy"]),
                    "rows_per_second": self._rows_per_second,
                    "minutes_left": left / 60,
                },
            )
        )

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Adds the epoch to the curve."""
        figures = logs or {}
        entry = {"epoch": float(epoch + 1)}
        entry |= {
            name: float(figures[name]) for name in ("loss", "accuracy", "val_loss", "val_accuracy") if name in figures
        }
        entry["learning_rate"] = self._learning_rate()
        entry["seconds"] = self.seconds
        entry["rows_per_second"] = self._rows_per_second
        self.curve.append(entry)
        report_progress(
            Progress(
                node=self._node,
                done=(epoch + 1) * self._steps_per_epoch,
                total=self._total_steps,
                unit="steps",
                metrics={name: value for name, value in entry.items() if name != "seconds"},
            )
        )
        if self._on_epoch is not None:
            self._on_epoch(epoch + 1, entry)

    def _learning_rate(self) -> float:
        rate = self.model.optimizer.learning_rate
        if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
            rate = rate(self.model.optimizer.iterations)
        return float(rate)

    def _require_finite(self, loss: float, step: int) -> None:
        if not math.isfinite(loss):
            raise AgnewsError(
                f"The training loss is not a number, seen at step {step} of epoch {self._epoch + 1}.",
                found=loss,
                fix="Lower training.learning_rate, or set training.clip_norm to 1.0 and warm up for longer.",
                exit_code=ExitCode.FAILED,
            )


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


_VALIDATION_PREFIX = "val_"


class TensorBoardLog(keras.callbacks.Callback):
    """Writes the figures of each epoch as TensorBoard's scalars: runs `train` and `validation`, tags `epoch_*`.

    The layout is that of `keras.callbacks.TensorBoard`. That one needs the package tensorboard, which TensorFlow no
    longer brings along and a trainer has no other use for; whoever wants to look installs it there.

    Args:
        log_dir: Folder or URI.
        curve: Where another callback, called before this one, adds the figures of each epoch; see `TrainingMonitor`.
    """

    def __init__(self, log_dir: str, curve: Sequence[Mapping[str, float]]) -> None:
        super().__init__()
        self._log_dir = log_dir
        self._curve = curve
        self._written = 0

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Opens one event file for each run; epochs that the curve has already are those of a process before."""
        self._written = 0
        self._writers = {
            run: tf.summary.create_file_writer(posixpath.join(self._log_dir, run)) for run in ("train", "validation")
        }
        # What TensorBoard's own `scalar` summary says about itself.
        self._metadata = tf.compat.v1.SummaryMetadata(
            plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
        )

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Writes the epoch's figures."""
        self._write()

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        """Closes the files."""
        self._write()
        for writer in self._writers.values():
            writer.close()

    def _write(self) -> None:
        for epoch, figures in enumerate(self._curve[self._written :], start=self._written):
            for name, value in figures.items():
                run = "validation" if name.startswith(_VALIDATION_PREFIX) else "train"
                tag = f"epoch_{name.removeprefix(_VALIDATION_PREFIX)}"
                with self._writers[run].as_default():
                    tf.summary.write(tag, tf.constant(value, tf.float32), step=epoch, metadata=self._metadata)
        self._written = len(self._curve)
        for writer in self._writers.values():
            writer.flush()
