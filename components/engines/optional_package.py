"""Packages that only an engine needs, and that a plain installation is without."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any, cast

from agnews.schemas.errors import AgnewsError

EXTRAS = {
    "openvino": "openvino",
    "openvino.opset13": "openvino",
    "nncf": "openvino",
    "onnxruntime": "onnx",
    "onnxruntime.quantization": "onnx",
    "onnx": "onnx",
    "tf2onnx": "onnx",
    "tensorflow_serving.apis": "grpc",
    "tokenizers": "serve-openvino",
}
"""The extra of this project that brings a package."""
_WITHOUT_TENSORFLOW = {"openvino": "serve-openvino", "onnx": "serve-onnx"}
"""What serves with an engine alone."""


def is_installed(package: str) -> bool:
    """Whether a package can be imported; it is not imported for that."""
    return find_spec(package.partition(".")[0]) is not None


def extra_for(package: str) -> str:
    """Returns the extra that brings a package to an installation like this one, with TensorFlow or without."""
    extra = EXTRAS[package]
    return extra if is_installed("tensorflow") else _WITHOUT_TENSORFLOW.get(extra, extra)


def import_optional(package: str, purpose: str) -> Any:
    """Imports a package of an extra.

    OpenVINO and NNCF tell their makers over the network that they were imported, without having asked. What they would
    do that with is kept from being found, as if it were not installed.

    Args:
        package: Its name in Python.
        purpose: What it is needed for, as the subject of a sentence.

    Returns:
        The module.

    Raises:
        AgnewsError: It is not installed, or does not load.
    """
    sys.modules.setdefault("openvino_telemetry", cast(ModuleType, None))
    try:
        return import_module(package)
    except ImportError as error:
        extra = extra_for(package)
        raise AgnewsError(
            f"{purpose} needs the package {package.partition('.')[0]}, which is not installed."
            if not is_installed(package)
            else f"{purpose} needs the package {package}, which does not load.",
            found=str(error),
            fix=f"Install the extra: pip install 'agnews[{extra}]', or in a checkout .uv/bin/uv sync --extra {extra}.",
        ) from error
