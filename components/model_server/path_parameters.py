"""What stands in the paths under `/v1/models`."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from agnews.components.model_server.http_error import HttpError

Name = Annotated[str, Path(pattern=r"^[^/:]+$", description="Name of the model.")]
Version = Annotated[str, Path(pattern=r"^[0-9]+$", description="Number of a version.")]
_LARGEST = (1 << 63) - 1


def version_number(version: str) -> str:
    """Reads the number of a version.

    Args:
        version: Digits, or nothing.

    Returns:
        The number without leading zeros, or nothing.

    Raises:
        HttpError: 400 in TensorFlow Serving's words where 64 bits do not hold it.
    """
    if not version:
        return ""
    if len(version.lstrip("0")) > len(str(_LARGEST)) or int(version) > _LARGEST:
        raise HttpError(400, f"Failed to convert version: {version} to numeric.")
    return str(int(version))
