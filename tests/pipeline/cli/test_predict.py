"""`agnews predict` as people and scripts use it."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from typer.testing import CliRunner

from agnews.components.model_store.model_digest import RECORD_FILE
from agnews.components.prediction.output_formats import PART_FORMATS
from agnews.pipeline.cli.main import app
from agnews.schemas.errors import AgnewsError

CLASSES = ("World", "Sports", "Business", "Sci/Tech")
ROWS = [
    ("The league's coach", "A long story about " + "sport " * 40),
    ("Stocks", "profit, up"),
    ("日本 🚀", "scientists\nagree"),
    ("Nothing", ""),
]
TEXTS = [" ".join(row) for row in ROWS] * 700
"""More than one block, of very different lengths."""


@pytest.fixture(scope="module")
def expected(pushed_root: Path) -> np.ndarray:
    """What the model itself says, all texts in one request."""
    (folder,) = (path.parent for path in (pushed_root / "models").glob("agnews/*/saved_model.pb"))
    model = tf.saved_model.load(str(folder))
    answer: np.ndarray = model.signatures["serving_default"](text=tf.constant(TEXTS))["probabilities"].numpy()
    return answer


@pytest.fixture
def predict(pushed_root: Path):
    """Runs the command in this process; returns its standard output, or raises what it raised."""

    def predict(*arguments: str | Path, code: int = 0) -> str:
        command = ["predict", "--root", str(pushed_root), *map(str, arguments)]
        done = CliRunner().invoke(app, command)
        if isinstance(done.exception, AgnewsError):
            raise done.exception
        assert done.exit_code == code, done.output
        return done.output

    return predict


def read_answers(paths: list[Path]) -> list[tuple[str, list[float], str]]:
    """Label, probabilities in the order of the classes, and text of each row, as a reader of each format sees them."""
    rows: list[dict[str, object]] = []
    for path in paths:
        if path.suffix == ".csv":
            with path.open(newline="", encoding="utf-8") as file:
                rows += [
                    {**row, "probabilities": {name: float(row[name]) for name in CLASSES}}
                    for row in csv.DictReader(file)
                ]
        elif path.suffix == ".jsonl":
            rows += [orjson.loads(line) for line in path.read_bytes().splitlines()]
        else:
            rows += pq.read_table(path).to_pylist()
    return [(row["label"], [row["probabilities"][name] for name in CLASSES], row["text"]) for row in rows]  # type: ignore[index,misc]


@pytest.mark.integration
@pytest.mark.parametrize("form", PART_FORMATS)
def test_predict_and_batch_write_the_same_answers_in_every_format(
    predict, pushed_root: Path, tmp_path: Path, expected: np.ndarray, form: str
) -> None:
    source = write_csv(tmp_path / "news.csv", ROWS * 700)
    one = tmp_path / f"answers.{form}"
    columns = ("--header", "title,description", "--with-text")

    predict("--file", source, "--output", one, *columns)
    arguments = ["batch", "--root", pushed_root, "--input", source, "--output", tmp_path / "out", "--format", form]
    done = CliRunner().invoke(app, [*map(str, arguments), "--shard-rows", "1000", *columns])
    assert done.exit_code == 0, done.output

    alone = read_answers([one])
    parts = sorted((tmp_path / "out" / "predictions").iterdir())
    assert len(parts) == 3
    assert [row[0] for row in alone] == [CLASSES[i] for i in expected.argmax(axis=1)]
    assert [row[2] for row in alone] == TEXTS
    np.testing.assert_allclose([row[1] for row in alone], expected, atol=1e-6)
    together = read_answers(parts)
    assert [(row[0], row[2]) for row in together] == [(row[0], row[2]) for row in alone]
    np.testing.assert_allclose([row[1] for row in together], [row[1] for row in alone], atol=2e-6)


def write_csv(path: Path, rows: list[tuple[str, ...]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def test_csv_and_jsonl_hold_the_model_s_own_answers_in_order(predict, expected: np.ndarray, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "news.csv", [("title", "description"), *ROWS * 700])

    said = predict("--file", file, "--output", tmp_path / "a.csv", "--with-text")
    predict("--file", file, "--output", tmp_path / "a.jsonl")
    predict("--file", file, "--output", tmp_path / "top.jsonl", "--top", 1)

    assert "2,800 texts" in said
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as read:
        answers = list(csv.DictReader(read))
    assert [row["text"] for row in answers] == TEXTS
    assert [row["id"] for row in answers] == [str(i + 1) for i in range(len(TEXTS))]
    got = [[float(row[name]) for name in CLASSES] for row in answers]
    np.testing.assert_allclose(got, expected, atol=1e-6)
    assert [row["label"] for row in answers] == [CLASSES[i] for i in expected.argmax(axis=1)]

    objects = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    np.testing.assert_allclose([[o["probabilities"][name] for name in CLASSES] for o in objects], expected, atol=1e-6)
    assert {o["model_version"] for o in objects} == {row["model_version"] for row in answers}
    assert len({o["model_version"] for o in objects}) == 1
    tops = [json.loads(line) for line in (tmp_path / "top.jsonl").read_text().splitlines()]
    assert [list(o["probabilities"]) for o in tops] == [[o["label"]] for o in objects]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "a.jsonl", "news.csv", "top.jsonl"]


def test_a_table_shows_texts_and_lets_none_of_them_touch_the_terminal(predict) -> None:
    shown = predict("The coach", "stocks \x1b[31mred\x07 \u202eback\nnew", "日本")
    assert [line.split("  ")[-1] for line in shown.splitlines()] == [
        "text",
        "The coach",
        "stocks \\x1b[31mred\\x07 \\u202eback\\nnew",
        "日本",
    ]
    assert shown.splitlines()[1].startswith("Sports ")


def test_the_first_bad_row_ends_it_and_leaves_no_output(predict, tmp_path: Path) -> None:
    file = tmp_path / "news.jsonl"
    file.write_bytes(b'{"text": "one"}\n{"text": "two"\n{"text": "three"}\n')
    (tmp_path / "out.jsonl").write_text("old")
    with pytest.raises(AgnewsError, match=r"news.jsonl: row 2, line 2, cannot be used: no JSON object") as caught:
        predict("--file", file, "--output", tmp_path / "out.jsonl")
    assert caught.value.exit_code == 2
    assert "--skip-bad" in caught.value.fix
    assert (tmp_path / "out.jsonl").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["news.jsonl", "out.jsonl"]


def test_bad_rows_can_be_kept_apart(predict, tmp_path: Path) -> None:
    file = tmp_path / "news.jsonl"
    file.write_bytes(b'{"text": "one"}\n{"text": "two"\n{"text": "three"}\n')
    said = predict("--file", file, "--rejects", tmp_path / "bad.jsonl", "--format", "jsonl")
    assert [orjson.loads(line)["id"] for line in said.splitlines()[:2]] == ["1", "3"]
    assert "1 row was left out; the first: row 2, line 2, no JSON object" in said
    (reject,) = [json.loads(line) for line in (tmp_path / "bad.jsonl").read_text().splitlines()]
    assert (reject["row"], reject["reason"], reject["found"]) == (2, "no JSON object", '{"text": "two"')
    assert "1 row was left out" in predict("--file", file, "--skip-bad")


def test_arguments_that_contradict_are_refused(predict, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "news.csv", [("text",), ("a",)])
    with pytest.raises(AgnewsError, match="given twice"):
        predict("text", "--file", file)
    with pytest.raises(AgnewsError, match="replace the input"):
        predict("--file", file, "--output", file)
    with pytest.raises(AgnewsError, match="named twice"):
        predict("text", "--model", tmp_path, "--version", "1")
    with pytest.raises(AgnewsError, match="cannot be used: empty text"):
        predict("good", " ")
    with pytest.raises(AgnewsError, match="no such file"):
        predict("--file", tmp_path / "none.csv")


def test_without_a_pushed_model_it_says_what_to_run(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["predict", "--root", str(tmp_path), "text"])
    assert isinstance(done.exception, AgnewsError)
    assert "agnews run" in done.exception.fix


def test_an_empty_file_gives_an_empty_answer(predict, tmp_path: Path) -> None:
    file = tmp_path / "news.csv"
    file.write_bytes(b"title,description\n")
    predict("--file", file, "--output", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "id,label,World,Sports,Business,Sci/Tech,model_version\n"


@pytest.fixture(autouse=True)
def _ctrl_c_is_not_ignored() -> Iterator[None]:
    """A shell without job control starts background jobs with SIGINT ignored, and their children inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def start(root: Path, *arguments: str | Path, script: str = "") -> subprocess.Popen[bytes]:
    """Starts the command in a process of its own."""
    code = script or "from agnews.pipeline.cli.main import main; main()"
    command = [sys.executable, "-c", code, "predict", "--root", str(root), *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


AND_TELL_MODULES = """
import sys
from agnews.pipeline.cli.main import main
try:
    main()
finally:
    heavy = ("tfx", "apache_beam", "tensorflow_transform", "tensorflow_hub", "official", "kfp", "matplotlib")
    print("LOADED", [name for name in heavy if name in sys.modules], file=sys.stderr)
"""


def test_lines_are_answered_as_they_come_with_tensorflow_alone(pushed_root: Path) -> None:
    with start(pushed_root, "--format", "jsonl", script=AND_TELL_MODULES) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        labels = []
        for line in (b"the coach\n", "stocks \U0001f680\r\n".encode()):
            process.stdin.write(line)
            process.stdin.flush()
            labels.append(json.loads(process.stdout.readline())["label"])
        out, err = process.communicate(b"software")
    assert [*labels, json.loads(out)["label"]] == ["Sports", "Business", "Sci/Tech"]
    assert process.returncode == 0
    assert err.decode().strip() == "LOADED []", "nothing else is said, either"


def test_a_reader_that_goes_away_ends_it_quietly(pushed_root: Path, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "news.csv", [("text",), *[(f"stocks {i}",) for i in range(30_000)]])
    with start(pushed_root, "--file", file, "--format", "csv") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"id,label")
        process.stdout.close()
        err = process.stderr.read()
    assert process.returncode == 141
    assert err == b""


