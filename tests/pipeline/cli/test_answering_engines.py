"""`predict`, `batch` and `serve` through an export, as processes."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.integration
AGNEWS = Path(sys.executable).with_name("agnews")
TEXTS = ["wordb shares worda profit", "coach team league wordc wordd"]


def agnews(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [str(AGNEWS), *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "300"}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=280, env=environment)


def probabilities(lines: str) -> list[dict[str, float]]:
    return [json.loads(line)["probabilities"] for line in lines.splitlines()]


@pytest.fixture(scope="module")
def answers(exported_root: Path) -> dict[str, list[dict[str, float]]]:
    """What `predict` says by engine, where one is named and where none is."""
    found = {}
    for engine in ("tensorflow", "openvino", "onnxruntime", "auto"):
        done = agnews("predict", "--root", exported_root, "--engine", engine, "--format", "jsonl", *TEXTS)
        assert done.returncode == 0, done.stderr
        found[engine] = probabilities(done.stdout)
    return found


def test_predict_takes_the_engine_that_was_asked_for(answers: dict[str, list[dict[str, float]]]) -> None:
    assert answers["auto"] == answers["openvino"], "the fastest by its record"
    for engine in ("openvino", "onnxruntime"):
        for found, plain in zip(answers[engine], answers["tensorflow"], strict=True):
            assert found != plain
            assert found == pytest.approx(plain, abs=0.2)


def test_batch_answers_as_predict_does(
    exported_root: Path, answers: dict[str, list[dict[str, float]]], tmp_path: Path
) -> None:
    (tmp_path / "texts.txt").write_text("".join(f"{text}\n" for text in TEXTS))
    for engine in ("openvino", "tensorflow"):
        output = tmp_path / engine
        places = ("--input", tmp_path / "texts.txt", "--output", output)
        done = agnews("batch", "--root", exported_root, *places, "--engine", engine, "--format", "jsonl")
        assert done.returncode == 0, done.stderr
        (shard,) = (output / "predictions").glob("part-*")
        for found, wanted in zip(probabilities(shard.read_text()), answers[engine], strict=True):
            assert found == pytest.approx(wanted, abs=1e-4)


@contextmanager
def serving(*options: str | Path) -> Iterator[tuple[httpx.Client, list[str]]]:
    command = [str(AGNEWS), "serve", "--port", "0", *map(str, options)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said: list[str] = []
    assert process.stdout is not None
    listener = threading.Thread(target=said.extend, args=(process.stdout,))
    listener.start()
    try:
        url = wait_for(lambda: re.search(r"http://127\.0\.0\.1:\d+", "".join(said)), process, said)[0]
        with httpx.Client(base_url=url, timeout=120) as client:
            wait_for(lambda: _is_up(client), process, said)
            yield client, said
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, said
    finally:
        process.kill()
        process.wait()
        listener.join()


def _is_up(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").status_code == 200
    except httpx.HTTPError:
        return False


def wait_for(look: Any, process: subprocess.Popen[str] | None, said: list[str], seconds: float = 200.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, said
        assert process is None or process.poll() is None, said
        time.sleep(0.05)
    return found


def ask(client: httpx.Client, verb: str = "predict") -> list[dict[str, Any]]:
    answer = client.post(f"/v1/models/agnews:{verb}", json={"instances": TEXTS})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["explanations" if verb == "explain" else "predictions"]
    return found


def test_serve_answers_through_the_export_explains_and_changes_over(
    exported_root: Path, toy_classifier: Path, answers: dict[str, list[dict[str, float]]], tmp_path: Path
) -> None:
    from agnews.components.model_store import ModelStore
    from agnews.components.model_store.publish import publish
    from agnews.schemas.corpus_document import packaged_corpus

    shutil.copytree(exported_root / "models", tmp_path / "models")
    another = tmp_path / "another"
    shutil.copytree(toy_classifier, another)
    (another / "assets.extra" / "note.txt").write_text("It says the same, and is another version.")
    store = ModelStore(str(tmp_path / "models"), "agnews")
    first = store.production()
    assert first is not None
    classes = packaged_corpus().class_names
    with serving("--root", tmp_path, "--poll", "0.1") as (client, said):
        assert any("openvino-int8" in line for line in said), said
        for found, wanted in zip(ask(client), answers["openvino"], strict=True):
            assert dict(zip(classes, found["probabilities"], strict=True)) == pytest.approx(wanted, abs=1e-4)
        # Explanations are the version's own, in float32.
        for found, wanted in zip(ask(client, "explain"), answers["tensorflow"], strict=True):
            assert found["probabilities"] == pytest.approx(wanted, abs=1e-4)
            assert [word["text"] for word in found["words"]]

        failed: list[object] = []
        is_over = threading.Event()

        def keep_asking() -> None:
            with httpx.Client(base_url=client.base_url, timeout=120) as other:
                while not is_over.is_set():
                    try:
                        ask(other)
                    except (AssertionError, httpx.HTTPError) as error:
                        failed.append(error)

        asking = threading.Thread(target=keep_asking)
        asking.start()
        # A version of which nothing was made takes over, and gives way again.
        publish(
            store,
            model=str(another),
            extra_files={},
            judged_against=first.version,
            fingerprint="another",
            run_id="run",
            accuracy=0.9,
            classes=classes,
        )
        wait_for(lambda: client.get("/readyz").json()["version"] != first.version, None, said)
        assert client.get("/readyz").json()["engine"] == "tensorflow"
        for found, wanted in zip(ask(client), answers["tensorflow"], strict=True):
            assert dict(zip(classes, found["probabilities"], strict=True)) == pytest.approx(wanted, abs=1e-4)
        back = agnews("models", "rollback", "--root", tmp_path)
        assert back.returncode == 0, back.stderr
        wait_for(lambda: client.get("/readyz").json()["version"] == first.version, None, said)
        assert client.get("/readyz").json()["engine"] == "openvino-int8"
        is_over.set()
        asking.join()
        assert failed == []
