from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from typer.testing import CliRunner

from agnews.components.encoders.encoder_cache import EncoderCache, SourceRecord
from agnews.components.encoders.hugging_face_checkpoint import open_checkpoint
from agnews.components.model_store import ModelStore
from agnews.components.model_store.publish import publish
from agnews.pipeline.cli.encoder import app
from agnews.schemas.errors import AgnewsError

runner = CliRunner()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _cache_of_the_tests(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGNEWS_CACHE", str(cache))


@pytest.fixture
def checkpoint(repository: Path) -> str:
    return str(repository / "tests" / "golden" / "hugging_face_bert" / "cased")


def run(*arguments: str) -> str:
    return runner.invoke(app, list(arguments), catch_exceptions=False).stdout


def shown(checkpoint: str, *options: str) -> dict[str, object]:
    result = runner.invoke(app, ["show", checkpoint, "--json", *options], catch_exceptions=False)
    facts: dict[str, object] = json.loads(result.stdout)
    return facts


def test_importing_the_command_loads_nothing_heavy() -> None:
    code = (
        "import sys, agnews.pipeline.cli.encoder;"
        "print([m for m in ('tensorflow', 'tensorflow_hub', 'official', 'numpy', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_listing_needs_no_tensorflow(checkpoint: str) -> None:
    shown(checkpoint)
    code = (
        "import sys; from agnews.pipeline.cli.encoder import app; app(['list'], standalone_mode=False);"
        "assert 'tensorflow' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "minilm" in done.stdout


def test_show_converts_for_the_precision_of_a_gpu(checkpoint: str) -> None:
    assert shown(checkpoint, "--precision", "bfloat16")["digest"] != shown(checkpoint)["digest"]


def test_list_shows_what_is_embedded_fetched_and_converted(checkpoint: str) -> None:
    fetched = EncoderCache().fetched("owner/tiny")
    shutil.copytree(checkpoint, fetched)
    SourceRecord("owner/tiny", "86b5e0934494bd15c9632b12f734a8a67f723594", "", {}).write(fetched)
    digest = str(shown(checkpoint)["digest"])
    lines = runner.invoke(app, ["list"], env={"COLUMNS": "80"}).stdout.splitlines()
    assert any("minilm" in line and "embedded, 6 layers, 384 wide" in line for line in lines)
    assert any("owner/tiny" in line and "fetched, commit 86b5e0934494, 2 layers" in line for line in lines)
    assert any(digest[:12] in line and "converted, 2 layers, 16 wide" in line for line in lines)
    rows = json.loads(runner.invoke(app, ["list", "--json"]).stdout)
    assert {row["name"] for row in rows} >= {"minilm", "owner/tiny"}


def test_show_tells_what_a_run_would_use(checkpoint: str) -> None:
    result = runner.invoke(app, ["show", checkpoint, "--layers", "1"], catch_exceptions=False)
    assert "1 layer, 16 wide, 4,344 parameters" in result.stdout
    assert "kept" in result.stdout
    facts = shown(checkpoint, "--layers", "1")
    assert str(facts["folder"]) in result.stdout
    assert facts["num_layers"] == 1
    assert Path(str(facts["folder"]), "saved_model.pb").is_file()


@pytest.fixture
def hub(checkpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The hub's two answers for owner/tiny, from a server on this machine."""
    names = ("config.json", "vocab.txt", "tokenizer_config.json", "model.safetensors")
    contents = {name: (Path(checkpoint) / name).read_bytes() for name in names}
    siblings = [
        {
            "rfilename": name,
            "size": len(content),
            "blobId": hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest(),
        }
        for name, content in contents.items()
    ]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            about = json.dumps({"sha": "c" * 40, "siblings": siblings}).encode()
            body = about if self.path.startswith("/api") else contents[self.path.rpartition("/")[2]]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        yield
        server.shutdown()


@pytest.mark.usefixtures("hub")
def test_a_lock_file_pins_what_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "encoders.lock"
    monkeypatch.setenv("AGNEWS_CACHE", str(tmp_path / "here"))
    first = json.loads(run("fetch", "owner/tiny", "--lock", str(lock), "--json"))
    pinned = json.loads(lock.read_text())["encoders"]["owner/tiny"]
    assert pinned == {"sha256": first["sha256"], "revision": "c" * 40}
    monkeypatch.setenv("AGNEWS_CACHE", str(tmp_path / "there"))
    (again,) = json.loads(run("fetch", "--lock", str(lock), "--json"))
    assert again["sha256"] == first["sha256"]
    lock.write_text(lock.read_text().replace(first["sha256"], "0" * 64))
    monkeypatch.setenv("AGNEWS_CACHE", str(tmp_path / "elsewhere"))
    with pytest.raises(AgnewsError, match="another encoder"):
        runner.invoke(app, ["fetch", "--lock", str(lock)], catch_exceptions=False)
    with pytest.raises(AgnewsError, match="two different encoders"):
        runner.invoke(
            app, ["fetch", "owner/tiny", "--lock", str(lock), "--sha256", first["sha256"]], catch_exceptions=False
        )
    lock.write_text('{"format": 2}')
    with pytest.raises(AgnewsError, match="no lock file"):
        runner.invoke(app, ["fetch", "--lock", str(lock)], catch_exceptions=False)


@pytest.mark.usefixtures("hub")
def test_a_digest_on_the_command_line_is_enforced() -> None:
    with pytest.raises(AgnewsError, match="another encoder"):
        runner.invoke(app, ["fetch", "owner/tiny", "--sha256", "f" * 64], catch_exceptions=False)
    with pytest.raises(AgnewsError, match="not said which encoder"):
        runner.invoke(app, ["fetch", "--sha256", "f" * 64], catch_exceptions=False)


def test_fetch_without_network_is_an_error_that_names_the_way_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("time.sleep", lambda _: None)
    with pytest.raises(AgnewsError, match=r"no network(?s:.*)copy the folder"):
        runner.invoke(app, ["fetch", "owner/none"], catch_exceptions=False)


def test_an_encoder_is_exported(checkpoint: str, tmp_path: Path) -> None:
    folder = str(shown(checkpoint)["folder"])
    result = runner.invoke(app, ["export", folder, str(tmp_path / "out")], catch_exceptions=False)
    assert "from_pretrained" in result.stdout
    assert open_checkpoint(tmp_path / "out").config == open_checkpoint(Path(checkpoint)).config


@pytest.mark.parametrize("version", ["latest", "NUMBER"])
def test_the_encoder_of_a_pushed_version_is_exported(version: str, checkpoint: str, tmp_path: Path) -> None:
    store = ModelStore(str(tmp_path / "models"), "news")
    push = publish(
        store,
        model=str(shown(checkpoint)["folder"]),
        extra_files={},
        judged_against="",
        fingerprint="",
        run_id="run",
        accuracy=0.9,
        classes=("World",),
    )
    number = push.record.version if version == "NUMBER" else version
    arguments = ["export", number, str(tmp_path / "out"), "--root", str(tmp_path), "--name", "news"]
    runner.invoke(app, arguments, catch_exceptions=False)
    assert open_checkpoint(tmp_path / "out").has_pooler


def test_a_version_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AgnewsError, match=r"neither a SavedModel nor a pushed version 17(?s:.*)versions none"):
        runner.invoke(app, ["export", "17", str(tmp_path / "out"), "--root", str(tmp_path)], catch_exceptions=False)
