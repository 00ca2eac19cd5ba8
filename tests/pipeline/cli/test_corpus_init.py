"""`agnews corpus init` as it is typed: what it prints, what it writes, and that nothing of anybody's is overwritten."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agnews.pipeline.cli.main import app
from agnews.pipeline.load_corpus import load_corpus
from agnews.schemas.errors import AgnewsError


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "questions"
    folder.mkdir()
    for name, rows in (("train.csv", 300), ("test.csv", 120)):
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "category"])
            for i in range(rows):
                kind = ("lost_card", "top_up")[i % 2]
                writer.writerow([f"what do I do with my {kind.split('_')[i % 4 > 1]} number {i}", kind])
    return folder


def test_what_it_writes_is_what_check_accepts(files: Path, tmp_path: Path) -> None:
    out = tmp_path / "corpus.yaml"
    shown = CliRunner().invoke(app, ["corpus", "init", str(files), "--out", str(out)], catch_exceptions=False)
    assert shown.exit_code == 0
    for part in ("saw", "2 columns, separated by a comma", "test rows in test.csv", "agnews run --corpus"):
        assert part in shown.output
    loaded = load_corpus(str(out))
    assert loaded.root == str(files)
    assert loaded.corpus.class_names == ("lost_card", "top_up")
    assert (loaded.corpus.name, loaded.corpus.language) == ("questions", "en")
    lines = [
        line for line in out.read_text().splitlines() if line and not line.startswith(("#", "  ")) and line[-1] != ":"
    ]
    assert all("  # " in line for line in lines), "each line says what it means"
    checked = CliRunner().invoke(app, ["corpus", "check", str(out)], catch_exceptions=False)
    assert checked.exit_code == 0
    assert f"agnews run --corpus {out}" in checked.output.replace("\n", "")


def test_what_a_terminal_would_obey_is_shown_and_not_obeyed(files: Path, tmp_path: Path) -> None:
    for name in ("train.csv", "test.csv"):
        content = (files / name).read_text().replace("category", "cate\x1b]0;owned\x07gory", 1)
        (files / name).write_text(content)
    shown = CliRunner().invoke(app, ["corpus", "init", str(files), "--out", str(tmp_path / "c.yaml")])
    assert shown.exit_code == 0
    assert "\x1b" not in shown.output
    assert "cate\\x1b]0;owned" in shown.output.replace("\n", "")


def test_libraries_keep_their_chatter_to_themselves(files: Path, tmp_path: Path) -> None:
    command = [Path(sys.executable).with_name("agnews"), "corpus", "init", files, "--out", tmp_path / "corpus.yaml"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True, timeout=120)
    assert "a linear model gets" in done.stdout
    assert done.stderr == ""


def test_a_folder_is_no_description(files: Path, tmp_path: Path) -> None:
    with pytest.raises(AgnewsError, match="is a folder") as caught:
        CliRunner().invoke(app, ["corpus", "init", str(files), "--out", str(tmp_path)], catch_exceptions=False)
    assert "--out" in caught.value.fix
    assert "corpus.yaml" in caught.value.fix


def test_a_description_that_is_there_stays(files: Path, tmp_path: Path) -> None:
    out = tmp_path / "corpus.yaml"
    out.write_text("mine")
    arguments = ["corpus", "init", str(files), "--out", str(out)]
    with pytest.raises(AgnewsError, match="already"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert out.read_text() == "mine"
    CliRunner().invoke(app, [*arguments, "--overwrite"], catch_exceptions=False)
    assert load_corpus(str(out)).corpus.num_classes == 2
