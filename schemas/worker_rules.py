"""What several processes that share a training need of its configuration."""

from __future__ import annotations

from agnews.schemas.errors import AgnewsError
from agnews.schemas.learning_config import DevicesConfig

ALONE = frozenset({"bert_frozen", "ensemble", "linear"})
"""Kinds of model that one process trains in any case: what learns is small, or is solved for in a part."""


def require_workers_fit(workers: int, *, kind: str, devices: DevicesConfig, batch_size: int, key: str) -> None:
    """Refuses several processes where they would do nothing, or would fail after minutes.

    Args:
        workers: Processes that are to train together.
        kind: `model.kind`.
        devices: On what each of them computes.
        batch_size: Rows of a step, which they share.
        key: The setting that asks for them, for the message.

    Raises:
        AgnewsError: The settings contradict each other.
    """
    if workers == 1:
        return
    found = f"{key} {workers}"
    if kind in ALONE:
        raise AgnewsError(
            f"The model {kind} is trained in one process: the others would do nothing.",
            found=f"{found}, model.kind {kind}",
            fix=f"Leave {key} out.",
        )
    if devices.strategy in ("none", "mirrored"):
        raise AgnewsError(
            f"devices.strategy={devices.strategy} trains in one process.",
            found=f"{found}, devices.strategy {devices.strategy}",
            fix=f"Leave devices.strategy out (each of several processes takes all devices that it sees), or {key}.",
        )
    if devices.xla == "on" and devices.accelerator != "gpu":
        raise AgnewsError(
            "XLA cannot compile the step of several processes on CPUs: TensorFlow ends by a crash.",
            found=f"{found}, devices.xla on, devices.accelerator {devices.accelerator}",
            fix="Leave devices.xla out, or train on GPUs: --set devices.accelerator=gpu.",
        )
    if batch_size < workers:
        raise AgnewsError(
            "A batch has fewer rows than there are processes to share it.",
            found=f"{found}, training.batch_size {batch_size}",
            fix=f"Set {key} to {batch_size} at most, or a larger training.batch_size.",
        )
