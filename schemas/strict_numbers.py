"""What people write into a configuration: a number is a number there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError


class StrictNumbers(BaseModel):
    """A model whose fields take no `true` for 1, as Python and pydantic do."""

    @model_validator(mode="wrap")
    @classmethod
    def _take_no_truth_for_a_number(cls, said: Any, take: ModelWrapValidatorHandler[Self]) -> Self:
        taken = take(said)
        truths = [key for key, value in said.items() if isinstance(value, bool)] if isinstance(said, Mapping) else []
        error = PydanticCustomError("truth_for_number", "Input should be a number, and not true or false")
        wrong = [
            InitErrorDetails(type=error, loc=(key,), input=said[key])
            for key in truths
            if type(getattr(taken, key, None)) in (int, float)
        ]
        if wrong:
            raise ValidationError.from_exception_data(cls.__name__, wrong)
        return taken
