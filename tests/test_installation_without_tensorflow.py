"""`pip install 'agnews[serve-openvino]'` and `[serve-onnx]`: versions that were exported, served without TensorFlow.

What the installation lacks is hidden from a process of the full one.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

AGNEWS = Path(sys.executable).with_name("agnews")
ENGINES = {"serve-openvino": "openvino", "serve-onnx": "onnxruntime"}
TOLERANCE = {"serve-openvino": 1e-5, "serve-onnx": 0.02}
"""ONNX Runtime finds the ranges of int8 anew for each batch."""
TEXTS = ["wordb shares worda profit", "coach <b>team</b> &amp; league", ""]


@pytest.fixture(scope="module", params=sorted(ENGINES))
def extra(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def environment(extra: str, installation: Callable[[str], Any]) -> dict[str, str]:
    found: dict[str, str] = installation(extra).environment
    return found


def test_it_is_small_and_needs_no_overrides(extra: str, installation: Callable[[str], Any]) -> None:
    found = installation(extra)
    assert {ENGINES[extra], "tokenizers", "fastapi", "uvicorn"} < found.packages.keys()
    assert not {"tensorflow", "tensorflow-text", "tf-keras", "keras", "h5py", "nncf", "tfx"} & found.packages.keys()
    assert {"tensorflow", "tf_keras"} <= set(json.loads(found.environment["HIDDEN_MODULES"]))
    contradictions = [
        f"{name} asks for {wanted}, locked is {importlib.metadata.version(wanted.name)}"
        for name, asked in found.packages.items()
        for wanted in asked
        if wanted.name in found.packages
        and not wanted.specifier.contains(importlib.metadata.version(wanted.name), prereleases=True)
    ]
    assert contradictions == []


def run(environment: dict[str, str], *command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*map(str, command)], capture_output=True, text=True, check=False, timeout=240, env=environment
    )


def wanted(root: Path, engine: str) -> list[list[float]]:
    """What the export says in a process that has everything."""
    from agnews.components.engines.engine_choice import EngineChoice
    from agnews.components.engines.find_export import choose_export
    from agnews.components.engines.text_engine import open_export
    from agnews.components.model_store import ModelStore
    from agnews.components.model_store.find_pushed_model import find_pushed_model

    pushed = find_pushed_model(ModelStore(str(root / "models"), "agnews"))
    export = choose_export(pushed.folder, pushed.record.version, EngineChoice(engine))
    assert export is not None
    opened = open_export(export, batches=1)
    found: list[list[float]] = opened.probabilities([text.encode() for text in TEXTS]).tolist()
    opened.close()
    return found


@pytest.mark.integration
def test_a_program_and_the_command_line_ask_the_export(
    environment: dict[str, str], extra: str, exported_root: Path
) -> None:
    expected = wanted(exported_root, ENGINES[extra])
    code = (
        "import sys, agnews\n"
        f"model = agnews.load({str(exported_root / 'models' / 'agnews')!r})\n"
        f"print(model.engine, [list(each.probabilities.values()) for each in model.predict({TEXTS!r})])\n"
        "assert not {'tensorflow', 'google.protobuf'} & sys.modules.keys()\n"
    )
    program = run(environment, sys.executable, "-c", code)
    name, _, answers = program.stdout.partition(" ")
    assert name == f"{ENGINES[extra]}-int8", program.stderr
    for found, each in zip(json.loads(answers), expected, strict=True):
        assert found == pytest.approx(each, abs=TOLERANCE[extra])

    predicted = run(environment, AGNEWS, "predict", "--root", exported_root, "--format", "jsonl", *TEXTS[:2])
    rows = [json.loads(line) for line in predicted.stdout.splitlines()]
    assert len(rows) == 2, predicted.stderr
    for row, each in zip(rows, expected, strict=False):
        assert list(row["probabilities"].values()) == pytest.approx(sorted(each, reverse=True), abs=TOLERANCE[extra])

    listed = run(environment, AGNEWS, "models", "list", "--root", exported_root)
    assert "in production" in listed.stdout, listed.stderr
    looked = run(environment, AGNEWS, "doctor", "--installation")
    assert looked.returncode == 0, looked.stdout
    assert "Ready to serve" in looked.stdout


@pytest.mark.integration
def test_a_version_of_a_folder_is_loaded_too(environment: dict[str, str], exported_root: Path) -> None:
    (version,) = (each for each in (exported_root / "models" / "agnews").iterdir() if each.name.isdigit())
    done = run(environment, AGNEWS, "predict", "--model", version, "--format", "jsonl", TEXTS[0])
    assert done.returncode == 0, done.stderr


@pytest.mark.integration
def test_what_was_not_exported_says_what_to_do(environment: dict[str, str], pushed_version: Path) -> None:
    for command in (["predict", "a text"], ["serve", "--port", "0"]):
        done = run(environment, AGNEWS, *command, "--root", pushed_version)
        assert done.returncode == 2
        assert "TensorFlow is not installed here" in done.stderr
        assert re.search(r"agnews export \d+ --to (openvino|onnx)", done.stderr), done.stderr
        assert "Traceback" not in done.stderr
    done = run(environment, AGNEWS, "predict", "--engine", "tensorflow", "a text", "--root", pushed_version)
    assert done.returncode == 2
    assert "agnews[serve]" in done.stderr


@pytest.mark.integration
def test_the_server_classifies_and_says_what_it_lacks(
    environment: dict[str, str], extra: str, exported_root: Path, pushed_version: Path, tmp_path: Path
) -> None:
    store = tmp_path / "root" / "models"
    _copy(exported_root / "models", store)
    with serving(environment, "--root", str(tmp_path / "root"), "--poll", "0.1") as url:
        answer = ask(f"{url}/v1/models/agnews:predict", {"instances": TEXTS})
        for found, each in zip(answer["predictions"], wanted(exported_root, ENGINES[extra]), strict=True):
            assert found["probabilities"] == pytest.approx(each, abs=TOLERANCE[extra])
            assert found["class_id"] == max(range(len(each)), key=each.__getitem__)
        assert ask(f"{url}/readyz")["engine"] == f"{ENGINES[extra]}-int8"
        assert ask(f"{url}/v1/models/agnews/card")["accuracy"] == 0.9
        signatures = ask(f"{url}/v1/models/agnews/metadata")["metadata"]["signature_def"]["signature_def"]
        assert signatures["serving_default"]["outputs"]["probabilities"]["tensor_shape"]["dim"][1]["size"] == "4"
        for path, body, status, word in (
            ("agnews:explain", {"instances": TEXTS}, 501, "TensorFlow"),
            ("agnews:predict", {"instances": TEXTS, "signature_name": "explain"}, 400, "not found"),
        ):
            with pytest.raises(urllib.error.HTTPError) as refused:
                ask(f"{url}/v1/models/{path}", body)
            assert refused.value.code == status
            assert word in json.load(refused.value)["error"]

        # A version that nothing here can answer for leaves the one before it in place, and tells.
        _push_into(store, pushed_version)
        end = time.monotonic() + 60
        while not (broken := ask(f"{url}/readyz")["broken"]):
            assert time.monotonic() < end
            time.sleep(0.1)
        assert "TensorFlow is not installed here" in broken["error"]
        assert len(ask(f"{url}/v1/models/agnews:predict", {"instances": TEXTS})["predictions"]) == len(TEXTS)


def _copy(source: Path, target: Path) -> None:
    import shutil

    shutil.copytree(source, target)


def _push_into(store: Path, pushed: Path) -> None:
    from agnews.components.model_store import ModelStore
    from agnews.components.model_store.publish import publish
    from agnews.schemas.corpus_document import packaged_corpus

    models = ModelStore(str(store), "agnews")
    production = models.production()
    assert production is not None
    publish(
        models,
        model=str(pushed / "saved"),
        extra_files={},
        judged_against=production.version,
        fingerprint="",
        run_id="run",
        accuracy=0.95,
        classes=packaged_corpus().class_names,
    )


@pytest.fixture(scope="module")
def pushed_version(push_answers: Callable[[str, Callable[..., Any]], Path]) -> Path:
    """A root with a version of which nothing was made; its model is in `saved`, too."""
    import tensorflow as tf

    from agnews.schemas.corpus_document import packaged_corpus

    classes = packaged_corpus().class_names

    def answer(text: tf.Tensor) -> dict[str, tf.Tensor]:
        probabilities = tf.fill([tf.size(text), len(classes)], 1.0 / len(classes))
        class_id = tf.argmax(probabilities, axis=1)
        return {"class_id": class_id, "label": tf.gather(classes, class_id), "probabilities": probabilities}

    return push_answers("plain", answer)


@contextmanager
def serving(environment: dict[str, str], *options: str) -> Iterator[str]:
    command = [str(AGNEWS), "serve", "--port", "0", *options]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        said = ""
        while not (found := re.search(r"http://127\.0\.0\.1:\d+", said)):
            line = process.stderr.readline()
            assert line, said
            said += line
        end = time.monotonic() + 60
        while True:
            try:
                ask(f"{found[0]}/healthz")
                break
            except urllib.error.URLError:
                assert time.monotonic() < end
                time.sleep(0.1)
        yield found[0]
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def ask(url: str, body: object = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(url, data=data, timeout=60) as answer:  # noqa: S310 - ours
        found: dict[str, Any] = json.load(answer)
        return found
