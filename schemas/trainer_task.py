"""`trainer_task.json`: what the Trainer is given, for processes that do its work in its place."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from agnews.schemas.document import Document


class TrainerTask(Document):
    """Everything that decides what the Trainer does, and where it puts what it makes."""

    FILE: ClassVar = "trainer_task.json"

    format: Literal[1] = 1
    """Of this file: its reader may be a process of another version."""
    train_files: tuple[str, ...]
    """Glob patterns of the rows to learn from."""
    eval_files: tuple[str, ...]
    """The same of the rows that decide when to stop."""
    transform_uri: str
    """Folder or URI of the graph that made the rows."""
    model_uri: str
    """Folder or URI that receives the exported model."""
    record_uri: str
    """The same for `training.json` and TensorBoard's logs."""
    base_model: str | None = None
    """Folder or URI of the model in production, for a warm start; it need not exist."""
    settings: dict[str, Any]
    """The Trainer's `custom_config`."""
    start_minutes: float = 10.0
    """How long the chief of several processes waits for the others."""
