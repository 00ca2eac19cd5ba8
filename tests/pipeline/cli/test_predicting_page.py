"""The commands in docs/predicting.md work as they are typed there."""

from __future__ import annotations

import gzip
import json
import re
import shlex
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from agnews.pipeline.cli.main import app


def commands(repository: Path) -> list[list[str]]:
    """The lines of shell blocks that call predict or batch and are no part of a pipe."""
    page = (repository / "docs" / "predicting.md").read_text()
    lines = [line for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    return [shlex.split(line) for line in lines if re.match(r"agnews (predict|batch) ", line) and "|" not in line]


def test_every_command_of_the_page_works(
    repository: Path, pushed_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("workspace").symlink_to(pushed_root)
    table = "title,description\nStocks rise,profit\n"
    Path("news.csv").write_text(table)
    Path("news.csv.gz").write_bytes(gzip.compress(table.encode()))
    Path("news.jsonl").write_text(json.dumps({"text": "coach"}) + '\n{"text": ""}\n' + json.dumps({"text": "?"}))
    pq.write_table(pa.table({"headline": ["a"], "body": ["b"], "url": ["c"]}), "news.parquet")

    found = commands(repository)
    codes = {shlex.join(command): CliRunner().invoke(app, command[1:]).exit_code for command in found}

    # The page's own example of a file with a bad row ends at it, unless told otherwise.
    bad = "agnews predict --file news.jsonl --output topics.jsonl"
    assert len(codes) >= 8
    assert {command: code for command, code in codes.items() if code} == {bad: 1}
    assert Path("topics.csv").read_text().splitlines()[1].startswith("1,Business,")
    assert [json.loads(line)["id"] for line in Path("topics.jsonl").read_text().splitlines()] == ["1", "3"]
    assert json.loads(Path("bad.jsonl").read_text())["reason"] == "empty text"
    assert json.loads(Path("answers/manifest.json").read_text())["answered"] == 3
