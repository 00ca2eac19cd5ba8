"""Scalars that TensorBoard shows, written without TensorBoard."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence

import tensorflow as tf
import tf_keras as keras

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
