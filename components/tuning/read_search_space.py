"""A search space as a YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from agnews.components.tuning.dimension import Dimension
from agnews.schemas.errors import AgnewsError

_EXAMPLE = "training.learning_rate: {low: 0.0003, high: 0.01, log: true}"


def read_search_space(file: Path) -> dict[str, Dimension]:
    """Reads what may be searched.

    Args:
        file: YAML: a mapping of the configuration's keys to `{low: ..., high: ..., log: true|false}` or
            `{values: [...]}`.

    Returns:
        The dimensions by key. Whether the configuration has such keys is not looked at here.

    Raises:
        AgnewsError: The file is missing or no such mapping.
    """
    try:
        tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise AgnewsError(
            f"The search space {file} is not readable YAML.",
            found=error,
            fix="Start from what `agnews tune --show-space` prints.",
        ) from error
    if not isinstance(tree, dict) or not tree:
        raise AgnewsError(
            f"The search space {file} is not a mapping of settings to what they may be.",
            found=type(tree).__name__ if tree else "nothing",
            fix=f"A line of it looks like this: {_EXAMPLE}",
        )
    return {str(key): _dimension(file, str(key), entry) for key, entry in tree.items()}


def _dimension(file: Path, key: str, entry: object) -> Dimension:
    if not isinstance(entry, Mapping):
        raise AgnewsError(
            f"The search space {file} does not say what {key} may be.",
            found=f"{key}: {entry}",
            fix=f"Write it like this: {_EXAMPLE} or training.batch_size: {{values: [32, 64]}}",
        )
    try:
        return Dimension.model_validate(dict(entry))
    except ValidationError as error:
        problems = "; ".join(_problem(detail) for detail in error.errors())
        raise AgnewsError(
            f"The search space {file} is not clear about {key}.",
            found=f"{key}: {dict(entry)}",
            fix=f"{problems[0].upper()}{problems[1:]}. For example: {_EXAMPLE}",
        ) from None


def _problem(detail: ErrorDetails) -> str:
    message = detail["msg"].removeprefix("Value error, ")
    return f"{detail['loc'][0]}: {message[0].lower()}{message[1:]}" if detail["loc"] else message
