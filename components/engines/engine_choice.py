"""What answers, as a user says it."""

from __future__ import annotations

from enum import StrEnum


class EngineChoice(StrEnum):
    """What answers."""

    AUTO = "auto"
    """The fastest that is installed, exported and passed; TensorFlow otherwise."""
    TENSORFLOW = "tensorflow"
    ONNXRUNTIME = "onnxruntime"
    OPENVINO = "openvino"
