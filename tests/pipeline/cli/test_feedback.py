"""`agnews feedback`: from a queue in a file to labels, a span, and back to nothing."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from agnews.components.feedback.label_store import read_labels
from agnews.components.feedback.random_share import is_in_random_share
from agnews.components.request_log.places import Places, places_at
from agnews.components.request_log.request_log import LogSettings, RequestLog
from agnews.pipeline.cli.main import app
from agnews.schemas.errors import AgnewsError
from agnews.schemas.feedback import Source

TEXTS = [f"text number {number}" for number in range(30)]


def agnews(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["feedback", *map(str, arguments)])


@pytest.fixture
def places(tmp_path: Path) -> Places:
    places = places_at(str(tmp_path / "log"))
    log = RequestLog(LogSettings(places))
    log.start()
    for number, text in enumerate(TEXTS):
        first = 0.3 + number / 50
        probabilities = np.array([[first, 1 - first, 0.0, 0.0]], np.float32)
        log.offer(
            f"r{number}",
            "1",
            [text.encode()],
            {"label": np.array([b"World"], object), "probabilities": probabilities},
            0,
        )
    log.close()
    return places


def test_a_queue_is_written_filled_and_imported(places: Places, tmp_path: Path) -> None:
    file = tmp_path / "queue.csv"
    written = agnews("queue", "--log", places.uri, "--number", "12", "--output", file)
    assert written.exit_code == 0, written.output
    assert "12 of 30 logged texts" in written.output
    assert file.stat().st_mode & 0o077 == 0, "texts of users are for one person's eyes"
    with file.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["why"] for row in rows} == {"random", "uncertain"}
    for row in rows[:10]:
        row["label"] = "Sports"
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    imported = agnews("import", file, "--log", places.uri, "--by", "ann")
    assert imported.exit_code == 0, imported.output
    labels = read_labels(places)
    assert [(each.row, each.text, each.label, each.by, each.source) for each in labels] == [
        (row["request"], row["text"], "Sports", "ann", Source.QUEUE) for row in rows[:10]
    ]
    again = json.loads(agnews("queue", "--log", places.uri, "--json").output.splitlines()[0])
    assert not {each["row"] for each in again} & {each.row for each in labels}

    collected = agnews("collect", "--log", places.uri, "--data", tmp_path / "data", "--span", "2026-11-29", "--json")
    assert collected.exit_code == 0, collected.output
    random = sum(is_in_random_share(each.row) for each in labels)
    assert json.loads(collected.output)["train"] == 10 - random
    assert json.loads(collected.output)["test"] == random

    erased = agnews("erase", "--log", places.uri, "--by", "ann", "--data", tmp_path / "data")
    assert erased.output == "0 rows of the log, 10 labels, 10 collected rows were removed\n"
    assert read_labels(places) == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("request,label,by\nr1,Sprots,ann\n", "Row 1 of the file names no class"),
        ("request,label\nr1,Sports\n", "Row 1 of the file is no label"),
        ("label,by\nSports,ann\n", "Row 1 of the file is no label"),
        ("request,label,by\nr1,,ann\n", "The file holds no labels"),
    ],
)
def test_a_file_with_something_else_is_taken_as_a_whole_or_not_at_all(
    places: Places, tmp_path: Path, content: str, problem: str
) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(content)
    found = agnews("import", file, "--log", places.uri)
    assert isinstance(found.exception, AgnewsError)
    assert problem in found.exception.problem
    assert read_labels(places) == []


def test_a_folder_that_is_none_of_spans_is_refused(places: Places, tmp_path: Path) -> None:
    (tmp_path / "train.csv").touch()
    found = agnews("collect", "--log", places.uri, "--data", tmp_path)
    assert isinstance(found.exception, AgnewsError)
    assert "none of spans" in found.exception.problem
    for arguments in (("--span", "29.11.2026"), ("--span", "2026-11-31")):
        found = agnews("collect", "--log", places.uri, "--data", tmp_path / "data", *arguments)
        assert isinstance(found.exception, AgnewsError)
        assert "named after its day" in found.exception.problem


def test_erasing_nothing_in_particular_is_refused(places: Places) -> None:
    found = agnews("erase", "--log", places.uri)
    assert isinstance(found.exception, AgnewsError)
    assert "Say what" in found.exception.problem
