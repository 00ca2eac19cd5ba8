"""`agnews clean` on the command line: it asks what is to stay, names what goes, and says what it kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agnews.pipeline.cli.main import app
from agnews.schemas.errors import AgnewsError

RUNS = ("20260101T000000-aaaa", "20260201T000000-bbbb", "20260301T000000-cccc")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for run in RUNS:
        (tmp_path / "root" / "runs" / run).mkdir(parents=True)
        (tmp_path / "root" / "runs" / run / "run.log").write_text("words")
    return tmp_path / "root"


def clean(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["clean", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_dry_run_names_what_would_go_and_removes_nothing(root: Path) -> None:
    shown = clean("--root", str(root), "--keep", "2", "--dry-run")

    assert f"runs/{RUNS[0]}" in shown
    assert "1 thing would be removed" in shown
    assert f"kept: run {RUNS[2]}, among the newest" in shown
    assert sorted(path.name for path in (root / "runs").iterdir()) == list(RUNS)


def test_what_goes_is_named_as_json_too_and_the_same_again_removes_nothing(root: Path) -> None:
    first = json.loads(clean("--root", str(root), "--keep", "2", "--json"))
    second = json.loads(clean("--root", str(root), "--keep", "2", "--json"))

    assert [(each["kind"], Path(each["path"]).name) for each in first["items"]] == [("run", RUNS[0])]
    assert set(first["kept_runs"]) == set(RUNS[1:])
    assert (first["removed"], second["items"]) == (True, [])
    assert not (root / "runs" / RUNS[0]).exists()


def test_age_counts_from_the_start_of_a_run(root: Path) -> None:
    assert "3 things removed" in clean("--root", str(root), "--older-than", "1d")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "neither --keep nor --older-than"),
        (["--keep", "1", "--older-than", "3d"], "both --keep and --older-than"),
        (["--older-than", "3 days"], "3 days"),
        (["--keep", "1", "--pipeline-root", "s3://key:secret@bucket/x"], r"\*\*\*"),
    ],
)
def test_what_is_not_clear_removes_nothing(root: Path, arguments: list[str], words: str) -> None:
    with pytest.raises(AgnewsError) as caught:
        CliRunner().invoke(app, ["clean", "--root", str(root), *arguments], catch_exceptions=False)
    assert words.replace("\\", "") in str(caught.value.found)
    assert sorted(path.name for path in (root / "runs").iterdir()) == list(RUNS)


def test_a_root_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(AgnewsError, match="no such root folder"):
        CliRunner().invoke(app, ["clean", "--root", str(tmp_path / "no"), "--keep", "1"], catch_exceptions=False)
