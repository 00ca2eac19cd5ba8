"""A corpus of somebody's own and the kind `linear`, from a file to answers over HTTP. The tests build on each other."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from agnews.schemas.run_report import RunReport

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

AGNEWS = Path(sys.executable).with_name("agnews")
SIGNS = {
    "card": ("my card was swallowed", "the card does not work", "a new card please"),
    "transfer": ("the transfer is late", "where is my transfer", "a transfer went twice"),
    "account": ("close the account", "open an account for my son", "which account is this"),
}
AROUND = ("hello", "please", "since Monday", "thank you", "in Cork", "as I said", "quickly", "again", "well")


def agnews(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "200"}
    command = [str(AGNEWS), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def rows(count: int, seed: int) -> list[tuple[str, str]]:
    random = np.random.default_rng(seed)
    made = []
    for number in range(count):
        label = list(SIGNS)[number % 3]
        before, after = (" ".join(random.choice(AROUND, 3)) for _ in range(2))
        made.append((f"{before} {random.choice(SIGNS[label])} {after} {seed}{number}", label))
    return made


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`agnews corpus init` on a CSV file with a header."""
    folder = tmp_path_factory.mktemp("requests")
    for name, count, seed in (("train.csv", 300, 1), ("test.csv", 90, 2)):
        with (folder / name).open("w", newline="") as file:
            csv.writer(file).writerows([("text", "topic"), *rows(count, seed)])
    done = agnews("corpus", "init", folder, "--out", folder / "corpus.yaml")
    assert done.returncode == 0, done.stderr
    assert "a linear model gets" in done.stdout
    return folder / "corpus.yaml"


@pytest.fixture(scope="module")
def report(corpus: Path, root: Path) -> RunReport:
    done = agnews("run", "--corpus", corpus, "--model", "linear", "--root", root)
    assert done.returncode == 0, done.stderr
    (path,) = root.glob("runs/*/report.json")
    return RunReport.model_validate_json(path.read_text())


def test_a_run_trains_one_linear_model_and_not_two(report: RunReport, root: Path) -> None:
    assert report.metrics is not None
    assert report.metrics.accuracy > 0.95
    assert report.blessed
    assert report.documents.evaluation is not None
    assert report.documents.evaluation.verdict.linear_test is None
    (check,) = root.glob("artifacts/LinearBaseline/report/*/linear_check.json")
    assert json.loads(check.read_text())["skipped"] == "the model of the run is a linear one itself"
    assert report.setting_reasons["model.char_ngrams"].startswith("measured on")


@pytest.mark.usefixtures("report")
def test_predict_and_batch_give_the_same_answers(root: Path, corpus: Path, tmp_path: Path) -> None:
    asked = corpus.with_name("test.csv")
    done = agnews("predict", "--file", asked, "--root", root, "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["label"] for answer in answers] == [label for _, label in rows(90, 2)]

    done = agnews("batch", "--input", asked, "--format", "jsonl", "--output", tmp_path / "answers", "--root", root)
    assert done.returncode == 0, done.stderr + done.stdout
    parts = sorted((tmp_path / "answers" / "predictions").iterdir())
    again = [json.loads(line) for part in parts for line in part.read_text().splitlines()]
    assert [answer["label"] for answer in again] == [answer["label"] for answer in answers]


@pytest.fixture(scope="module")
def url(report: RunReport, root: Path) -> Iterator[str]:
    """A server of its own, on the model that the run has pushed."""
    assert report.pushed_model
    command = [str(AGNEWS), "serve", "--port", "0", "--root", str(root)]
    log = root / "serve.log"
    with log.open("w") as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + 600
        while not (found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.2)
        yield found[0]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def test_the_server_answers_and_says_which_words_mattered(url: str) -> None:
    text = "hello again my card was swallowed since Monday"
    with httpx.Client(base_url=url, timeout=60.0) as client:
        answer = client.post("/v1/models/agnews:predict", json={"instances": [text, "open an account"]})
        assert answer.status_code == 200, answer.text
        first, second = answer.json()["predictions"]
        assert (first["label"], second["label"]) == ("card", "account")
        assert sum(first["probabilities"]) == pytest.approx(1.0, abs=1e-5)

        answer = client.post("/v1/models/agnews:explain", json={"instances": [text]})
        assert answer.status_code == 200, answer.text
        (explained,) = answer.json()["explanations"]
        assert explained["label"] == "card"
        words = {word["text"]: word["contribution"] for word in explained["words"]}
        assert max(words, key=lambda word: words[word]) in {"card", "swallowed"}


def test_settings_are_searched_and_the_best_ones_can_be_run(corpus: Path, root: Path, tmp_path: Path) -> None:
    done = agnews("tune", "--corpus", corpus, "--model", "linear", "--trials", "3", "--root", tmp_path / "search")
    assert done.returncode == 0, done.stderr + done.stdout
    done = agnews("config", "show", tmp_path / "search" / "tuning" / "linear.yaml")
    assert done.returncode == 0, done.stderr
    assert "model.kind = linear" in done.stdout
    assert "char_ngrams" in done.stdout
