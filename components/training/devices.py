"""On what a model is trained, and how it computes there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import tensorflow as tf
import tf_keras as keras

Precision = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class Devices:
    """What was chosen; see `choose_devices`.

    Attributes:
        strategy: TensorFlow's own; its default for a single device.
        kind: Name of the strategy.
        accelerator: `cpu`, or the GPU's name.
        precision: What layers compute in; weights and probabilities are float32.
        xla: Whether the training step is compiled.
        workers: Processes that take part.
        is_chief: Whether this one writes what the training leaves.
    """

    strategy: tf.distribute.Strategy
    kind: Literal["none", "mirrored", "multiworker"]
    accelerator: str
    precision: Precision
    xla: bool
    workers: int
    is_chief: bool

    @property
    def replicas(self) -> int:
        """Copies of the model that learn at the same time, in all processes together."""
        return int(self.strategy.num_replicas_in_sync)

    @property
    def is_plain(self) -> bool:
        """Whether a model built here is one that any process can be handed: one copy, float32."""
        return self.kind == "none" and self.precision == "float32"

    @contextmanager
    def building(self) -> Iterator[None]:
        """Builds models for these devices; the policy of Keras is what it was before, afterwards."""
        before = keras.mixed_precision.global_policy()
        keras.mixed_precision.set_global_policy("float32" if self.precision == "float32" else f"mixed_{self.precision}")
        try:
            with self.strategy.scope():
                yield
        finally:
            keras.mixed_precision.set_global_policy(before)

    def describe(self, batch_size: int) -> dict[str, object]:
        """Returns what was taken, for reports.

        Args:
            batch_size: Rows that each replica sees in a step.
        """
        return {
            "accelerator": self.accelerator,
            "strategy": self.kind,
            "precision": self.precision,
            "xla": self.xla,
            "workers": self.workers,
            "replicas": self.replicas,
            "global_batch_size": batch_size * self.replicas,
        }


def one_device() -> Devices:
    """Returns the devices of a process that has chosen nothing: TensorFlow's default, float32."""
    return Devices(
        strategy=tf.distribute.get_strategy(),
        kind="none",
        accelerator="cpu",
        precision="float32",
        xla=False,
        workers=1,
        is_chief=True,
    )
