"""The formats of answers, as `agnews predict` and `agnews batch` offer them. Another one is a class and a row here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from pathlib import PurePath
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from agnews.components.prediction.write_predictions import PredictionFormatter, PredictionStyle


class OutputFormat(StrEnum):
    """A table for people, or a form that programs read."""

    TABLE = "table"
    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


@dataclass(frozen=True)
class FormatTraits:
    """What is known of a format before anything is written.

    Attributes:
        formatter: Module and class that write it, imported when they are needed.
        suffixes: Ends of the names of its files.
        is_text: Whether a terminal can show it.
        in_parts: Whether a file of it can be a part of the output of `agnews batch`.
    """

    formatter: str
    suffixes: tuple[str, ...] = ()
    is_text: bool = True
    in_parts: bool = True


_HERE = "agnews.components.prediction"

OUTPUT_FORMATS: Mapping[OutputFormat, FormatTraits] = {
    OutputFormat.TABLE: FormatTraits(f"{_HERE}.format_predictions:TableFormatter", in_parts=False),
    OutputFormat.CSV: FormatTraits(f"{_HERE}.format_predictions:CsvFormatter", (".csv",)),
    OutputFormat.JSONL: FormatTraits(f"{_HERE}.format_predictions:JsonFormatter", (".jsonl", ".ndjson")),
    OutputFormat.PARQUET: FormatTraits(f"{_HERE}.format_parquet:ParquetFormatter", (".parquet", ".pq"), is_text=False),
}

PART_FORMATS = tuple(form for form, traits in OUTPUT_FORMATS.items() if traits.in_parts)
"""Those of `agnews batch`."""


def format_of(path: str) -> OutputFormat | None:
    """Returns the format that the name of a file stands for, or None where it says nothing."""
    suffix = PurePath(path).suffix.lower()
    return next((form for form, traits in OUTPUT_FORMATS.items() if suffix in traits.suffixes), None)


def create_formatter(form: OutputFormat, style: PredictionStyle) -> PredictionFormatter:
    """Makes what writes answers.

    Args:
        form: The format.
        style: What is to be written.
    """
    module, name = OUTPUT_FORMATS[form].formatter.split(":")
    return cast("PredictionFormatter", getattr(import_module(module), name)(style))
