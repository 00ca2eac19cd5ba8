"""From an execution file to a validated tree."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from agnews.schemas.errors import AgnewsError
from agnews.schemas.execution_config import ExecutionConfig
from agnews.schemas.first_problem import first_problem
from agnews.schemas.yaml_text import read_yaml


def load_execution(file: Path | None, beam: Iterable[str] = ()) -> ExecutionConfig:
    """Reads an execution file.

    Args:
        file: YAML with the keys of `ExecutionConfig`; None takes the defaults, which tell nobody.
        beam: `KEY=VALUE` each, in place of values of the section `beam`.

    Returns:
        The tree.

    Raises:
        AgnewsError: The file is missing or no YAML mapping, a key is unknown, or a value is not allowed.
    """
    tree = _read(file) if file is not None else {}
    said = _settings(beam)
    if said:
        section = tree.get("beam") or {}
        tree = {**tree, "beam": {**section, **said} if isinstance(section, dict) else section}
    try:
        return ExecutionConfig.model_validate(tree)
    except ValidationError as error:
        where = f"The execution file {file}" if file is not None else "What --beam says"
        raise AgnewsError(
            f"{where} cannot be used.",
            found=first_problem(error).replace(": Value error, ", ": "),
            fix="docs/notifications.md and docs/scale.md list the keys.",
        ) from None


def _settings(beam: Iterable[str]) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for setting in beam:
        key, separator, value = setting.partition("=")
        if not separator:
            raise AgnewsError(
                "A setting of Beam has the form KEY=VALUE.",
                found=setting,
                fix="For example: --beam runner=multiprocess",
            )
        key = key.strip().removeprefix("beam.")
        if key == "options":
            said["options"] = [*said.get("options", []), value]
        else:
            said[key] = None if value in ("", "null") else value
    return said


def _read(file: Path) -> dict[str, Any]:
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
    return tree
