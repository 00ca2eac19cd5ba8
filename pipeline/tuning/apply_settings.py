"""Values that a search tries, in the place of those of a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from agnews.schemas.errors import AgnewsError
from agnews.schemas.run_config import RunConfig


def apply_settings(config: RunConfig, settings: Mapping[str, object]) -> RunConfig:
    """Changes some values of a configuration.

    Args:
        config: The configuration.
        settings: New values by dotted key; the keys exist.

    Returns:
        The changed one, validated.

    Raises:
        AgnewsError: A value is not allowed.
    """
    tree: dict[str, Any] = config.model_dump()
    for key, value in settings.items():
        *sections, name = key.split(".")
        section = tree
        for each in sections:
            section = section[each]
        section[name] = value
    try:
        return RunConfig.model_validate(tree)
    except ValidationError as error:
        raise AgnewsError(
            "The configuration does not allow a value.",
            found=", ".join(f"{key} = {value}" for key, value in settings.items()),
            fix="; ".join(detail["msg"] for detail in error.errors()),
        ) from None
