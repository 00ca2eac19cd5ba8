"""Watches a training run: tells how far it is, keeps its curve, and stops it when it has gone astray."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

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
