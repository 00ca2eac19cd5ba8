"""Documents that outlive the version that wrote them."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, model_validator

from agnews.schemas.errors import AgnewsError, ExitCode


class NumberedForm(BaseModel):
    """A document with the number of its form, `format`: a later one than this version knows is refused in words."""

    KNOWN_FORMAT: ClassVar[int]
    """The latest that this version reads, and the one that it writes."""
    WRITTEN: ClassVar[str]
    """What a newer version has written, for its message."""

    @model_validator(mode="before")
    @classmethod
    def _is_not_too_new(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("format"), int) and data["format"] > cls.KNOWN_FORMAT:
            raise AgnewsError(
                f"This agnews is too old for what a newer one has written {cls.WRITTEN}.",
                found=f"format {data['format']}, and this one reads up to {cls.KNOWN_FORMAT}",
                fix="Update agnews here.",
                exit_code=ExitCode.FAILED,
            )
        return data
