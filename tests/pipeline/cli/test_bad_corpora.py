"""Whatever is wrong with files or their description, `corpus check` and `run` say the same: what, where, what to do."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agnews.pipeline.cli.main import app
from agnews.schemas.errors import AgnewsError, ExitCode

WORDS = {"fruit": "äpfel birne pflaume", "cars": "auto bus straßenbahn", "pets": "hund katze kuh"}
NAMES = tuple(WORDS)
Files = dict[str, bytes]
Row = Sequence[str]


def rows(count: int, seed: int) -> Iterator[Row]:
    for number in range(count):
        name = NAMES[number % 3]
        yield f"{WORDS[name].split()[number % 7 % 3]} und {number * 7 + seed}", name


def table(content: Sequence[Row], *, header: Row = ("text", "label"), encoding: str = "utf-8") -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([header, *content] if header else content)
    return out.getvalue().encode(encoding)


def files(change: Callable[[list[Row]], list[Row]] = list, *, encoding: str = "utf-8", header: bool = True) -> Files:
    names = ("text", "label") if header else ()
    return {
        name: table(change(list(rows(count, seed))), header=names, encoding=encoding)
        for name, count, seed in (("train.csv", 300, 0), ("test.csv", 90, 5000))
    }


@dataclass(frozen=True)
class Fault:
    """Files, what is said of them, and words that the error has to have."""

    description: str
    words: tuple[str, ...]
    files: Files
    in_files: bool = True
    """Whether the files have to be read to see it."""


HEAD = "format: 1\nname: things\n"
GOOD = HEAD + "classes: [fruit, cars, pets]\n"
FAULTS = {
    "a label that is not in the list": Fault(
        HEAD + "classes: [fruit, cars]\n",
        (
            "100 of the 300 records of train.csv",
            "line 4: label is 'pets', allowed are fruit, cars",
            "add them to `classes`",
        ),
        files(),
    ),
    "a missing text column": Fault(
        GOOD + "texts: body\n", ("test.csv, line 1, has no column 'body'", "'text', 'label'"), files()
    ),
    "a missing column of classes": Fault(
        GOOD + "label: topic\n", ("test.csv, line 1, has no column 'topic'", "'text', 'label'"), files()
    ),
    "two texts where one was said": Fault(
        GOOD + "read: {header: false}\ncolumns: [text, label]\n",
        ("line 1: 3 columns, where there must be 2: text, label", "in `columns` all that a file"),
        files(lambda content: [(text, "more", name) for text, name in content], header=False),
    ),
    "an old encoding where none was said": Fault(
        GOOD,
        ("line 2: byte 0xe4 at character 1 of the text is not UTF-8", "read: {encoding: cp1252}"),
        files(encoding="cp1252"),
    ),
    "UTF-8 where an old encoding was said": Fault(
        GOOD + "read: {encoding: cp1252}\n", ("is in UTF-8, and the description says cp1252",), files()
    ),
    "UTF-16 where none was said": Fault(GOOD, ("UTF-16", "read.encoding: utf-16"), files(encoding="utf-16")),
    "a class without a row": Fault(
        HEAD + "classes: [fruit, cars, pets, ships]\n", ("has no row of ships", "leave the class out"), files()
    ),
    "a class that stands there twice": Fault(
        HEAD + "classes:\n  - fruit\n  - cars\n  - pets\n  - cars\n",
        ("corpus.yaml, line 7", "the value 'cars' stands there more than once"),
        files(),
        in_files=False,
    ),
    "a key that there is not": Fault(
        GOOD + "langage: de\n", ("corpus.yaml, line 4", "no key langage", "'language'"), files(), in_files=False
    ),
    "a setting that there is not": Fault(
        GOOD + "settings:\n  training:\n    epoch: 3\n", ("training.epoch", "'epochs'"), files(), in_files=False
    ),
    "a setting that there is not, of another kind": Fault(
        GOOD + "kinds:\n  linear:\n    model:\n      char_ngram: [1, 3]\n",
        ("char_ngram", "for linear", "'char_ngrams'"),
        files(),
        in_files=False,
    ),
    "a kind of model that there is not": Fault(
        GOOD + "kinds:\n  transfomer: {}\n", ("kinds.transfomer", "Did you mean transformer?"), files(), in_files=False
    ),
}


def write(fault: Fault, folder: Path) -> Path:
    for name, content in fault.files.items():
        (folder / name).write_bytes(content)
    path = folder / "corpus.yaml"
    path.write_text(fault.description)
    return path


def error_of(*arguments: str | Path) -> AgnewsError:
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert isinstance(done.exception, AgnewsError), done.output
    return done.exception


@pytest.mark.parametrize("name", FAULTS)
def test_check_says_what_is_wrong_and_where(name: str, tmp_path: Path) -> None:
    fault = FAULTS[name]
    error = error_of("corpus", "check", write(fault, tmp_path))
    assert error.exit_code == ExitCode.USAGE
    for words in fault.words:
        assert words in str(error)


def test_good_files_of_this_form_are_accepted(tmp_path: Path) -> None:
    """What makes the others bad is the fault alone."""
    for encoding in ("utf-8", "cp1252", "utf-16"):
        folder = tmp_path / encoding
        folder.mkdir()
        path = write(Fault(GOOD + f"read: {{encoding: {encoding}}}\n", (), files(encoding=encoding)), folder)
        assert CliRunner().invoke(app, ["corpus", "check", str(path)]).exit_code == 0


@pytest.mark.integration
@pytest.mark.parametrize("name", FAULTS)
def test_a_run_says_the_same_before_anything_is_trained(name: str, tmp_path: Path) -> None:
    fault = FAULTS[name]
    path = write(fault, tmp_path)
    error = error_of("run", "--corpus", path, "--root", tmp_path / "root")
    assert error.exit_code == ExitCode.USAGE
    for words in fault.words:
        assert words in str(error)
    if fault.in_files:
        done = {folder.name for folder in (tmp_path / "root" / "artifacts").glob("*")}
        assert "Trainer" not in done
    else:
        # Not even a root folder is made.
        assert not (tmp_path / "root" / "artifacts").exists()