def test_an_interrupt_leaves_nothing_half_written(pushed_root: Path, tmp_path: Path) -> None:
    with start(pushed_root, "--output", tmp_path / "out.jsonl") as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(b"stocks\n")
        process.stdin.flush()
        while not any(path.stat().st_size for path in tmp_path.iterdir()):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.1)
        os.kill(process.pid, signal.SIGINT)
        err = process.stderr.read()
    assert process.returncode == 130
    assert err == b"Interrupted.\n"
    assert list(tmp_path.iterdir()) == []


PEAK_OF_TWO = """
import resource, sys
from agnews.components.model_store.model_digest import RECORD_FILE
from agnews.components.prediction.output_formats import PART_FORMATS
from agnews.pipeline.cli.main import app
small, large, *options = sys.argv[1:]
peaks = []
for file in (small, large):
    app([*options, "--file", file, "--output", file + ".jsonl"], standalone_mode=False)
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10))
print(*peaks)
"""


@pytest.mark.integration
def test_memory_does_not_grow_with_the_file(pushed_root: Path, tmp_path: Path) -> None:
    for name, rows in (("small.csv", 5_000), ("large.csv", 40_000)):
        write_csv(tmp_path / name, [("text",), *[(f"stocks {i} " + "filler words " * 100,) for i in range(rows)]])
    assert (tmp_path / "large.csv").stat().st_size > 50e6
    command = [sys.executable, "-c", PEAK_OF_TWO, tmp_path / "small.csv", tmp_path / "large.csv", "predict"]
    done = subprocess.run(
        [*map(str, command), "--root", str(pushed_root)], check=True, capture_output=True, text=True, timeout=300
    )
    small, large = map(float, done.stdout.split())
    assert large - small < 35.0, f"{small:.0f} MiB for 5,000 rows, {large:.0f} MiB for 40,000"
    assert sum(1 for _ in (tmp_path / "large.csv.jsonl").open()) == 40_000


