"""`pip install 'agnews[serve]'`: what serves a pushed model, without TFX and Beam and without uv's overrides.

The packages that it lacks are hidden from a process of the full installation.
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

AGNEWS = Path(sys.executable).with_name("agnews")
CLASSES = ("World", "Sports", "Business", "Sci/Tech")
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def small(installation: Callable[[str], Any]) -> dict[str, list[Requirement]]:
    """The packages of the small installation, and what each asks for."""
    packages: dict[str, list[Requirement]] = installation("serve").packages
    return packages


@pytest.fixture(scope="module")
def environment(installation: Callable[[str], Any]) -> dict[str, str]:
    found: dict[str, str] = installation("serve").environment
    assert {"tfx", "apache_beam", "kfp", "matplotlib"} <= set(json.loads(found["HIDDEN_MODULES"]))
    return found


def test_nobody_has_to_know_the_overrides(small: dict[str, list[Requirement]]) -> None:
    """The locked versions are what every package asks for, so pip finds them, or newer ones, by itself."""
    contradictions = [
        f"{name} asks for {wanted}, locked is {importlib.metadata.version(wanted.name)}"
        for name, asked in small.items()
        for wanted in asked
        if not wanted.specifier.contains(importlib.metadata.version(wanted.name), prereleases=True)
    ]
    assert contradictions == []
    assert {"tensorflow", "tensorflow-text", "fastapi", "uvicorn"} < small.keys()
    heavy = {
        "tfx",
        "apache-beam",
        "kfp",
        "tf-models-official",
        "ml-metadata",
        "tensorflow-data-validation",
        "matplotlib",
    }
    assert not heavy & small.keys()


@pytest.fixture(scope="module")
def root(push_answers: Callable[[str, Callable[..., Any]], Path]) -> Path:
    import tensorflow as tf

    def answer(text: tf.Tensor) -> dict[str, tf.Tensor]:
        found = tf.stack([tf.strings.regex_full_match(text, f".*{word}.*") for word in CLASSES], axis=1)
        probabilities = tf.nn.softmax(3.0 * tf.cast(found, tf.float32))
        class_id = tf.argmax(probabilities, axis=1)
        label = tf.gather(tf.constant(CLASSES), class_id)
        return {"class_id": class_id, "label": label, "probabilities": probabilities}

    return push_answers("root", answer)


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*map(str, command)], capture_output=True, text=True, check=False, timeout=120, env=environment
        )

    return run


@pytest.mark.integration
def test_a_program_loads_a_model_and_asks_it(run: Run, root: Path) -> None:
    code = (
        "import sys, agnews\n"
        "assert 'tensorflow' not in sys.modules, 'importing agnews takes no seconds'\n"
        f"model = agnews.load({str(root / 'models' / 'agnews')!r})\n"
        "print([each.label for each in model.predict(['a Business', 'much Sports'])], model.classes)\n"
    )
    done = run(sys.executable, "-c", code)
    assert done.stdout == f"['Business', 'Sports'] {CLASSES}\n", done.stderr


@pytest.mark.integration
def test_the_commands_that_work_with_a_model_work(run: Run, root: Path) -> None:
    predicted = run(AGNEWS, "predict", "--root", root, "--format", "jsonl", "a Business")
    assert json.loads(predicted.stdout)["label"] == "Business", predicted.stderr
    listed = run(AGNEWS, "models", "list", "--root", root)
    assert "in production" in listed.stdout, listed.stderr
    looked = run(AGNEWS, "doctor", "--installation")
    assert looked.returncode == 0, looked.stdout
    assert "Ready to serve" in looked.stdout


@pytest.mark.integration
def test_the_server_answers(environment: dict[str, str], root: Path) -> None:
    command = [str(AGNEWS), "serve", "--root", str(root), "--port", "0"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        said = ""
        while not (found := re.search(r"http://127\.0\.0\.1:\d+", said)):
            line = process.stderr.readline()
            assert line, said
            said += line
        request = f"{found[0]}/v1/models/agnews:predict"
        answer = _ask(request, b'{"instances": ["a Business"]}')
        assert answer["predictions"][0]["label"] == "Business"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def _ask(url: str, body: bytes) -> dict[str, list[dict[str, str]]]:
    end = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(url, data=body, timeout=30) as answer:  # noqa: S310 - ours
                found: dict[str, list[dict[str, str]]] = json.load(answer)
                return found
        except urllib.error.URLError:
            assert time.monotonic() < end
            time.sleep(0.1)


@pytest.mark.integration
@pytest.mark.parametrize(
    "command", [["run", "--root", "r"], ["tune", "--root", "r"], ["batch", "--input", "t.txt", "--output", "o"]]
)
def test_other_commands_say_what_they_need(run: Run, root: Path, tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "t.txt").write_text("a Business\n")
    places = [str(tmp_path / each) if each in ("r", "t.txt", "o") else each for each in command]
    done = run(AGNEWS, *places, *(["--root", root] if command[0] == "batch" else []))
    assert done.returncode == 2
    assert "a package that is not installed" in done.stderr
    assert "make setup" in done.stderr
    assert "Traceback" not in done.stderr
