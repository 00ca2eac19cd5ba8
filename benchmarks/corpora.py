"""Corpora of many forms, each from its files to a judged model with two commands and no line of the package changed.

For each corpus: `agnews corpus init`, then `agnews run` with what that has chosen, and the accuracy of the model beside
the linear one of the same run. The claim is that the model is at or above the linear one, or that the run says that it
is not. What is made here has words of several languages and scripts; no figure on it says anything about real texts.
Folders that are given are real corpora.

    python benchmarks/corpora.py
    python benchmarks/corpora.py --only folders chinese --model transformer
    python benchmarks/corpora.py ../shared/data/banking77 --seeds 1 2 3
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from made_texts import Made, make_texts

AGNEWS = Path(sys.executable).with_name("agnews")


def _table(rows: Iterable[Sequence[object]], delimiter: str = ",", **how: Any) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, **how).writerows(rows)
    return out.getvalue()


def _named(rows: Sequence[Made], names: Sequence[str]) -> list[tuple[str, str]]:
    return [(row.text, names[row.label]) for row in rows]


def csv_with_header(folder: Path, rows: int) -> None:
    """Two files with a header, 4 classes by name, English."""
    names = ("card lost", "cash, torn", "top-up", "refund")
    for file, count, seed in (("train.csv", rows, 0), ("test.csv", rows // 4, 1)):
        (folder / file).write_text(
            _table([("text", "category"), *_named(make_texts("en", count, seed=seed), names)]), encoding="utf-8"
        )


def quoted_without_header(folder: Path, rows: int) -> None:
    """As AG News: numbers from 1, two columns of text, everything quoted, no test file."""
    made = make_texts("en", rows, words=30)
    (folder / "train.csv").write_text(
        _table(
            [(row.label + 1, row.text[:20], f"{row.text},\n{row.text[:30]}") for row in made], quoting=csv.QUOTE_ALL
        ),
        encoding="utf-8",
    )


def tab_separated(folder: Path, rows: int) -> None:
    """TSV with an id, 2 classes."""
    made = make_texts("en", rows, classes=2, words=12)
    lines = ["id\tlabel\tsentence", *(f"{i}\t{('neg', 'pos')[row.label]}\t{row.text}" for i, row in enumerate(made))]
    (folder / "train.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def german_in_cp1252(folder: Path, rows: int) -> None:
    """Semicolons and an old encoding, 3 classes, German."""
    made = _named(make_texts("de", rows, classes=3), ("Sport", "Kultur", "Größe"))
    content = _table([("Thema", "Text"), *((name, text) for text, name in made)], ";")
    (folder / "artikel.csv").write_bytes(content.encode("cp1252", "replace"))


def json_lines(folder: Path, rows: int) -> None:
    """JSON Lines, labels are numbers, 5 classes, long texts."""
    made = make_texts("en", rows, classes=5, words=120)
    lines = [json.dumps({"uid": i, "stars": row.label + 1, "review": row.text}) for i, row in enumerate(made)]
    (folder / "reviews.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def hebrew_packed(folder: Path, rows: int) -> None:
    """JSON Lines in gzip, right to left, 3 classes."""
    made = _named(make_texts("he", rows, classes=3), ("ספורט", "כלכלה", "תרבות"))
    lines = [json.dumps({"label": name, "text": text}, ensure_ascii=False) for text, name in made]
    (folder / "train.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode() + b"\n"))


def chinese(folder: Path, rows: int) -> None:
    """Parquet, no spaces between words, 10 classes."""
    made = make_texts("zh", rows, classes=10)
    columns = {"text": [row.text for row in made], "label": pa.array([row.label for row in made], pa.int8())}
    pq.write_table(pa.table(columns), folder / "data.parquet")


def folders(folder: Path, rows: int) -> None:
    """A folder for each class, a file for each text, Spanish."""
    for i, row in enumerate(make_texts("es", rows, classes=2)):
        path = folder / "mails" / ("ham", "spam")[row.label] / f"{i}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(row.text, encoding="utf-8")


def many_classes(folder: Path, rows: int) -> None:
    """150 classes, a column says which rows are test rows."""
    names = [f"intent_{number:03}" for number in range(150)]
    made = _named(make_texts("en", 3 * rows, classes=150, words=12, topic=0.5), names)
    marked = [("test" if i % 5 == 0 else "train", text, name) for i, (text, name) in enumerate(made)]
    (folder / "all.csv").write_text(_table([("split", "text", "intent"), *marked]), encoding="utf-8")


def uneven(folder: Path, rows: int) -> None:
    """TSV in UTF-16, one class has seven rows in ten and the smallest two in a hundred."""
    shares = (0.7, 0.2, 0.08, 0.02)
    names = ("none", "question", "complaint", "fraud")
    for file, count, seed in (("train.tsv", rows, 0), ("test.tsv", rows // 2, 1)):
        made = _named(make_texts("en", count, shares=shares, seed=seed), names)
        (folder / file).write_bytes(_table([("text", "label"), *made], "\t").encode("utf-16"))


FORMS: tuple[Callable[[Path, int], None], ...] = (
    csv_with_header,
    quoted_without_header,
    tab_separated,
    german_in_cp1252,
    json_lines,
    hebrew_packed,
    chinese,
    folders,
    many_classes,
    uneven,
)


class Result(NamedTuple):
    """What became of a corpus."""

    kind: str
    accuracy: float
    linear: float
    said: str
    """What the verdict says of the linear model; empty where the model is one."""


def _agnews(*arguments: str | Path) -> str:
    done = subprocess.run(
        [str(AGNEWS), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )
    # 3: not blessed; its figures count all the same.
    if done.returncode not in (0, 3):
        raise SystemExit(f"agnews {' '.join(map(str, arguments))} ended with {done.returncode}:\n{done.stderr[-4000:]}")
    return done.stdout


def judge(description: Path, root: Path, settings: Sequence[str]) -> Result:
    """Runs the pipeline on a described corpus and reads its report."""
    before = set(root.glob("runs/*/report.json"))
    _agnews("run", "--corpus", description, "--root", root, "--no-push", *settings)
    (path,) = set(root.glob("runs/*/report.json")) - before
    report = json.loads(path.read_text())
    test = report["documents"]["evaluation"]["verdict"]["linear_test"]
    accuracy = report["metrics"]["accuracy"]
    said = next((reason for reason in report["reasons"] if "linear model gets" in reason), "")
    return Result(report["model"]["kind"], accuracy, test["baseline_accuracy"] if test else accuracy, said)


def main() -> None:
    """Makes the corpora, runs each, and prints a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="*", help="real corpora: files or folders that `corpus init` takes")
    parser.add_argument("--only", nargs="*", metavar="NAME", help="of the made ones, these; none: no made one")
    parser.add_argument("--rows", type=int, default=2000, help="training rows of a made corpus")
    parser.add_argument("--model", help="kind of model; default: what corpus init has chosen")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    arguments = parser.parse_args()
    broken = 0
    with tempfile.TemporaryDirectory() as temporary:
        places = []
        for form in FORMS:
            if (arguments.only is None and not arguments.data) or form.__name__ in (arguments.only or ()):
                folder = Path(temporary) / form.__name__
                folder.mkdir()
                form(folder, arguments.rows)
                places.append((form.__name__, folder))
        places += [(path.name, path.absolute()) for path in arguments.data]
        print(f"{'corpus':24}{'model':14}{'accuracy':>9}{'linear':>9}  at or above linear, or says that it is not")
        for name, folder in places:
            description = Path(temporary) / f"{name}.yaml"
            _agnews("corpus", "init", folder, "--out", description)
            for seed in arguments.seeds:
                settings = ["--set", f"training.seed={seed}"]
                settings += ["--model", arguments.model] if arguments.model else []
                result = judge(description, Path(temporary) / f"root_{name}", settings)
                above = result.accuracy >= result.linear
                verdict = "at or above" if above else "says so" if result.said else "SAYS NOTHING"
                broken += verdict == "SAYS NOTHING"
                print(f"{name:24}{result.kind:14}{result.accuracy:9.2%}{result.linear:9.2%}  {verdict}", flush=True)
    raise SystemExit(broken > 0)


if __name__ == "__main__":
    main()
