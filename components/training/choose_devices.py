"""Chooses on what a model is trained, and how it computes there."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from functools import cache

import tensorflow as tf

from agnews.components.training.devices import Devices, Precision
from agnews.components.training.tf_config import TfConfig, read_tf_config
from agnews.schemas.errors import AgnewsError, ExitCode

_LOGGER = logging.getLogger(__name__)

_BFLOAT16_CAPABILITY = (8, 0)
_FLOAT16_CAPABILITY = (7, 0)


def choose_devices(
    *,
    accelerator: str = "auto",
    strategy: str = "auto",
    precision: str = "auto",
    xla: str = "auto",
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
        environment: Variables of the process; None takes those of this one.

    Returns:
        What was chosen.

    Raises:
        AgnewsError: What was asked for is not there, or TF_CONFIG is malformed.
    """
    config = read_tf_config(os.environ if environment is None else environment)
    gpus = _gpus(accelerator)
    kind = _kind(strategy, config, gpus)
    if gpus:
        _let_memory_grow(gpus)
    # Before anything else is asked for: it has to come before TensorFlow starts its runtime.
    chosen = _create(kind, gpus, accelerator)
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    devices = Devices(
        strategy=chosen,
        kind=kind,  # type: ignore[arg-type]  # one of the three by construction
        accelerator=str(details[0].get("device_name", "gpu")) if details else "cpu",
        precision=_precision(precision, details),
        xla=xla == "on" or (xla == "auto" and bool(gpus) and chosen.num_replicas_in_sync == 1),
        workers=config.workers if kind == "multiworker" and config else 1,
        is_chief=config.is_chief if kind == "multiworker" and config else True,
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
