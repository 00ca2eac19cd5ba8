"""Answers of many classes: the likeliest by name, the same in every format, and a line that a terminal can show."""

from __future__ import annotations

import csv
import io
import itertools
import json

import numpy as np
import orjson
import pyarrow.parquet as pq
import pytest
from rich.cells import cell_len

from agnews.components.prediction.output_formats import PART_FORMATS, OutputFormat, create_formatter
from agnews.components.prediction.predict_blocks import PredictedBlock
from agnews.components.prediction.text_input import TextRow
from agnews.components.prediction.write_predictions import PredictionStyle, SeveralClasses

CLASSES = tuple(f"class {number}" for number in range(12))
PROBABILITIES = np.random.default_rng(0).dirichlet(np.ones(12), 3).astype(np.float32)


def written(
    form: OutputFormat,
    *,
    top: int | None,
    classes: tuple[str, ...] = CLASSES,
    abstains_below: float = 0.0,
    several: SeveralClasses | None = None,
) -> bytes:
    style = PredictionStyle(
        classes, "7", with_text=True, top=top, width=200, abstains_below=abstains_below, several=several
    )
    formatter = create_formatter(form, style)
    rows = [TextRow(number, number, 0, str(number), b"a text") for number in (1, 2, 3)]
    block = PredictedBlock(rows, PROBABILITIES.argmax(axis=1), PROBABILITIES, [])
    return formatter.header + formatter.block(block) + formatter.end()


def ranked(form: OutputFormat, content: bytes) -> list[list[tuple[str, float]]]:
    """Names and probabilities as a reader of the format finds them, likeliest first."""
    if form is OutputFormat.CSV:
        rows = list(csv.DictReader(io.StringIO(content.decode())))
        places = ("", "_2", "_3")
        return [[(row[f"label{place}"], float(row[f"probability{place}"])) for place in places] for row in rows]
    if form is OutputFormat.JSONL:
        return [list(orjson.loads(line)["probabilities"].items()) for line in content.splitlines()]
    found = pq.read_table(io.BytesIO(content)).to_pylist()
    return [[(each["label"], each["probability"]) for each in row["probabilities"]] for row in found]


@pytest.mark.parametrize("form", PART_FORMATS)
def test_the_likeliest_classes_stand_in_every_format_by_name(form: OutputFormat) -> None:
    found = ranked(form, written(form, top=3))
    order = np.argsort(-PROBABILITIES, axis=1)[:, :3]
    assert [[name for name, _ in row] for row in found] == [[CLASSES[i] for i in row] for row in order]
    shares = [[share for _, share in row] for row in found]
    np.testing.assert_allclose(shares, np.take_along_axis(PROBABILITIES, order, axis=1), atol=1e-6)


@pytest.mark.parametrize("form", PART_FORMATS)
def test_identifiers_that_are_no_text_stay_different(form: OutputFormat) -> None:
    rows = [TextRow(number, number, 0, own, b"a text") for number, own in enumerate(("\udce8", "\udce9", "\ud800"))]
    formatter = create_formatter(form, PredictionStyle(CLASSES, "7"))
    block = PredictedBlock(rows, PROBABILITIES.argmax(axis=1), PROBABILITIES, [])
    content = formatter.header + formatter.block(block) + formatter.end()
    if form is OutputFormat.PARQUET:
        found = pq.read_table(io.BytesIO(content))["id"].to_pylist()
    elif form is OutputFormat.CSV:
        found = [row["id"] for row in csv.DictReader(io.StringIO(content.decode("utf-8", "surrogateescape")))]
    else:
        found = [orjson.loads(line)["id"] for line in content.splitlines()]
    bytes_as_written = form is OutputFormat.CSV
    assert found == [*(("\udce8", "\udce9") if bytes_as_written else ("\\udce8", "\\udce9")), "\\ud800"]


def test_csv_and_parquet_have_a_field_a_class_where_all_are_wanted() -> None:
    rows = list(csv.DictReader(io.StringIO(written(OutputFormat.CSV, top=None).decode())))
    np.testing.assert_allclose([[float(row[name]) for name in CLASSES] for row in rows], PROBABILITIES, atol=1e-6)
    table = pq.read_table(io.BytesIO(written(OutputFormat.PARQUET, top=None)))
    assert table["probabilities"].type.num_fields == len(CLASSES)


