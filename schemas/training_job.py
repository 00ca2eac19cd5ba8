"""What a training is given, in one process or in several that train together."""

from __future__ import annotations

from typing import Literal

from agnews.schemas.document import Part
from agnews.schemas.learning_config import DevicesConfig, ModelConfig, TextConfig, TrainingConfig


class TrainingJob(Part):
    """Everything that decides what a training does. The section `model` is validated here and nowhere later."""

    format: Literal[1] = 1
    """Of the JSON: its reader may be a process of another version."""
    train_files: tuple[str, ...]
    """Glob patterns of the rows to learn from."""
    eval_files: tuple[str, ...]
    """The same of the rows that decide when to stop."""
    num_classes: int
    """Classes to tell apart."""
    label_shape: tuple[int, ...] = ()
    """Of a row's label: () is the position of its class; (classes,) is a mark for each."""
    text: TextConfig
    """What the rows were cut into, with `vocabulary` and `lowercase` decided."""
    model: ModelConfig
    training: TrainingConfig
    devices: DevicesConfig = DevicesConfig()
    scratch_uri: str
    """Folder or URI for what a later run may go on from, and that all processes share."""
    log_dir: str | None = None
    """Folder or URI for TensorBoard, or null."""
    base_model: str | None = None
    """Folder or URI of the model in production, for a warm start; it need not exist."""
    code_version: str = ""
    """Digest of the code, so that no backup of other code is gone on with."""
