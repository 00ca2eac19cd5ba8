from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml
from typer.testing import CliRunner

from agnews.components.corpus_files.sample import write_sample
from agnews.pipeline.cli.corpus import app
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.errors import AgnewsError, ExitCode

runner = CliRunner()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_sample(tmp_path / "data", packaged_corpus())
    return tmp_path / "data"


def test_importing_the_command_loads_nothing_heavy() -> None:
    code = (
        "import sys, agnews.pipeline.cli.corpus;"
        "print([m for m in ('tensorflow', 'apache_beam', 'tfx', 'numpy', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("command", [["describe"], ["check", "FOLDER"]])
def test_reading_local_files_needs_no_tensorflow(folder: Path, command: list[str]) -> None:
    arguments = [str(folder) if word == "FOLDER" else word for word in command]
    code = f"import sys; from agnews.pipeline.cli.corpus import app; app({arguments!r}, standalone_mode=False)"
    code += "; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_describe_shows_the_card() -> None:
    result = runner.invoke(app, ["describe"], env={"COLUMNS": "80"})
    assert result.exit_code == 0
    assert "The generated sample" in result.stdout
    assert "not real news" in result.stdout
    for name in packaged_corpus().class_names:
        assert name in result.stdout
    assert "…" not in result.stdout  # nothing is cut on a narrow terminal
    assert max(len(line) for line in result.stdout.splitlines()) <= 80


def test_of_many_classes_describe_shows_both_ends(tmp_path: Path) -> None:
    names = [f"part{at:03}" for at in range(99)] + ["part099 " + "which has a long name " * 4]
    (tmp_path / "corpus.yaml").write_text(f"format: 1\nname: parts\nclasses: [{', '.join(map(str.strip, names))}]\n")
    for file, more in (("train.csv", 3), ("test.csv", 1)):
        rows = [
            f"{name} {file} {copy},{name.strip()}\n" for at, name in enumerate(names) for copy in range(more + at // 20)
        ]
        (tmp_path / file).write_text("text,label\n" + "".join(rows))
    result = runner.invoke(app, ["describe", str(tmp_path / "corpus.yaml")], env={"COLUMNS": "80"})
    assert result.exit_code == 0, result.output
    shown = [at for at, name in enumerate(names) if name[:7] in result.stdout]
    assert shown == [*range(20), *range(80, 100)]
    assert "... 60 classes" in " ".join(result.stdout.split())
    (totals,) = [line.split() for line in result.stdout.splitlines() if line.startswith("rows ")]
    assert totals[-1] == "300", "test rows of all classes, and not cut for a long name"


def test_describe_as_json_is_the_card() -> None:
    card = json.loads(runner.invoke(app, ["describe", "sample", "--json"]).stdout)
    assert card["is_sample"] is True
    assert card["splits"]["test"]["rows"] == 800


def test_describe_names_the_reason_why_a_run_would_refuse(folder: Path) -> None:
    (folder / "test.csv").write_text('"1","a","b"\n')
    result = runner.invoke(app, ["describe", str(folder)])
    assert result.exit_code == 0
    assert "A run would refuse these files" in result.stdout


def test_check_accepts_good_files(folder: Path) -> None:
    result = runner.invoke(app, ["check", str(folder)])
    assert result.exit_code == 0
    assert "3,200 rows" in result.stdout
    assert "A run accepts these files" in result.stdout


def test_check_tells_bad_rows_by_kind_with_three_examples_and_fails(folder: Path) -> None:
    with (folder / "train.csv").open("a") as file:
        file.writelines(f'"{i}","[bold]fifth[/bold]","class"\n' for i in range(10, 60))
    result = runner.invoke(app, ["check", str(folder)], env={"COLUMNS": "100"})
    assert isinstance(result.exception, AgnewsError)
    assert result.exception.exit_code == ExitCode.USAGE
    for i in range(10, 13):
        assert f"class is '{i}', allowed are 1 to 4" in result.stdout
    assert "class is '13'" not in result.stdout
    assert "50 rows" in result.stdout
    assert "47 more" in result.stdout
    assert "[bold]fifth[/bold]" in result.stdout  # data is shown as it is and not taken for markup of ours


def test_check_as_json_is_complete_also_when_it_fails(folder: Path) -> None:
    with (folder / "train.csv").open("a") as file:
        file.write('"5","fifth","class"\n' * 40)
    result = runner.invoke(app, ["check", str(folder), "--json"])
    assert isinstance(result.exception, AgnewsError)
    found = json.loads(result.stdout)
    assert found["usable"] is False
    assert "40 of the 3240" in found["problem"]["problem"]
    assert found["rejects"][0]["line"] == 3_201
    assert len(found["rejects"]) == 40
    accepted = runner.invoke(app, ["check", str(folder), "--json", "--max-reject-share", "0.1"])
    assert json.loads(accepted.stdout)["usable"] is True


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    result = runner.invoke(app, ["check", str(tmp_path / "nowhere")])
    assert isinstance(result.exception, AgnewsError)
    assert "does not exist" in result.exception.problem


@pytest.fixture
def mirror(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A site with the files of a corpus `small` that is published with their digests."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            """Stays silent."""

    tree = json.loads(packaged_corpus().canonical()) | {"name": "small"}
    tree["files"] = {
        "published": {
            name: {
                "url": "http://127.0.0.1:9/",
                "sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest(),
                "rows": 0,
            }
            for name in ("train.csv", "test.csv")
        }
    }
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(tree))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_fetch_downloads_once(mirror: str, tmp_path: Path) -> None:
    command = ["fetch", str(tmp_path / "new"), "--corpus", str(tmp_path / "small.yaml"), "--base-url", mirror]
    first = runner.invoke(app, command)
    assert first.exit_code == 0, first.exception
    assert "downloaded" in first.stdout
    assert f"--data {tmp_path / 'new'}" in first.stdout
    assert "non-commercial" in first.stdout
    second = json.loads(runner.invoke(app, [*command, "--json"]).stdout)
    assert [file["downloaded_bytes"] for file in second] == [0, 0]
    checked = runner.invoke(app, ["check", str(tmp_path / "new"), "--corpus", str(tmp_path / "small.yaml")])
    assert checked.stdout.count("the official file, byte for byte") == 2


def test_fetch_from_a_wrong_address_is_an_error(mirror: str, tmp_path: Path) -> None:
    result = runner.invoke(
        app, ["fetch", str(tmp_path), "--corpus", str(tmp_path / "small.yaml"), "--base-url", f"{mirror}/nowhere"]
    )
    assert isinstance(result.exception, AgnewsError)
    assert "HTTP 404" in str(result.exception)


def test_check_looks_at_what_is_said_for_kinds_of_models_that_are_not_the_default(tmp_path: Path) -> None:
    path = tmp_path / "corpus.yaml"
    path.write_text("format: 1\nname: mails\nclasses: [ham, spam]\nkinds: {bert_frozen: {training: {epoch: 3}}}\n")
    with pytest.raises(AgnewsError) as caught:
        runner.invoke(app, ["check", str(path)], catch_exceptions=False)
    assert "training.epoch" in caught.value.problem
    assert "description of the corpus" in str(caught.value.found)
