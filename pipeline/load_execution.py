"""From an execution file to a validated tree."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import ValidationError

from agnews.schemas.errors import AgnewsError
from agnews.schemas.execution_config import ExecutionConfig
from agnews.schemas.first_problem import first_problem
from agnews.schemas.yaml_text import read_yaml


def load_execution(file: Path | None) -> ExecutionConfig:
    """Reads an execution file.

    Args:
        file: YAML with the keys of `ExecutionConfig`; None takes the defaults, which tell nobody.

    Returns:
        The tree.

    Raises:
        AgnewsError: The file is missing or no YAML mapping, a key is unknown, or a value is not allowed.
    """
    if file is None:
        return ExecutionConfig()
    try:
        tree = read_yaml(file.expanduser().read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise AgnewsError(
            f"The execution file {file} is not readable YAML.",
            found=error,
            fix="Give an existing file; docs/notifications.md has one.",
        ) from error
    if not isinstance(tree, dict):
        raise AgnewsError(
            f"The execution file {file} is not a mapping of keys to values.",
            found=type(tree).__name__,
            fix="docs/notifications.md has one that works.",
        )
    try:
        return ExecutionConfig.model_validate(tree)
    except ValidationError as error:
        raise AgnewsError(
            f"The execution file {file} cannot be used.",
            found=first_problem(error).replace(": Value error, ", ": "),
            fix="docs/notifications.md lists the keys.",
        ) from None