def test_a_model_of_a_stranger_that_could_reach_files_is_refused(pushed_root: Path, tmp_path: Path) -> None:
    (own,) = (pushed_root / "models" / "agnews").glob("[0-9]*")
    module = tf.Module()
    secret = str(tmp_path / "secret")
    (tmp_path / "secret").write_text("secret")

    def answer(text: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"label": text + tf.io.read_file(secret)}

    module.answer = tf.function(answer, input_signature=[tf.TensorSpec([None], tf.string, "text")])
    foreign = tmp_path / "foreign"
    tf.saved_model.save(module, str(foreign), signatures={"serving_default": module.answer})
    (foreign / RECORD_FILE).parent.mkdir(parents=True, exist_ok=True)
    (foreign / RECORD_FILE).write_bytes((own / RECORD_FILE).read_bytes())
    (tmp_path / "x.csv").write_text("text\na\n")
    given = {
        "predict": ["text"],
        "batch": ["--input", str(tmp_path / "x.csv"), "--output", str(tmp_path / "out")],
        "serve": [],
    }
    for command, arguments in given.items():
        refused = CliRunner().invoke(app, [command, *arguments, "--model", str(foreign)]).exception
        assert isinstance(refused, AgnewsError)
        assert "ReadFile" in str(refused.found)
        assert "--trust-model" in refused.fix
    assert CliRunner().invoke(app, ["predict", "--model", str(own), "the coach"]).exit_code == 0
