from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

AGNEWS = Path(sys.executable).with_name("agnews")

HEAVY = ("tensorflow", "tfx", "apache_beam", "numpy", "yaml")


def agnews(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [str(AGNEWS), *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "300"}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)


@pytest.mark.parametrize(
    "arguments", [[], ["run"], ["data"], ["data", "fetch"], ["config", "show"], ["doctor"], ["predict"], ["batch"]]
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from agnews.pipeline.cli.main import app\n"
        f"try: app({[*arguments, '--help']!r})\n"
        f"except SystemExit: print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "LOADED []" in done.stdout
    assert "Usage" in done.stdout


def test_no_help_loses_words_in_brackets() -> None:
    """What looks like a style is taken for one and not shown: the name of an extra, for example."""
    from typer.main import get_command

    from agnews.pipeline.cli.main import app

    def helps(command: click.Command) -> Iterator[str]:
        yield command.help or ""
        yield from (getattr(each, "help", None) or "" for each in command.params)
        for each in getattr(command, "commands", {}).values():
            yield from helps(each)

    texts = list(helps(get_command(app)))
    assert len(texts) > 300
    lost = re.compile(r"(?<!\\)\[(?!/?bold\])[a-z#/@][^\[]*?\]")
    assert [found[0] for text in texts if (found := lost.search(text))] == []


def test_help_names_the_commands_and_the_exit_codes() -> None:
    done = agnews("--help")
    assert done.returncode == 0
    for word in ("run", "data", "config", "doctor", "Exit codes"):
        assert word in done.stdout


def test_an_error_says_problem_finding_and_fix_without_a_traceback(tmp_path: Path) -> None:
    done = agnews("run", "--root", tmp_path, "--set", "training.epochs=none")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "training.epochs" in done.stderr
    assert "'none'" in done.stderr
    assert "integer" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_the_configuration_does_not_have_is_refused(tmp_path: Path) -> None:
    done = agnews("run", "--root", tmp_path, "--model", "oracle")
    assert done.returncode == 2
    assert "oracle" in done.stderr
    assert "transformer" in done.stderr


def test_the_version_is_told() -> None:
    assert agnews("--version").stdout.startswith("agnews 0.")


def test_every_key_of_a_configuration_is_explained() -> None:
    done = agnews("config", "show", "notebook", "--set", "training.epochs=5")
    assert done.returncode == 0
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert "training.epochs = 5" in lines
    assert "model.hidden_dim = 32" in lines
    keys = [number for number, line in enumerate(lines) if not line.startswith(" ")]
    assert [lines[number] for number in keys if not lines[number + 1].strip()] == []


QUIET = ["config", "list"]


def test_a_reader_that_goes_away_ends_a_command_quietly_as_sigpipe_would() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    for arguments in (QUIET, ["config", "show"], ["--help"]):
        done = subprocess.run([str(AGNEWS), *arguments], stdout=writing, stderr=subprocess.PIPE, check=False)
        assert (done.returncode, done.stderr) == (141, b""), arguments
    os.close(writing)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_at_the_start_lead_nowhere(closed: str) -> None:
    line = f'"$0" "$@" {closed}'
    done = subprocess.run(["bash", "-c", line, str(AGNEWS), *QUIET], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


def test_a_full_disk_behind_standard_output_is_told() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([str(AGNEWS), *QUIET], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == 1
        assert "Standard output cannot be written" in done.stderr
        assert "Traceback" not in done.stderr
        done = subprocess.run([str(AGNEWS), *QUIET], stdout=full, stderr=full, check=False)
        assert done.returncode == 1


@pytest.mark.parametrize("command", ["run", "tune"])
def test_what_trains_says_at_once_that_it_is_none_of_several_processes(command: str, tmp_path: Path) -> None:
    cluster = {"cluster": {"worker": ["one:2222", "two:2222"]}, "task": {"type": "worker", "index": 0}}
    environment = {**os.environ, "TF_CONFIG": json.dumps(cluster)}
    line = [str(AGNEWS), command, "--root", str(tmp_path / "root")]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60, env=environment)
    assert done.returncode == 2
    assert done.stderr.startswith("error"), "nothing of TensorFlow's is loaded, or shown"
    assert "TF_CONFIG names 2 processes" in done.stderr
    assert not (tmp_path / "root").exists()


def test_a_seed_that_a_compiled_pipeline_would_round_is_refused(tmp_path: Path) -> None:
    for key in ("training.seed", "data.seed"):
        done = agnews("run", "--root", tmp_path / "root", "--set", f"{key}={2**53 + 1}")
        assert done.returncode == 2
        assert key in done.stderr
        assert "9007199254740992" in done.stderr


def test_an_encoder_and_a_model_whose_path_is_a_pattern_are_refused_at_once(tmp_path: Path) -> None:
    for arguments in (
        ["run", "--root", tmp_path, "--model", "bert_frozen", "--set", "model.encoder=/models/bert[1]"],
        ["predict", "--model", tmp_path / "a[b]", "text"],
        ["predict", "--root", tmp_path / "a*b", "text"],
    ):
        done = agnews(*arguments)
        assert done.returncode == 2, done.stderr
        assert "for a pattern of file names" in done.stderr