def test_long_names_and_wide_characters_keep_the_columns_of_a_table_straight() -> None:
    classes = (*CLASSES[:-2], "国际新闻", "a name that goes on and on and on, longer than any terminal likes")
    lines = written(OutputFormat.TABLE, top=3, classes=classes).decode().splitlines()
    assert len(lines) == 3
    ends = [cell_len(line[: line.index("a text")]) for line in lines]
    assert len(set(ends)) == 1
    assert all(cell_len(line) <= 200 for line in lines)


def test_columns_of_a_table_stand_under_their_names_in_any_script() -> None:
    classes = ("体育", "ספורט", *CLASSES[2:])
    header, *lines = written(OutputFormat.TABLE, top=None, classes=classes).decode().splitlines()
    assert {cell_len(line[: line.index("a text")]) for line in lines} == {cell_len(header[: header.index("text")])}


@pytest.mark.parametrize("form", PART_FORMATS)
@pytest.mark.parametrize("top", [None, 2])
def test_answers_that_are_none_are_marked_in_every_format(form: OutputFormat, top: int | None) -> None:
    confidence = PROBABILITIES.max(axis=1)
    below = float(np.sort(confidence)[1])
    content = written(form, top=top, abstains_below=below)
    found = {
        OutputFormat.CSV: lambda: [row["abstained"] == "true" for row in csv.DictReader(io.StringIO(content.decode()))],
        OutputFormat.JSONL: lambda: [orjson.loads(line)["abstained"] for line in content.splitlines()],
        OutputFormat.PARQUET: lambda: pq.read_table(io.BytesIO(content))["abstained"].to_pylist(),
    }[form]()
    assert found == (confidence < below).tolist()
    assert sum(found) == 1
    assert b"abstained" not in written(form, top=top)


@pytest.mark.parametrize("form", PART_FORMATS)
@pytest.mark.parametrize("top", [None, 2])
@pytest.mark.parametrize("separator", ["|", None])
def test_all_classes_of_a_text_stand_in_every_format(
    form: OutputFormat, top: int | None, separator: str | None
) -> None:
    thresholds = tuple(np.sort(PROBABILITIES, axis=0)[1].tolist())
    content = written(form, top=top, several=SeveralClasses(thresholds, separator))

    def cell(row: dict[str, str]) -> list[str]:
        if separator is None:
            return list(json.loads(row["labels"]))
        return row["labels"].split(separator) if row["labels"] else []

    found = {
        OutputFormat.CSV: lambda: [cell(row) for row in csv.DictReader(io.StringIO(content.decode()))],
        OutputFormat.JSONL: lambda: [orjson.loads(line)["labels"] for line in content.splitlines()],
        OutputFormat.PARQUET: lambda: pq.read_table(io.BytesIO(content))["labels"].to_pylist(),
    }[form]()
    chosen = np.float32(thresholds) <= PROBABILITIES
    assert found == [list(itertools.compress(CLASSES, row)) for row in chosen]
    assert chosen.sum() == 2 * len(CLASSES)
    assert b"labels" not in written(form, top=top)


def test_a_table_names_all_classes_of_a_text() -> None:
    several = SeveralClasses((0.0, 0.0, *[1.0] * (len(CLASSES) - 2)))
    lines = written(OutputFormat.TABLE, top=2, several=several).decode().splitlines()
    assert all(line.startswith(f"{CLASSES[0]}, {CLASSES[1]}") for line in lines)
    nothing = SeveralClasses((1.0,) * len(CLASSES))
    assert written(OutputFormat.TABLE, top=2, several=nothing).decode().startswith("(none)")


def test_a_table_names_no_class_where_the_model_abstains() -> None:
    below = float(np.sort(PROBABILITIES.max(axis=1))[1])
    lines = written(OutputFormat.TABLE, top=2, abstains_below=below).decode().splitlines()
    assert [line.startswith("(none)") for line in lines] == (PROBABILITIES.max(axis=1) < below).tolist()
