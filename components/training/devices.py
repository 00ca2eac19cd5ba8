"""On what a model is trained, and how it computes there."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Literal

import tensorflow as tf
import tf_keras as keras

from agnews.components.training import stop_signal
from agnews.components.training.tf_config import VARIABLE, TfConfig, read_tf_config
from agnews.schemas.errors import AgnewsError, ExitCode

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
        sharing: Processes that share a batch; 1 where each brings one of its own.
    """

    strategy: tf.distribute.Strategy
    kind: Literal["none", "mirrored", "multiworker"]
    accelerator: str
    precision: Precision
    xla: bool
    workers: int
    is_chief: bool
    sharing: int = 1

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

    def global_batch(self, batch_size: int) -> int:
        """Returns how many rows a step sees in all.

        Args:
            batch_size: `training.batch_size`.
        """
        return batch_size * self.replicas // self.sharing

    def describe(self, batch_size: int) -> dict[str, object]:
        """Returns what was taken, for reports.

        Args:
            batch_size: `training.batch_size`.
        """
        return {
            "accelerator": self.accelerator,
            "strategy": self.kind,
            "precision": self.precision,
            "xla": self.xla,
            "workers": self.workers,
            "replicas": self.replicas,
            "global_batch_size": self.global_batch(batch_size),
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


_LOGGER = logging.getLogger(__name__)

_BFLOAT16_CAPABILITY = (8, 0)
_FLOAT16_CAPABILITY = (7, 0)


def choose_devices(
    *,
    accelerator: str = "auto",
    strategy: str = "auto",
    precision: str = "auto",
    xla: str = "auto",
    workers: int = 1,
    environment: Mapping[str, str] | None = None,
) -> Devices:
    """Chooses devices, strategy, precision and compilation.

    A training in several processes has to choose before TensorFlow computes anything in its process.

    Args:
        accelerator: `auto` takes GPUs where there are some; `gpu` fails where there are none; `cpu`.
        strategy: `none`, one device; `mirrored`, all devices of this process; `multiworker`, all processes that
            TF_CONFIG names; `auto`: what there is.
        precision: `float32`, `bfloat16`, `float16`; `auto`: bfloat16 on GPUs of compute capability 8 or more, float16
            on those of 7, else float32.
        xla: `on`, `off`; `auto`: on for a single GPU. On a CPU compiling takes longer than it saves, and a step of
            several replicas reads variables of its own on each device, which XLA may refuse.
        workers: Processes that share each batch; 1 where each of those in TF_CONFIG brings one of its own.
        environment: Variables of the process; None takes those of this one.

    Returns:
        What was chosen.

    Raises:
        AgnewsError: What was asked for is not there, or TF_CONFIG is malformed.
    """
    config = read_tf_config(os.environ if environment is None else environment)
    gpus = _gpus(accelerator)
    kind = _kind(strategy, config, gpus)
    _require_several(kind, config, gpus, workers=workers, xla=xla)
    if gpus:
        _let_memory_grow(gpus)
    # Before anything else is asked for: it has to come before TensorFlow starts its runtime.
    chosen = _create(kind, gpus, accelerator)
    if kind == "multiworker" or stop_signal.is_held():
        stop_signal.take_back()
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    devices = Devices(
        strategy=chosen,
        kind=kind,  # type: ignore[arg-type]  # one of the three by construction
        accelerator=str(details[0].get("device_name", "gpu")) if details else "cpu",
        precision=_precision(precision, details),
        xla=xla == "on" or (xla == "auto" and bool(gpus) and chosen.num_replicas_in_sync == 1),
        workers=config.workers if kind == "multiworker" and config else 1,
        is_chief=config.is_chief if kind == "multiworker" and config else True,
        sharing=workers,
    )
    _LOGGER.info(
        "Devices: %s, strategy %s (%d replicas in %d processes%s), precision %s, XLA %s; asked for %s, %s, %s, %s",
        *(
            devices.accelerator,
            devices.kind,
            devices.replicas,
            devices.workers,
            "" if devices.is_chief else ", no chief",
        ),
        *(devices.precision, "on" if devices.xla else "off", accelerator, strategy, precision, xla),
    )
    return devices


def _gpus(accelerator: str) -> Sequence[tf.config.PhysicalDevice]:
    gpus: Sequence[tf.config.PhysicalDevice] = tf.config.get_visible_devices("GPU")
    if accelerator == "gpu" and not gpus:
        built = "built with CUDA" if tf.test.is_built_with_cuda() else "built without CUDA"
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
        raise AgnewsError(
            "A GPU was asked for, and TensorFlow sees none.",
            found=f"devices.accelerator gpu; TensorFlow {tf.__version__}, {built}; CUDA_VISIBLE_DEVICES "
            + ("not set" if hidden is None else repr(hidden)),
            fix="Look at `nvidia-smi`, install CUDA's libraries by `pip install 'tensorflow[and-cuda]'`, "
            "or train on the CPU: `--set devices.accelerator=cpu`.",
        )
    return [] if accelerator == "cpu" else gpus


def _kind(strategy: str, config: TfConfig | None, gpus: Sequence[tf.config.PhysicalDevice]) -> str:
    if strategy == "multiworker" and config is None:
        raise AgnewsError(
            "Training in several processes was asked for, and TF_CONFIG names none.",
            found="devices.strategy multiworker, TF_CONFIG not set",
            fix="Set TF_CONFIG in each process (docs/training.md shows how), or `--set devices.strategy=auto`.",
        )
    if strategy != "auto":
        return strategy
    if config is not None and config.workers > 1:
        return "multiworker"
    return "mirrored" if len(gpus) > 1 else "none"


def _require_several(
    kind: str, config: TfConfig | None, gpus: Sequence[tf.config.PhysicalDevice], *, workers: int, xla: str
) -> None:
    """Refuses what would crash, or learn something else, once the processes have found each other."""
    found = config.workers if config is not None and kind == "multiworker" else 1
    if workers not in (1, found):
        raise AgnewsError(
            "Another number of processes trains than was asked for.",
            found=f"devices.workers {workers}, and {found} in {VARIABLE}",
            fix="Leave one of them out; `agnews run` starts the processes itself.",
        )
    if found > 1 and xla == "on" and not gpus:
        raise AgnewsError(
            "XLA cannot compile the step of several processes on CPUs: TensorFlow ends by a crash.",
            found=f"devices.xla on, {found} processes without a GPU",
            fix="Train without it: `--set devices.xla=off`.",
        )


def _create(kind: str, gpus: Sequence[tf.config.PhysicalDevice], accelerator: str) -> tf.distribute.Strategy:
    if kind == "multiworker":
        try:
            return tf.distribute.MultiWorkerMirroredStrategy()
        except RuntimeError as error:
            raise AgnewsError(
                "Training in several processes has to be the first thing that TensorFlow does in its process.",
                found=str(error),
                fix="Run the Trainer in a process of its own, as a cluster does, or `--set devices.strategy=none`.",
                exit_code=ExitCode.FAILED,
            ) from error
    if kind == "mirrored":
        type_ = "GPU" if gpus else "CPU"
        return _mirrored(tuple(device.name for device in tf.config.list_logical_devices(type_)))
    if accelerator == "cpu" and tf.config.get_visible_devices("GPU"):
        return tf.distribute.OneDeviceStrategy("/cpu:0")
    return tf.distribute.get_strategy()


@cache
def _mirrored(names: tuple[str, ...]) -> tf.distribute.Strategy:
    """One strategy for all trainings of a process, such as the trials of a search.

    Each strategy numbers its exchanges of gradients from the same number, and TensorFlow takes those of a second one
    for those of the first.
    """
    return tf.distribute.MirroredStrategy(list(names))


def _let_memory_grow(gpus: Sequence[tf.config.PhysicalDevice]) -> None:
    """Takes a GPU's memory as it is needed, so that two processes can share one."""
    try:
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError as error:
        _LOGGER.info("The GPUs' memory was taken already: %s", error)


def _precision(wanted: str, gpus: Sequence[Mapping[str, object]]) -> Precision:
    if wanted != "auto":
        return wanted  # type: ignore[return-value]  # the configuration knows no others
    capabilities = [gpu.get("compute_capability", (0, 0)) for gpu in gpus]
    weakest = min(capabilities, default=(0, 0))  # type: ignore[type-var]  # pairs of numbers
    if weakest >= _BFLOAT16_CAPABILITY:  # type: ignore[operator]
        return "bfloat16"
    return "float16" if weakest >= _FLOAT16_CAPABILITY else "float32"  # type: ignore[operator]


# TensorFlow has one kind of error for memory and for disks.
_FULL_DISK = "no space left on device"
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
        if _FULL_DISK in str(error).lower():
            raise
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
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.DeadlineExceededError) as error:
        raise AgnewsError(
            stop_signal.WENT_AWAY,
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
