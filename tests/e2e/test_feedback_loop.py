"""From wrong answers to a better model, without touching a file."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from agnews.components.corpus_files.sample import write_sample
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.run_report import RunReport

pytestmark = pytest.mark.e2e

AGNEWS = Path(sys.executable).with_name("agnews")
TOKEN = "a-token-of-a-test"
SHOWN = {"Authorization": f"Bearer {TOKEN}"}
WHO = ("riders", "novices", "veterans", "juniors", "visitors", "locals", "twins", "favourites")
HOW = ("twice", "again", "in the rain", "at dawn", "by a nose", "for fun", "with ease", "on ice", "at last", "uphill")
WHERE = ("Ulm", "Oulu", "Cork", "Bari")

Run = Callable[..., RunReport]


def texts_of_a_new_kind() -> list[str]:
    """What no training row has: a sport that nobody has written about."""
    return [f"The {who} quidded the zorbal {how} near {where}" for who in WHO for how in HOW for where in WHERE]


@pytest.fixture(scope="module")
def spans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample as one span."""
    folder = tmp_path_factory.mktemp("spans")
    write_sample(folder, packaged_corpus())
    (folder / "2026-11-20").mkdir()
    (folder / "train.csv").rename(folder / "2026-11-20" / "train.csv")
    return folder


def agnews(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(AGNEWS), *map(str, arguments)], capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture
def serve(root: Path, tmp_path: Path) -> Iterator[Callable[[Path], httpx.Client]]:
    running: list[tuple[subprocess.Popen[bytes], httpx.Client]] = []

    def serve(log: Path) -> httpx.Client:
        (tmp_path / "token").write_text(TOKEN)
        output = tmp_path / "said"
        command = [str(AGNEWS), "serve", "--root", str(root), "--port", "0", "--poll", "0.2"]
        command += ["--log-requests", str(log), "--token-file", str(tmp_path / "token")]
        with output.open("w") as file:
            process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        end = time.monotonic() + 180
        while not (found := re.search(r"http://127\.0\.0\.1:\d+", output.read_text())):
            assert process.poll() is None, output.read_text()
            assert time.monotonic() < end
            time.sleep(0.2)
        running.append((process, httpx.Client(base_url=found[0], headers=SHOWN, timeout=60)))
        return running[-1][1]

    yield serve
    for process, client in running:
        client.close()
        os.kill(process.pid, signal.SIGTERM)
        process.wait(timeout=60)


def ask(client: httpx.Client, texts: list[str]) -> tuple[str, list[str]]:
    """Returns the id of the request, and the answers."""
    response = client.post("/v1/models/agnews:predict", json={"instances": texts})
    assert response.status_code == 200, response.text
    return response.headers["X-Request-Id"], [each["label"] for each in response.json()["predictions"]]


def test_from_wrong_answers_to_a_better_model(
    run: Run, spans: Path, tmp_path: Path, serve: Callable[[Path], httpx.Client], root: Path
) -> None:
    settings = (f"data.source={spans}", "training.epochs=4")
    first = run(*settings)
    assert first.pushed_model is not None
    version = Path(first.pushed_model).name
    log = tmp_path / "log"
    client = serve(log)

    texts = texts_of_a_new_kind()
    asked, held_out = texts[:-40], texts[-40:]
    request, answers = ask(client, asked)
    truth = next(name for name in ("Sports", "World") if answers.count(name) < len(answers) / 2)
    _, before = ask(client, held_out)
    assert before.count(truth) < len(held_out) / 2, "the model does not know better yet"

    monitored = agnews("monitor", "--log", log, "--root", root, "--hours", "1", "--json")
    assert monitored.returncode == 3, monitored.stderr
    report = json.loads(monitored.stdout)
    assert report["version"] == version
    assert any(reason.startswith("domain") for reason in report["reasons"])

    labels = [{"request": f"{request}/{number}", "label": truth, "by": "ann"} for number in range(len(asked))]
    kept = client.post("/v1/models/agnews:feedback", json={"labels": labels})
    assert kept.status_code == 200, kept.text
    collected = agnews("feedback", "collect", "--log", log, "--data", spans, "--span", "2026-11-21", "--json")
    assert collected.returncode == 0, collected.stderr
    counts = json.loads(collected.stdout)
    assert counts["train"] + counts["test"] == len(asked)
    assert 0.04 < counts["test"] / len(asked) < 0.2

    second = run(*settings)
    assert second.spans is not None
    assert (second.spans.new, second.spans.since) == (("2026-11-21",), version)
    assert second.spans.rows["2026-11-21"] == counts["train"]
    assert second.pushed_model is not None
    pushed = Path(second.pushed_model).name
    assert pushed != version
    end = time.monotonic() + 120
    while client.get("/v1/models/agnews/card").json()["version"] != pushed:
        assert time.monotonic() < end, "the server takes over what is pushed"
        time.sleep(0.2)
    _, after = ask(client, held_out)
    assert after.count(truth) > 0.9 * len(held_out)
