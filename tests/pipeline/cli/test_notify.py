"""`agnews notify test`: what arrives, what does not and why, by the exit code too."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agnews.pipeline.cli.main import app
from agnews.schemas.errors import AgnewsError

WRITE = "import sys; open(sys.argv[1], 'wb').write(sys.stdin.buffer.read())"


def execution(folder: Path, *channels: str, on: str = "[nothing_new]") -> Path:
    file = folder / "execution.yaml"
    file.write_text(f"notify:\n  on: {on}\n  retries: 0\n  channels: [{', '.join(channels)}]\n")
    return file


def test_every_channel_gets_a_message_that_says_that_it_is_a_test(tmp_path: Path) -> None:
    command = json.dumps([sys.executable, "-c", WRITE, str(tmp_path / "told")])
    file = execution(tmp_path, f"{{kind: command, command: {command}}}")

    result = CliRunner().invoke(app, ["notify", "test", "--execution", str(file)])

    assert result.exit_code == 0, result.output
    assert "channel 1, command" in result.output
    assert "A run tells of nothing_new." in result.output
    assert json.loads((tmp_path / "told").read_bytes())["test"] is True


def test_a_channel_that_does_not_work_is_named_with_the_reason_and_the_exit_code_is_1(tmp_path: Path) -> None:
    file = execution(tmp_path, "{kind: slack, url: {env: AGNEWS_NO_SUCH_VARIABLE}}")

    result = CliRunner().invoke(app, ["notify", "test"], env={"AGNEWS_EXECUTION": str(file)})

    assert result.exit_code == 1
    assert "no environment variable AGNEWS_NO_SUCH_VARIABLE" in result.output


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("notify: {on: [never]}", "notify.on.0"),
        ("notify: {channel: []}", "channel"),
        ("[1]", "list"),
        ("notify: [", "while parsing"),
        ("notify: {channels: [{kind: pigeon}]}", "pigeon"),
    ],
)
def test_a_file_that_cannot_be_used_names_the_place(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "execution.yaml").write_text(content)

    with pytest.raises(AgnewsError) as caught:
        CliRunner().invoke(
            app, ["notify", "test", "--execution", str(tmp_path / "execution.yaml")], catch_exceptions=False
        )
    assert words in str(caught.value.found)


def test_without_a_channel_there_is_nothing_to_test() -> None:
    with pytest.raises(AgnewsError, match="no channel to test"):
        CliRunner().invoke(app, ["notify", "test"], catch_exceptions=False)
