"""`agnews report` and `agnews compare`, as a user calls them."""

from __future__ import annotations

import json
import re
import shutil
import webbrowser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from agnews.components.report.render_report import render_report
from agnews.pipeline.cli.main import app
from agnews.pipeline.paths import Paths
from agnews.schemas.errors import AgnewsError
from agnews.schemas.run_report import RunReport

LABELS = [row % 4 for row in range(40)]
WRONG = [(row + 1) % 4 if row < 20 else row % 4 for row in range(40)]


@pytest.fixture
def agnews(root: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Calls a command with the root of the made-up runs."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str) -> Result:
        result = CliRunner().invoke(app, [*arguments, "--root", str(root)])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return call


@pytest.fixture
def two_runs(make_run: Any) -> None:
    make_run("20261122T140000-aaaa", LABELS, labels=LABELS, blessed=True)
    make_run("20261123T140000-bbbb", WRONG, labels=LABELS, settings={"training": {"epochs": 1}}, blessed=False)


def test_list_has_the_newest_first_and_killed_runs_too(agnews: Any, two_runs: None, root: Path) -> None:
    (Paths(root).runs / "20261124T140000-cccc").mkdir()
    lines = agnews("report", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [
        "20261124T140000-cccc",
        "20261123T140000-bbbb",
        "20261122T140000-aaaa",
    ]
    assert "no report" in lines[1]
    assert "Not blessed" in lines[2]
    (only,) = json.loads(agnews("report", "list", "--json", "--last", "1").stdout)
    assert only == {
        "run_id": "20261124T140000-cccc",
        "blessed": None,
        "accuracy": None,
        "pushed_model": None,
        "error": "no report",
    }
    assert "and 2 older" in agnews("report", "list", "--last", "1").stdout


def test_list_of_nothing_says_how_to_begin(agnews: Any) -> None:
    assert "agnews run" in agnews("report", "list").stdout


def test_show_takes_the_latest_or_the_beginning_of_an_id(agnews: Any, two_runs: None) -> None:
    assert json.loads(agnews("report", "show", "--json").stdout)["run_id"] == "20261123T140000-bbbb"
    assert json.loads(agnews("report", "show", "20261122", "--json").stdout)["run_id"] == "20261122T140000-aaaa"
    assert "20261123T140000-bbbb/report.html" in agnews("report", "show", "latest").stdout


def test_open_hands_a_page_to_the_browser_and_prints_where_it_is(
    agnews: Any, two_runs: None, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or False)
    page = Paths(root).page("20261123T140000-bbbb")
    assert not page.exists(), "it is made from the JSON where it is missing"
    assert agnews("report", "open").stdout.strip() == str(page)
    assert opened == [page.as_uri()]
    assert "<h1" in page.read_text()


@pytest.mark.parametrize(
    ("name", "problem"),
    [("2026", "Several runs"), ("nothing", "No run has this name"), ("20261124", "has left no report")],
)
def test_a_run_that_cannot_be_shown_is_explained(
    agnews: Any, two_runs: None, root: Path, name: str, problem: str
) -> None:
    (Paths(root).runs / "20261124T140000-cccc").mkdir()
    with pytest.raises(AgnewsError, match=problem) as caught:
        agnews("report", "show", name)
    assert caught.value.fix


def test_an_old_report_is_refused_with_the_key_that_is_missing(agnews: Any, root: Path) -> None:
    path = Paths(root).report("20261122T140000-aaaa")
    path.parent.mkdir(parents=True)
    path.write_text('{"run_id": "x"}')
    with pytest.raises(AgnewsError, match="no report that this version"):
        agnews("report", "show")


def test_compare_tells_test_classes_settings_and_flips(agnews: Any, two_runs: None) -> None:
    result = agnews("compare", "20261122", "latest", "--examples", "2")
    assert result.exit_code == 0
    text = re.sub(r"\s+", " ", result.stdout)
    assert "20261123T140000-bbbb against 20261122T140000-aaaa: worse beyond noise" in text
    assert "100.00 % → 50.00 %" in text
    assert "0 rows won, 20 lost" in text
    assert "training.epochs - 1" in text
    assert "lost: 2 of 20" in text
    assert "World World → Sports" in text
    assert "[bold]Text[/bold] number 1" in text, "texts are no markup"


def test_compare_takes_the_two_newest_runs_if_none_are_named(agnews: Any, two_runs: None) -> None:
    document = json.loads(agnews("compare", "--json").stdout)
    assert document == json.loads(agnews("compare", "20261122", "20261123", "--json").stdout)
    assert document == json.loads(agnews("compare", "previous", "latest", "--json").stdout)


def test_compare_fails_on_a_worse_run_only_if_asked(agnews: Any, two_runs: None) -> None:
    assert agnews("compare", "20261122", "20261123", "--fail-if-worse").exit_code == 3
    assert agnews("compare", "20261123", "20261122", "--fail-if-worse").exit_code == 0
    document = json.loads(agnews("compare", "20261122", "20261123", "--json").stdout)
    assert (document["outcome"], document["rows"]) == ("worse", 40)


def test_a_report_of_0_1_0_is_read(agnews: Any, root: Path, repository: Path, make_run: Any) -> None:
    folder = Paths(root).runs / "20261130T001348-b10f"
    folder.mkdir(parents=True)
    shutil.copy(repository / "tests/golden/report_0_1_0.json", folder / "report.json")
    (line,) = agnews("report", "list").stdout.splitlines()[1:]
    assert line.split()[:2] == [folder.name, "transformer"]
    assert "90.84 %" in line
    shown = agnews("report", "show", "latest").stdout
    for part in ("30,537 train", "90.84 %", "blessed", "/root/models/agnews/"):
        assert part in shown
    read = json.loads(agnews("report", "show", folder.name, "--json").stdout)
    assert (read["versions"]["agnews"], read["metrics"]["count"]) == ("0.1.0", 7600)
    # The same page as for a report of today.
    assert "text 0" in render_report(RunReport.model_validate(read))
    make_run("20261201T140000-aaaa", LABELS, labels=LABELS, blessed=True)
    assert folder.name in agnews("report", "list").stdout
