"""One setting that is searched, and what it may be."""

from __future__ import annotations

import math
from typing import Self

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import BaseModel, ConfigDict, StrictBool, model_validator

Setting = bool | int | float | str | None
"""A value of a configuration's key."""

_DIGITS = 3
"""Significant digits of a number that was searched: what is written down is what was tried."""


class Dimension(BaseModel):
    """What a setting may be: a range, or a list of values.

    Attributes:
        low: Least value of a range.
        high: Greatest value of a range.
        log: Whether a range is searched by factors: 0.001 to 0.01 as thoroughly as 0.01 to 0.1.
        values: The values of a list.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    values: tuple[StrictBool | int | float | str | None, ...] | None = None

    @model_validator(mode="after")
    def _is_range_or_list(self) -> Self:
        if self.values is not None:
            if self.low is not None or self.high is not None or self.log:
                raise ValueError("give either low and high, or values")
            if not self.values:
                raise ValueError("values is empty")
            return self
        if self.low is None or self.high is None:
            raise ValueError("give low and high, or values")
        if not (math.isfinite(self.low) and math.isfinite(self.high)) or self.low > self.high:
            raise ValueError("low has to be a number that is not above high")
        if self.log and self.low <= 0:
            raise ValueError("a range with log has to start above 0")
        return self

    @property
    def ends(self) -> tuple[Setting, ...]:
        """All values of a list, both ends of a range."""
        return self.values if self.values is not None else (self.low, self.high)

    def holding(self, start: Setting) -> Dimension:
        """Returns this dimension, made wide enough for a value.

        Args:
            start: The value that a configuration has.

        Raises:
            ValueError: The value is of another type than the range.
        """
        if self.values is not None or self.low is None or self.high is None:
            values = self.values or ()
            present = any(value == start and type(value) is type(start) for value in values)
            return self if present else Dimension(values=(start, *values))
        if isinstance(start, bool) or not isinstance(start, int | float):
            raise ValueError("the configuration has no number there: list values instead of a range")
        if isinstance(start, int):
            if isinstance(self.low, float) or isinstance(self.high, float):
                raise ValueError("it takes whole numbers")
            wide = Dimension.model_construct(low=min(self.low, start), high=max(self.high, start), log=self.log)
        else:
            low, high = min(float(self.low), start), max(float(self.high), start)
            wide = Dimension.model_construct(low=low, high=high, log=self.log)
        if self.log and start <= 0:
            raise ValueError(f"the configuration has {start} there, which a range with log cannot hold")
        return wide

    def distribution(self) -> BaseDistribution:
        """Returns it in Optuna's terms."""
        if self.values is not None:
            return CategoricalDistribution(self.values)
        if isinstance(self.low, int) and isinstance(self.high, int):
            return IntDistribution(self.low, self.high, log=self.log)
        return FloatDistribution(float(self.low or 0.0), float(self.high or 0.0), log=self.log)

    def rounded(self, value: Setting) -> Setting:
        """Returns a value of a range with three significant digits, within the range."""
        if self.values is not None or not isinstance(value, float) or self.low is None or self.high is None:
            return value
        return min(max(float(f"{value:.{_DIGITS}g}"), float(self.low)), float(self.high))
