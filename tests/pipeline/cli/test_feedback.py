"""`agnews feedback`: from a queue in a file to labels, a span, and back to nothing."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from agnews.components.feedback.label_store import keep_labels, read_labels
from agnews.components.feedback.random_share import is_in_random_share
from agnews.components.feedback.training_rows import queue_training_rows
from agnews.components.request_log.places import Places, places_at
from agnews.components.request_log.request_log import LogSettings, RequestLog
from agnews.components.storage.files_at import files_at
from agnews.pipeline.cli.main import app
from agnews.schemas.errors import AgnewsError
from agnews.schemas.feedback import GivenLabel, Source
from agnews.schemas.linear_check import DOUBTS_FILE, DoubtfulLabel, LinearCheck
from agnews.schemas.run_report import NodeSummary

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
    again = json.loads(agnews("queue", "--log", places.uri, "--json").stdout.splitlines()[0])
    assert not {each["row"] for each in again} & {each.row for each in labels}

    collected = agnews("collect", "--log", places.uri, "--data", tmp_path / "data", "--span", "2026-11-29", "--json")
    assert collected.exit_code == 0, collected.output
    random = sum(is_in_random_share(each.row) for each in labels)
    assert json.loads(collected.output)["train"] == 10 - random
    assert json.loads(collected.output)["test"] == random

    erased = agnews("erase", "--log", places.uri, "--by", "ann", "--data", tmp_path / "data")
    assert erased.output == "0 rows of the log, 10 labels, 10 collected rows were removed\n"
    assert read_labels(places) == []


def test_a_spreadsheet_computes_nothing_that_a_stranger_has_sent(places: Places, tmp_path: Path) -> None:
    texts = ["=1+1", "-2 degrees in Oslo", "'=quoted", "plain"]
    queue_training_rows(places, "run", [ROW.model_copy(update={"text": text}) for text in texts])
    file = tmp_path / "queue.csv"
    assert agnews("queue", "--log", places.uri, "--output", file).exit_code == 0
    with file.open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["why"] == "training"]
    assert [row["text"] for row in rows] == ["'=1+1", "'-2 degrees in Oslo", "''=quoted", "plain"]
    assert not any(value.startswith(("=", "+", "-", "@")) for row in rows for value in row.values())
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows({**row, "label": "Sports"} for row in rows)
    assert agnews("import", file, "--log", places.uri, "--by", "ann").exit_code == 0
    assert [each.text for each in read_labels(places)] == texts


def test_what_two_people_disagree_about_is_asked_of_a_third(places: Places) -> None:
    given = [GivenLabel(request="r3", label=name, by=by) for name, by in (("Sports", "ann"), ("World", "bob"))]
    keep_labels(places, given, Source.QUEUE)
    for who, why in (("", "conflict"), ("carl", "conflict"), ("ann", None)):
        asked = json.loads(agnews("queue", "--log", places.uri, "--json", "--by", who).stdout)
        assert {each["row"]: each["why"] for each in asked}.get("r3/0") == why


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


ROW = DoubtfulLabel(
    text="a row that was learnt", label="World", answer="Sports", label_probability=0.1, answer_probability=0.8
)


@pytest.fixture
def doubting(tmp_path: Path) -> Callable[..., Path]:
    """Writes what LinearBaseline leaves behind."""

    def write(
        *rows: DoubtfulLabel, skipped: str = "", answers: Mapping[str, int | tuple[int, ...]] = MappingProxyType({})
    ) -> Path:
        folder = tmp_path / "LinearBaseline" / "7"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / DOUBTS_FILE).write_text("".join(f"{row.model_dump_json()}\n" for row in rows))
        LinearCheck(skipped=skipped, answers=dict(answers)).write(str(folder), files_at(str(folder)).write)
        return folder

    return write


def test_doubtful_training_rows_are_sent_to_the_queue_and_their_labels_to_the_next_span(
    places: Places, tmp_path: Path, doubting: Callable[..., Path]
) -> None:
    folder = doubting(ROW, ROW.model_copy(update={"text": "another"}))
    file = tmp_path / "queue.csv"
    sent = agnews("queue", "--log", places.uri, "--doubtful", folder, "--most", "1", "--output", file)
    assert sent.exit_code == 0, sent.output
    assert "1 training rows are in the queue" in sent.output
    assert "of 30 logged texts and 1 training rows" in sent.output
    with file.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    (training,) = (row for row in rows if row["why"] == "training")
    assert (training["text"], training["was"], training["answer"]) == (ROW.text, "World", "Sports")
    training["label"] = "Sports"
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerow(training)
    assert agnews("import", file, "--log", places.uri, "--by", "ann").exit_code == 0
    collected = agnews("collect", "--log", places.uri, "--data", tmp_path / "data", "--span", "2026-11-29", "--json")
    assert json.loads(collected.output)["train"] == 1
    said = json.loads((tmp_path / "data" / "2026-11-29" / "provenance.jsonl").read_text())
    assert (said["text"], said["label"], said["said"][0]["row"]) == (ROW.text, "Sports", training["request"])


def test_a_run_is_asked_for_its_doubts_by_its_name(
    places: Places, tmp_path: Path, doubting: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    node = NodeSummary(state="cached", seconds=1.0, outputs={"report": str(doubting(ROW))})
    report = SimpleNamespace(run_id="20261129T1", nodes={"LinearBaseline": node})
    monkeypatch.setattr("agnews.pipeline.reports.find_doubts.find_run", lambda paths, run: report)
    sent = agnews("queue", "--log", places.uri, "--doubtful", "latest", "--json")
    assert sent.exit_code == 0, sent.output
    assert [path.name for path in Path(places.training_rows).iterdir()] == ["20261129T1.jsonl"]
    assert [each["label"] for each in json.loads(sent.stdout) if each["why"] == "training"] == ["World"]
    report.nodes = {}
    found = agnews("queue", "--log", places.uri, "--doubtful", "latest")
    assert isinstance(found.exception, AgnewsError)
    assert "did not come to look" in found.exception.problem


def test_rows_of_several_classes_are_mended_in_their_file(places: Places, doubting: Callable[..., Path]) -> None:
    found = agnews("queue", "--log", places.uri, "--doubtful", doubting(ROW, answers={"a": (), "b": (0, 1)}))
    assert isinstance(found.exception, AgnewsError)
    assert "have several" in found.exception.problem
    assert DOUBTS_FILE in found.exception.fix
    assert not Path(places.training_rows).exists()


def test_where_nobody_looked_for_doubts_the_reason_is_told(
    places: Places, tmp_path: Path, doubting: Callable[..., Path]
) -> None:
    found = agnews("queue", "--log", places.uri, "--doubtful", doubting(skipped="it is linear itself"))
    assert isinstance(found.exception, AgnewsError)
    assert "it is linear itself" in found.exception.found
    assert "0 training rows" in agnews("queue", "--log", places.uri, "--doubtful", doubting()).output
    found = agnews("queue", "--log", places.uri, "--doubtful", tmp_path / "nowhere")
    assert isinstance(found.exception, AgnewsError)
    assert "no list" in found.exception.problem


def test_without_a_version_the_queue_says_what_is_left_out(places: Places, tmp_path: Path) -> None:
    found = agnews("queue", "--log", places.uri, "--root", tmp_path / "nowhere")
    assert found.exit_code == 0
    assert "No text was chosen by the linear model" in found.stderr
    assert "30 of 30 logged texts" in found.stdout
