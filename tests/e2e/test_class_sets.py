"""A corpus of several classes a text, from a file to answers over HTTP. The tests build on each other."""

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
import pyarrow.parquet as pq
import pytest

import agnews
from agnews.schemas.run_report import RunReport

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

AGNEWS = Path(sys.executable).with_name("agnews")
SIGNS = {
    "card": ("my card was swallowed", "the card does not work", "a new card please"),
    "transfer": ("the transfer is late", "where is my transfer", "a transfer went twice"),
    "account": ("close the account", "open an account for my son", "which account is this"),
    "loan": ("a loan for a house", "the loan is too dear", "pay the loan back"),
}
SHARES = (0.45, 0.4, 0.35, 0.15)
AROUND = ("hello", "please", "since Monday", "thank you", "in Cork", "as I said", "quickly", "again", "well")


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(
        [str(AGNEWS), *map(str, arguments)], capture_output=True, text=True, check=False, env=environment
    )


def rows(count: int, seed: int) -> list[tuple[str, str]]:
    random = np.random.default_rng(seed)
    made = []
    for number in range(count):
        has = [name for name, share in zip(SIGNS, SHARES, strict=True) if random.random() < share]
        parts = [str(random.choice(SIGNS[name])) for name in has] + [str(each) for each in random.choice(AROUND, 4)]
        made.append((f"{' '.join(random.permutation(parts))} {seed}{number}", "; ".join(random.permutation(has))))
    return made


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`agnews corpus init` on a CSV file with a header."""
    folder = tmp_path_factory.mktemp("requests")
    for name, count, seed in (("train.csv", 1500, 1), ("test.csv", 400, 2)):
        with (folder / name).open("w", newline="") as file:
            csv.writer(file).writerows([("text", "topics"), *rows(count, seed)])
    done = command("corpus", "init", folder, "--out", folder / "corpus.yaml")
    assert done.returncode == 0, done.stderr
    assert "told apart by ';'" in done.stdout
    assert 'label: {column: topics, separator: ";", may_be_empty: true}' in (folder / "corpus.yaml").read_text()
    return folder / "corpus.yaml"


@pytest.fixture(scope="module")
def report(corpus: Path, root: Path) -> RunReport:
    settings = ("model.hidden_dim=32", "model.num_heads=2", "training.epochs=10", "training.learning_rate=3e-3")
    options = [option for setting in settings for option in ("--set", setting)]
    done = command("run", "--corpus", corpus, "--model", "transformer", "--root", root, *options)
    assert done.returncode == 0, done.stderr + done.stdout
    (path,) = root.glob("runs/*/report.json")
    return RunReport.model_validate_json(path.read_text())


def test_a_network_learns_sets_and_is_compared_with_a_linear_model(report: RunReport, root: Path) -> None:
    evaluation = report.documents.evaluation
    assert evaluation is not None
    figures = {figure.name: figure.value for figure in evaluation.metrics.figures}
    assert figures["micro_f1"] > 0.9
    assert figures["accuracy"] > 0.75
    assert evaluation.thresholds is not None
    assert len(evaluation.thresholds) == 4
    assert evaluation.verdict.linear_test is not None
    assert evaluation.verdict.linear_test.baseline_accuracy > 0.75
    (page,) = root.glob("runs/*/report.html")
    assert "Given too much" in page.read_text()
    (card,) = root.glob("models/agnews/*/assets.extra/model_card.md")
    assert "of which a text may have several" in card.read_text()


@pytest.fixture(scope="module")
def served(report: RunReport, root: Path) -> Iterator[str]:
    """A server of its own, on the model that the run has pushed."""
    assert report.pushed_model
    log = root / "serve.log"
    with log.open("w") as said:
        process = subprocess.Popen(
            [str(AGNEWS), "serve", "--port", "0", "--root", str(root)], stdout=said, stderr=subprocess.STDOUT
        )
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


TEXTS = ("the card does not work and where is my transfer", "pay the loan back please", "hello thank you well")


def test_a_server_names_all_classes_of_each_text(served: str) -> None:
    answer = httpx.post(f"{served}/v1/models/agnews:predict", json={"instances": list(TEXTS)}, timeout=60).json()

    both, loan, neither = answer["predictions"]
    assert sorted(both["labels"]) == ["card", "transfer"]
    assert loan["labels"] == ["loan"]
    assert neither["labels"] == []
    assert sum(both["probabilities"]) > 1.5
    classes = ["account", "card", "loan", "transfer"]
    for each in answer["predictions"]:
        assert [name for name, chosen in zip(classes, each["chosen"], strict=True) if chosen] == each["labels"]
    top = httpx.post(f"{served}/v1/models/agnews:predict", json={"instances": list(TEXTS), "k": 2}, timeout=60).json()
    assert "chosen" not in top["predictions"][0]
    assert sorted(top["predictions"][0]["top_labels"]) == ["card", "transfer"]
    assert sorted(top["predictions"][0]["labels"]) == ["card", "transfer"]
    refused = httpx.post(f"{served}/v1/models/agnews:explain", json={"instances": list(TEXTS)}, timeout=60)
    assert refused.status_code == 400
    assert "signature" in refused.json()["error"]


def test_predict_batch_and_a_program_say_what_the_server_says(report: RunReport, root: Path, tmp_path: Path) -> None:
    source = tmp_path / "texts.csv"
    with source.open("w", newline="") as file:
        csv.writer(file).writerows([("text",), *((text,) for text in TEXTS)])

    done = command("predict", "--file", source, "--root", root, "--format", "csv")
    assert done.returncode == 0, done.stderr
    cells = [row["labels"] for row in csv.DictReader(done.stdout.splitlines())]
    assert [sorted(cell.split(";")) for cell in cells] == [["card", "transfer"], ["loan"], [""]]

    done = command("batch", "--input", source, "--root", root, "--output", tmp_path / "out", "--format", "parquet")
    assert done.returncode == 0, done.stderr
    (part,) = (tmp_path / "out" / "predictions").glob("*.parquet")
    assert [sorted(each) for each in pq.read_table(part)["labels"].to_pylist()] == [["card", "transfer"], ["loan"], []]

    found = agnews.load(str(root / "models" / "agnews")).predict(list(TEXTS))
    assert [sorted(each.labels) for each in found] == [["card", "transfer"], ["loan"], []]


def test_the_next_run_is_judged_by_the_metric_that_is_asked_for(corpus: Path, report: RunReport, root: Path) -> None:
    options = ("--set", "evaluation.metric=micro_f1")
    done = command("run", "--corpus", corpus, "--model", "linear", "--root", root, *options)
    assert done.returncode in (0, 3), done.stderr
    latest = max(root.glob("runs/*/report.json"), key=lambda path: path.stat().st_mtime)
    evaluation = RunReport.model_validate_json(latest.read_text()).documents.evaluation
    assert evaluation is not None
    verdict = evaluation.verdict
    assert verdict.paired_test is not None
    assert verdict.paired_test.metric == "micro F1"
    assert verdict.paired_test.baseline_accuracy > 0.9

    runs = sorted(path.parent.name for path in root.glob("runs/*/report.json"))
    compared = command("compare", *runs, "--root", root, "--json")
    assert compared.returncode == 0, compared.stderr
    assert json.loads(compared.stdout)["rows"] == 400


@pytest.mark.long
def test_a_search_for_settings_compares_trials_on_sets(corpus: Path, tmp_path: Path) -> None:
    settings = ("model.hidden_dim=16", "model.num_heads=2", "training.epochs=4", "training.learning_rate=3e-3")
    options = [option for setting in settings for option in ("--set", setting)]
    where = ("--root", tmp_path / "root", "--out", tmp_path / "best.yaml")
    done = command("tune", "--corpus", corpus, "--model", "transformer", "--trials", "2", *where, *options)
    assert done.returncode == 0, done.stderr + done.stdout
    losses = [float(found) for found in re.findall(r"loss (\d+\.\d+)", done.stdout)]
    # Four classes, each there or not: a guess of their shares costs more than 2 nats.
    assert min(losses) < 1.5, done.stdout
    found = command("run", "--corpus", corpus, "--config", tmp_path / "best.yaml", "--no-push", *where[:2])
    assert found.returncode in (0, 3), found.stderr


@pytest.mark.long
@pytest.mark.parametrize("kind", ["bert_frozen", "bert_finetune"])
def test_an_encoder_learns_sets(corpus: Path, kind: str, tmp_path: Path) -> None:
    settings = ["model.num_layers=2", "data.limit=500"]
    settings += ["training.epochs=3", "training.learning_rate=3e-4"] if kind == "bert_finetune" else []
    options = [option for setting in settings for option in ("--set", setting)]
    done = command("run", "--corpus", corpus, "--model", kind, "--root", tmp_path, "--no-push", *options)
    assert done.returncode in (0, 3), done.stderr + done.stdout
    (path,) = tmp_path.glob("runs/*/report.json")
    evaluation = RunReport.model_validate_json(path.read_text()).documents.evaluation
    assert evaluation is not None
    figures = {figure.name: figure.value for figure in evaluation.metrics.figures}
    assert figures["micro_f1"] > 0.8
    assert evaluation.thresholds is not None


@pytest.mark.long
def test_two_processes_train_on_sets(corpus: Path, tmp_path: Path) -> None:
    settings = ("model.hidden_dim=32", "model.num_heads=2", "training.epochs=10", "training.learning_rate=3e-3")
    options = [option for setting in (*settings, "devices.workers=2") for option in ("--set", setting)]
    done = command("run", "--corpus", corpus, "--model", "transformer", "--root", tmp_path, "--no-push", *options)
    assert done.returncode in (0, 3), done.stderr + done.stdout
    (path,) = tmp_path.glob("runs/*/report.json")
    report = RunReport.model_validate_json(path.read_text())
    assert report.documents.evaluation is not None
    figures = {figure.name: figure.value for figure in report.documents.evaluation.metrics.figures}
    assert figures["micro_f1"] > 0.9
    assert report.documents.training is not None
    assert report.documents.training.devices["taken"]["workers"] == 2
