"""Says what to do where a device cannot do what it was given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

from agnews.schemas.errors import AgnewsError, ExitCode

_XLA = ("XLA", "/xla/", "tf2xla", "Detected unsupported operations when trying to compile", "jit_compile")


@contextmanager
def explain_device_errors(batch_size: int | None, *, xla: bool) -> Iterator[None]:
    """Turns TensorFlow's errors about memory and compilation into ones that say what to set.

    Args:
        batch_size: Rows that each device gets in a training step; None where nothing is trained.
        xla: Whether steps are compiled.

    Raises:
        AgnewsError: Memory ran out, XLA cannot compile the model, or another process of the training went away.
    """
    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        smaller = (batch_size or 0) // 2
        fix = (
            f"`--set training.batch_size={smaller}`, or a smaller text.max_length: memory grows with both."
            if smaller
            else "Set a smaller text.max_length, or a smaller model: the batch cannot be smaller."
        )
        raise AgnewsError(
            f"Memory ran out in a training step with {batch_size} rows on each device."
            if batch_size
            else "Memory ran out while the encoder read the rows.",
            found=_first_line(error),
            fix=fix,
            exit_code=ExitCode.FAILED,
        ) from error
    except tf.errors.UnavailableError as error:
        raise AgnewsError(
            "Another process of this training went away.",
            found=_first_line(error),
            fix="Start all processes again; training goes on from its last backup.",
            exit_code=ExitCode.FAILED,
        ) from error
    except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError, tf.errors.InternalError) as error:
        if not xla or not any(sign in str(error) for sign in _XLA):
            raise
        raise AgnewsError(
            "XLA cannot compile the training step of this model on this device.",
            found=_first_line(error),
            fix="Train without it: `--set devices.xla=off`.",
            exit_code=ExitCode.FAILED,
        ) from error


def _first_line(error: BaseException) -> str:
    """Finds the message behind the stack that TensorFlow prints before it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    frames = [number for number, line in enumerate(lines) if line.startswith(("File ", "Graph execution error"))]
    message = lines[frames[-1] + 1 :] if frames else lines
    message = [line for line in message if not line.endswith("root error(s) found.")]
    return message[0][:300] if message else type(error).__name__
