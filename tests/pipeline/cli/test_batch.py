"""`agnews batch` answers everything once, whatever happens in between, and says what it left out."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from filelock import FileLock
from typer.testing import CliRunner

from agnews.components.model_store import ModelStore
from agnews.components.model_store.baseline_at import ABSTENTION_FILE
from agnews.components.model_store.publish import publish
from agnews.components.storage.atomic_output import replaced_file
from agnews.pipeline.cli.main import app
from agnews.schemas.abstention import Abstention
from agnews.schemas.errors import AgnewsError

CLASSES = ("World", "Sports", "Business", "Sci/Tech")
TEXTS = [f"{word} {i} " + "and more " * (i % 40) for i in range(150) for word in ("coach", "profit", "troops", "?")]


def ask(root: Path, texts: list[str]) -> np.ndarray:
    """What the model itself says."""
    (folder,) = (path.parent for path in (root / "models").glob("agnews/*/saved_model.pb"))
    answer: np.ndarray = (
        tf.saved_model.load(str(folder)).signatures["serving_default"](text=tf.constant(texts))["probabilities"].numpy()
    )
    return answer


def batch(root: Path, *arguments: str | Path) -> str:
    """Runs the command in this process; returns its output, or raises what it raised."""
    done = CliRunner().invoke(app, ["batch", "--root", str(root), *map(str, arguments)])
    if isinstance(done.exception, AgnewsError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def write(folder: Path) -> None:
    """A CSV file with two bad rows among half of the texts, and a Parquet file with the others."""
    half = len(TEXTS) // 2
    with (folder / "a.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("n", "text"))
        writer.writerows((i, text) for i, text in enumerate(TEXTS[:100]))
        file.write("just one\n")
        writer.writerows((i, text) for i, text in enumerate(TEXTS[100:half], 100))
        file.write('7,"open\n')
    pq.write_table(pa.table({"n": range(half, len(TEXTS)), "text": TEXTS[half:]}), folder / "b.parquet")


@pytest.mark.integration
@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_every_row_is_answered_as_by_the_model_itself(pushed_root: Path, tmp_path: Path, form: str) -> None:
    write(tmp_path)
    out = tmp_path / "out"
    options = ("--input", tmp_path / "*.csv", "--input", tmp_path / "b.parquet", "--output", out, "--shard-rows", 70)

    said = batch(pushed_root, *options, "--format", form, "--with-text")

    table = ds.dataset(out / "predictions", format="json" if form == "jsonl" else "parquet").to_table()
    assert table["text"].to_pylist() == TEXTS
    # Row 101 of the CSV file is bad.
    own = [f"a.csv:{i + 1 + (i >= 100)}" for i in range(300)] + [f"b.parquet:{i + 1}" for i in range(300)]
    assert table["id"].to_pylist() == own
    expected = ask(pushed_root, TEXTS)
    got = [[row[name] for name in CLASSES] for row in table["probabilities"].to_pylist()]
    np.testing.assert_allclose(got, expected, atol=1e-6)
    assert table["label"].to_pylist() == [CLASSES[i] for i in expected.argmax(axis=1)]
    (version,) = set(table["model_version"].to_pylist())

    rejects = [json.loads(line) for line in (out / "rejects.jsonl").read_text().splitlines()]
    assert [(Path(r["file"]).name, r["row"], r["line"], r["reason"]) for r in rejects] == [
        ("a.csv", 101, 102, "wrong number of columns"),
        ("a.csv", 302, 303, "cut off"),
    ]
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["model_version"], manifest["answered"]) == (version, len(TEXTS))
    assert manifest["rejected"] == {"wrong number of columns": 1, "cut off": 1}
    for part in manifest["parts"]:
        content = (out / "predictions" / part["name"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (part["bytes"], part["sha256"])
    assert sorted(path.name for path in out.iterdir() if path.name != ".lock") == [
        "_SUCCESS",
        "manifest.json",
        "plan.json",
        "predictions",
        "rejects.jsonl",
    ]
    assert "600 answers" in said
    assert "2 rows left out" in said


@pytest.mark.integration
@pytest.mark.parametrize("form", ["parquet", "jsonl", "csv"])
def test_answers_that_a_model_had_better_not_give_are_marked(pushed_root: Path, tmp_path: Path, form: str) -> None:
    """The toy is unsure of a text without a keyword alone."""
    root = tmp_path / "cautious"
    said = Abstention(wanted=0.9, threshold=0.3, eval_rows=100, coverage=0.8, precision=0.9)
    (tmp_path / "abstention.json").write_text(said.model_dump_json())
    publish(
        ModelStore(str(root / "models"), "agnews"),
        model=str(pushed_root / "saved"),
        extra_files={ABSTENTION_FILE: str(tmp_path / "abstention.json")},
        judged_against="",
        fingerprint="",
        run_id="run",
        accuracy=0.9,
        classes=CLASSES,
    )
    write(tmp_path)
    out = tmp_path / "out"

    batch(root, "--input", tmp_path / "b.parquet", "--output", out, "--format", form, "--with-text")

    table = ds.dataset(out / "predictions", format="json" if form == "jsonl" else form).to_table()
    abstained = [each in (True, "true") for each in table["abstained"].to_pylist()]
    assert abstained == [text.startswith("?") for text in table["text"].to_pylist()]
    assert sum(abstained) == 75
    batch(pushed_root, "--input", tmp_path / "b.parquet", "--output", tmp_path / "sure", "--format", form)
    answers = ds.dataset(tmp_path / "sure" / "predictions", format="json" if form == "jsonl" else form).to_table()
    assert "abstained" not in answers.column_names


@pytest.mark.integration
def test_a_finished_folder_is_left_alone_and_takes_nothing_else(pushed_root: Path, tmp_path: Path) -> None:
    write(tmp_path)
    out = tmp_path / "out"
    options = ("--input", tmp_path / "a.csv", "--output", out)
    batch(pushed_root, *options)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.name != ".lock"}

    assert "300 answers" in batch(pushed_root, *options)
    os.utime(tmp_path / "a.csv")  # The same bytes with another date.
    batch(pushed_root, *options)
    with pytest.raises(AgnewsError, match="in another form"):
        batch(pushed_root, *options, "--with-text")
    with pytest.raises(AgnewsError, match="other columns") as caught:
        batch(pushed_root, *options, "--id-column", "n")
    assert "texts from text, ids from n now" in str(caught.value.found)
    with pytest.raises(AgnewsError, match="other inputs") as caught:
        batch(pushed_root, *options, "--input", tmp_path / "b.parquet")
    assert "b.parquet" in str(caught.value.found)
    other = tmp_path / "other"
    shutil.copytree(pushed_root, other)
    (folder,) = (path.parent for path in (other / "models").glob("agnews/*/saved_model.pb"))
    store = ModelStore(str(other / "models"), "agnews")
    publish(
        store,
        model=str(folder),
        extra_files={"note.txt": str(tmp_path / "a.csv")},
        judged_against=folder.name,
        fingerprint="new",
        run_id="run",
        accuracy=0.9,
        classes=CLASSES,
    )
    with pytest.raises(AgnewsError, match="another version") as caught:
        batch(other, *options)
    assert f"--version {folder.name}" in caught.value.fix
    with (tmp_path / "a.csv").open("a") as file:
        file.write("8,new\n")
    with pytest.raises(AgnewsError, match="has changed since"):
        batch(pushed_root, *options)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.name != ".lock"} == before

    with FileLock(out / ".lock"), pytest.raises(AgnewsError, match="Another run") as caught:
        batch(pushed_root, *options)
    assert caught.value.exit_code == 4
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(AgnewsError, match="holds something else"):
        batch(pushed_root, "--input", tmp_path / "a.csv", "--output", tmp_path / "mine")


@pytest.mark.integration
def test_a_killed_run_goes_on_with_what_is_missing(pushed_root: Path, tmp_path: Path) -> None:
    texts = [f"{text} {copy}" for copy in range(20) for text in TEXTS]
    (tmp_path / "news.txt").write_text("".join(f"{text}\n" for text in texts))
    out = tmp_path / "out"
    options = ("--input", tmp_path / "news.txt", "--output", out, "--shard-rows", 100, "--with-text")
    code = "from agnews.pipeline.cli.main import main; main()"
    command = [sys.executable, "-c", code, "batch", "--root", pushed_root, *options]
    with subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        while len(list(out.glob("_work/*.json"))) < 3:
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    done = {path.name: path.stat().st_mtime_ns for path in (out / "predictions").glob("part-*")}
    recorded = {f"part-{path.stem}.parquet" for path in out.glob("_work/*.json")}
    assert 3 <= len(recorded) < 120
    assert not (out / "_SUCCESS").exists()
    # A part without a record, as if the kill had come in between, and a record without a part.
    without_part, without_record = sorted(recorded)[:2]
    (out / "predictions" / without_part).unlink()
    (out / "_work" / without_record.replace("part-", "").replace("parquet", "json")).unlink()
    with replaced_file(out / "predictions" / "part-00119.parquet") as file:
        file.write(b"half")
        file.flush()
        (half,) = (out / "predictions").glob(".part-00119.parquet.*")
        shutil.copy(half, half.with_name(".part-00119.parquet.0123456789abcdef.new"))
    (out / "predictions" / "part-00119.parquet").unlink()

    batch(pushed_root, *options)

    assert (out / "_SUCCESS").exists()
    table = ds.dataset(out / "predictions", format="parquet").to_table()
    assert table["text"].to_pylist() == texts
    expected = ask(pushed_root, texts).argmax(axis=1)
    assert table["label"].to_pylist() == [CLASSES[i] for i in expected]
    again = {path.name: path.stat().st_mtime_ns for path in (out / "predictions").iterdir()}
    assert len(again) == 120
    kept = [name for name in recorded if again[name] == done[name]]
    assert sorted(kept) == sorted(recorded)[2:]


@pytest.mark.integration
def test_what_fails_in_a_worker_is_told_as_it_was_raised(pushed_root: Path, tmp_path: Path) -> None:
    write(tmp_path)
    (folder,) = (path.parent for path in (pushed_root / "models").glob("agnews/*/saved_model.pb"))
    shutil.copytree(folder, tmp_path / "broken")
    # The graph is looked at before there are workers; they are the first to read the weights.
    (weights,) = (tmp_path / "broken" / "variables").glob("variables.data-*")
    weights.write_bytes(b"no weights")
    options = ("--input", tmp_path / "b.parquet", "--output", tmp_path / "out")
    with pytest.raises(AgnewsError, match=r"^The files in \S+ are not what was pushed\.\n") as caught:
        batch(pushed_root, *options, "--model", tmp_path / "broken")
    assert caught.value.exit_code == 1
    assert "backup" in caught.value.fix
    # The model's digest is that of its record, so the same command goes on when the files are mended.
    shutil.copytree(folder, tmp_path / "broken", dirs_exist_ok=True)
    assert "300 answers" in batch(pushed_root, *options, "--model", tmp_path / "broken")


@pytest.mark.integration
def test_several_processes_answer_as_one_does(pushed_root: Path, tmp_path: Path) -> None:
    write(tmp_path)
    options = ("--input", tmp_path / "*.csv", "--input", tmp_path / "b.parquet", "--shard-rows", 70)
    batch(pushed_root, *options, "--output", tmp_path / "one")
    batch(
        pushed_root, *options, "--output", tmp_path / "two", "--beam", "runner=multiprocess", "--beam", "parallelism=2"
    )

    parts, others = (sorted((tmp_path / name / "predictions").iterdir()) for name in ("one", "two"))
    assert [part.name for part in others] == [part.name for part in parts]
    assert len(parts) > 5
    assert [part.read_bytes() for part in others] == [part.read_bytes() for part in parts]
    assert (tmp_path / "two" / "rejects.jsonl").read_bytes() == (tmp_path / "one" / "rejects.jsonl").read_bytes()
