"""`agnews schedule`, as a shell sees it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from agnews.pipeline.cli.main import app

Agnews = Callable[..., Result]
SCHEDULES = """\
schedules:
  - name: weekly
    cron: "0 3 * * mon"
    time_zone: Asia/Tokyo
    parameters: {data_uri: "s3://news"}
"""


@pytest.fixture
def agnews(server: Any, monkeypatch: pytest.MonkeyPatch) -> Agnews:
    monkeypatch.setenv("AGNEWS_KFP_HOST", server.host)
    return lambda *arguments: CliRunner().invoke(app, ["schedule", *(str(argument) for argument in arguments)])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "schedules.yaml"
    path.write_text(SCHEDULES)
    return path


def test_a_plan_shows_the_next_five_starts_in_utc_and_local_time(
    server: Any, agnews: Agnews, file: Path, pipeline_file: Path
) -> None:
    result = agnews("plan", pipeline_file, "--file", file)
    assert result.exit_code == 0
    assert "weekly  create" in result.stdout
    assert "on the server: 0 0 18 * * 0" in result.stdout
    starts = re.findall(r"  Sun \S+ 18:00 UTC   Mon \S+ 03:00 Asia/Tokyo", result.stdout)
    assert len(starts) == 5
    assert not server.recurring


def test_a_plan_that_was_reviewed_is_the_one_that_is_carried_out(
    server: Any, agnews: Agnews, file: Path, pipeline_file: Path
) -> None:
    digest = re.search(r"^plan (\w+)$", agnews("plan", pipeline_file, "--file", file).stdout, re.MULTILINE)[1]
    file.write_text(SCHEDULES.replace("0 3", "0 4"))
    refused = agnews("apply", pipeline_file, "--file", file, "--plan", digest)
    assert "The plan has changed" in str(refused.exception)
    assert not server.recurring
    file.write_text(SCHEDULES)
    result = agnews("apply", pipeline_file, "--file", file, "--plan", digest)
    assert "1 change\n" in result.stdout
    assert len(server.recurring) == 1
    assert "no changes\n" in agnews("apply", pipeline_file, "--file", file).stdout


def test_pause_resume_list_delete(server: Any, agnews: Agnews, file: Path, pipeline_file: Path) -> None:
    agnews("apply", pipeline_file, "--file", file)
    (record,) = server.recurring.values()
    agnews("pause", "weekly")
    assert record["status"] == "DISABLED"
    (version,) = server.versions.values()
    assert re.search(rf"weekly +paused +0 0 18 \* \* 0 +{version['name']} +agnews schedule", agnews("list").stdout)
    assert "paused on the server" in agnews("plan", "--file", file).stdout
    agnews("resume", "weekly")
    assert record["status"] == "ENABLED"
    agnews("delete", "weekly")
    assert not server.recurring
    assert "no schedule weekly" in str(agnews("pause", "weekly").exception)


def test_the_file_decides_whether_a_schedule_can_be_resumed(
    server: Any, agnews: Agnews, file: Path, pipeline_file: Path
) -> None:
    file.write_text(f"{SCHEDULES}    enabled: false\n")
    agnews("apply", pipeline_file, "--file", file)
    assert "not enabled" in str(agnews("resume", "weekly").exception)
    (record,) = server.recurring.values()
    assert record["status"] == "DISABLED"


def test_back_to_an_older_version(server: Any, agnews: Agnews, file: Path, pipeline_file: Path) -> None:
    agnews("apply", pipeline_file, "--file", file)
    (first,) = server.versions.values()
    pipeline_file.write_text(pipeline_file.read_text().replace("0.001", "0.002"))
    agnews("apply", pipeline_file, "--file", file)
    agnews("apply", "--version", first["name"], "--file", file)
    (record,) = server.recurring.values()
    assert record["pipeline_version_reference"]["pipeline_version_id"] == first["pipeline_version_id"]
    assert "no version x of the pipeline other" in str(
        agnews("apply", "--version", "other/x", "--file", file).exception
    )
    assert agnews("plan", "--version", f"agnews/{first['name']}", "--file", file).exit_code == 0
    assert "no version none" in str(agnews("apply", "--version", "none", "--file", file).exception)


def test_names_on_the_server_are_shown_as_they_are(
    server: Any, agnews: Agnews, file: Path, pipeline_file: Path
) -> None:
    agnews("apply", pipeline_file, "--file", file)
    (record,) = server.recurring.values()
    record["display_name"] = record["service_account"] = "[/b] [red]weekly\x1b]0;owned\x07"
    for result in (agnews("list"), agnews("plan", "--file", file), agnews("apply", "--file", file, "--prune")):
        assert result.exit_code == 0, result.exception
        assert "[/b] [red]weekly\\x1b]0;owned" in result.stdout
        assert "\x1b" not in result.stdout
