"""A search space as a YAML file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import yaml
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import ConfigDict, StrictBool, ValidationError, model_validator
from pydantic_core import ErrorDetails

from agnews.schemas.errors import AgnewsError
from agnews.schemas.strict_numbers import StrictNumbers
from agnews.schemas.yaml_text import read_yaml, write_yaml

Setting = bool | int | float | str | None
"""A value of a configuration's key."""

_DIGITS = 3
"""Significant digits of a number that was searched: what is written down is what was tried."""


class Dimension(StrictNumbers):
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
        tree = read_yaml(file.read_text(encoding="utf-8"))
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


DEFAULT_SPACES: Mapping[str, Mapping[str, Dimension]] = {
    "transformer": {
        "training.learning_rate": Dimension(low=3e-4, high=1e-2, log=True),
        "training.batch_size": Dimension(values=(32, 64, 128, 256)),
        "model.hidden_dim": Dimension(values=(32, 64, 96, 128)),
        "model.num_layers": Dimension(low=1, high=3),
        "model.dropout": Dimension(low=0.0, high=0.4),
        "model.word_dropout": Dimension(low=0.0, high=0.7),
    },
    "linear": {
        "model.cost": Dimension(low=0.03, high=3.0, log=True),
        "model.char_ngrams": Dimension(values=("1-4", "1-5", "2-5", "3-5", "3-6", None)),
        "model.word_ngrams": Dimension(low=1, high=3),
        "model.min_count": Dimension(low=1, high=3),
        "model.rarity_power": Dimension(low=0.5, high=3.0),
    },
    "ensemble": {
        "model.linear.cost": Dimension(low=0.03, high=3.0, log=True),
        "training.learning_rate": Dimension(low=3e-4, high=1e-2, log=True),
        "training.epochs": Dimension(low=2, high=6),
    },
    "bert_frozen": {
        "training.learning_rate": Dimension(low=3e-4, high=3e-2, log=True),
        "training.batch_size": Dimension(values=(32, 64, 128, 256)),
        "model.head_dim": Dimension(values=(0, 128, 256, 512)),
        "model.dropout": Dimension(low=0.0, high=0.5),
    },
    "bert_finetune": {
        "training.learning_rate": Dimension(low=2e-5, high=3e-4, log=True),
        "training.batch_size": Dimension(values=(16, 32, 64)),
        "training.epochs": Dimension(low=1, high=3),
        "model.frozen_layers": Dimension(low=0, high=2),
        "model.dropout": Dimension(low=0.0, high=0.4),
    },
}
"""By the model's kind: keys of the configuration, and what each may be."""


def show_search_space(space: Mapping[str, Dimension]) -> str:
    """Writes a search space as `read_search_space` reads it.

    Args:
        space: The dimensions by key.

    Returns:
        YAML, a line a key.
    """
    entries = {key: dimension.model_dump(exclude_defaults=True, mode="json") for key, dimension in space.items()}
    width = max(map(len, entries), default=0) + 1
    lines = []
    for key, entry in entries.items():
        inner = write_yaml(entry, default_flow_style=True, sort_keys=False, width=10_000).strip()
        lines.append(f"{key + ':':<{width}} {inner}\n")
    return "".join(lines)
