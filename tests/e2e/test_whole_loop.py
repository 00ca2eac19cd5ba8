"""The whole loop: a model is served, what is asked drifts, people are told and label it, a better model is trained,
tried in the shadow of the old one and promoted, and what nobody needs is removed. No file is touched by hand.

The tests build on each other, in this order.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from agnews.components.corpus_files.sample import write_sample
from agnews.pipeline.load_execution import load_execution
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.run_report import RunReport

# Two whole runs.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

AGNEWS = Path(sys.executable).with_name("agnews")
DASHBOARD = json.loads((Path(__file__).parents[2] / "kubeflow" / "prometheus" / "grafana-dashboard.json").read_text())
TOKEN = "a-token-of-a-test"
SHOWN = {"Authorization": f"Bearer {TOKEN}"}
WHO = ("riders", "novices", "veterans", "juniors", "visitors", "locals", "twins", "favourites")
HOW = ("twice", "again", "in the rain", "at dawn", "by a nose", "for fun", "with ease", "on ice", "at last", "uphill")
WHERE = ("Ulm", "Oulu", "Cork", "Bari")
TAILS = (
    "",
    "The crowd sang until the last of them had gone home through the rain.",
    "Few had thought on Monday that it would come to this, and fewer still that so many would stay to see it.",
    "A spokesman said that more of this is to be expected in the coming year, although nobody knows yet who will pay.",
    (
        "It was the third time in a month, after an early start on Tuesday, a long delay and a change of plans, which "
        "left both sides with more questions than answers, as one of those who were there told reporters later."
    ),
)
"""Labelled rows have the lengths of news: a pile of short ones would be told as a difference between train and test."""

Run = Callable[..., RunReport]


def texts_of_a_new_kind() -> list[str]:
    """What no training row has: a sport that nobody has written about."""
    heads = [f"The {who} quidded the zorbal {how} near {where}." for who in WHO for how in HOW for where in WHERE]
    return [f"{head} {TAILS[row % 5]} {TAILS[row % 3]}".strip() for row, head in enumerate(heads)]


@pytest.fixture(scope="module")
def spans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample as one span. Some of its labels are wrong, as everywhere."""
    folder = tmp_path_factory.mktemp("spans")
    write_sample(folder, packaged_corpus())
    (folder / "2026-11-20").mkdir()
    (folder / "train.csv").rename(folder / "2026-11-20" / "train.csv")
    return folder


@pytest.fixture(scope="module", autouse=True)
def registry(mlflow_server: str) -> Iterator[Callable[[], dict[str, str]]]:
    """A real server of MLflow; returns which version has which alias."""
    mlflow = pytest.importorskip("mlflow", reason="the extra agnews[mlflow] is not installed")
    client = mlflow.MlflowClient(mlflow_server, mlflow_server)

    def aliases() -> dict[str, str]:
        found = client.get_registered_model("agnews").aliases
        return {
            alias: client.get_model_version("agnews", number).tags["agnews.version"] for alias, number in found.items()
        }

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", mlflow_server)
        yield aliases


@pytest.fixture(scope="module")
def execution(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An execution file whose only channel keeps what it is told."""
    folder = tmp_path_factory.mktemp("told")
    keep = "import sys, uuid; open(f'{sys.argv[1]}/{uuid.uuid4()}.json', 'w').write(sys.stdin.read())"
    channel = {"kind": "command", "command": [sys.executable, "-c", keep, str(folder)]}
    (folder / "execution.yaml").write_text(json.dumps({"notify": {"channels": [channel]}}))
    return folder / "execution.yaml"


def told(execution: Path) -> list[dict[str, Any]]:
    """What people were told since the last time."""
    files = list(execution.parent.glob("*.json"))
    found = [json.loads(file.read_text()) for file in files]
    for file in files:
        file.unlink()
    return found


def agnews(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(AGNEWS), *map(str, arguments)], capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture(scope="module")
def settings(spans: Path) -> tuple[str, ...]:
    return (f"data.source={spans}", "training.epochs=4")


@pytest.fixture(scope="module")
def first(run: Run, settings: tuple[str, ...], execution: Path) -> RunReport:
    return run(*settings, notifications=load_execution(execution).notify)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("requests") / "log"


@contextmanager
def serve(root: Path, folder: Path, *options: str) -> Iterator[httpx.Client]:
    """Asks a server of its own, which follows what is pushed."""
    (folder / "token").write_text(TOKEN)
    command = [str(AGNEWS), "serve", "--root", str(root), "--port", "0", "--poll", "0.2", *options]
    command += ["--token-file", str(folder / "token")]
    said = folder / "said"
    with said.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + 300
        while not (found := re.search(r"http://127\.0\.0\.1:\d+", said.read_text())):
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < end
            time.sleep(0.2)
        with httpx.Client(base_url=found[0], headers=SHOWN, timeout=60) as client:
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def desk(client: httpx.Client, verb: str, body: dict[str, Any]) -> Any:
    """What the labelling page does."""
    response = client.post(f"/v1/models/agnews:{verb}", json=body)
    assert response.status_code == 200, response.text
    return response.json()


@contextmanager
def prometheus(watched: httpx.Client, folder: Path) -> Iterator[Callable[[str], list[dict[str, Any]]]]:
    """A Prometheus that reads a server; answers expressions."""
    (folder / "token").write_text(TOKEN)
    job = {
        "job_name": "agnews",
        "authorization": {"credentials_file": str(folder / "token")},
        "static_configs": [{"targets": [watched.base_url.netloc.decode()]}],
    }
    settings = {"global": {"scrape_interval": "1s"}, "scrape_configs": [job]}
    (folder / "prometheus.yml").write_text(json.dumps(settings))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    with (folder / "said").open("w") as said:
        process = subprocess.Popen([*command, f"--web.listen-address={address}"], stdout=said, stderr=said)
    try:
        with httpx.Client(base_url=f"http://{address}", timeout=30) as client:

            def query(expression: str) -> list[dict[str, Any]]:
                try:
                    response = client.get("/api/v1/query", params={"query": expression})
                except httpx.ConnectError:
                    assert process.poll() is None, (folder / "said").read_text()
                    return []
                if response.status_code == 503:
                    return []  # It has not read what it has written before.
                assert response.status_code == 200, response.text
                found: list[dict[str, Any]] = response.json()["data"]["result"]
                return [each for each in found if each["value"][1] != "NaN"]

            yield query
    finally:
        process.terminate()
        process.wait(timeout=60)


@pytest.fixture(scope="module")
def client(root: Path, first: RunReport, log: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with serve(root, tmp_path_factory.mktemp("server"), "--log-requests", str(log)) as client:
        yield client


def wait_for(client: httpx.Client, version: str) -> None:
    end = time.monotonic() + 120
    while client.get("/v1/models/agnews/card").json()["version"] != version:
        assert time.monotonic() < end, "the server takes over what is in production"
        time.sleep(0.2)


def ask(client: httpx.Client, texts: list[str]) -> tuple[str, list[str]]:
    """Returns the id of the request, and the answers."""
    response = client.post("/v1/models/agnews:predict", json={"instances": texts})
    assert response.status_code == 200, response.text
    return response.headers["X-Request-Id"], [each["label"] for each in response.json()["predictions"]]


@dataclass(frozen=True)
class Asked:
    """What was asked of the first model."""

    request: str
    rows: int
    truth: str
    held_out: list[str]


@pytest.fixture(scope="module")
def asked(client: httpx.Client) -> Asked:
    texts = texts_of_a_new_kind()
    request, answers = ask(client, texts[:-40])
    truth = next(name for name in ("Sports", "World") if answers.count(name) < len(answers) / 2)
    _, before = ask(client, texts[-40:])
    assert before.count(truth) < 20, "the model does not know better yet"
    return Asked(request, len(answers), truth, texts[-40:])


def test_a_first_model_is_pushed_with_counts_of_its_rows(
    first: RunReport, execution: Path, registry: Callable[[], dict[str, str]]
) -> None:
    assert first.pushed_model is not None
    (message,) = told(execution)
    assert (message["event"], message["version"]) == ("pushed", Path(first.pushed_model).name)
    assert registry() == {"champion": Path(first.pushed_model).name}
    counts = json.loads((Path(first.pushed_model) / "assets.extra" / "monitor.json").read_text())
    assert counts["rows"] > 2000
    assert len(counts["alphabet"]) > 500
    assert sum(counts["answers"]) == counts["test_rows"] == 800


def test_what_it_does_not_know_is_an_alarm_that_people_are_told_of_once(
    root: Path, log: Path, first: RunReport, asked: Asked, execution: Path
) -> None:
    command = ("monitor", "--log", log, "--root", root, "--hours", "1", "--json", "--execution", execution)
    monitored = agnews(*command)
    assert monitored.returncode == 3, monitored.stderr
    report = json.loads(monitored.stdout)
    assert report["version"] == Path(str(first.pushed_model)).name
    assert any(reason.startswith("domain") for reason in report["reasons"])
    assert agnews(*command).returncode == 3
    (message,) = told(execution)
    assert (message["event"], message["reasons"]) == ("drift", report["reasons"])


@pytest.fixture(scope="module")
def mended(root: Path, log: Path, first: RunReport, asked: Asked) -> list[dict[str, Any]]:
    """Training rows whose labels look wrong, in the queue."""
    command = ("feedback", "queue", "--log", log, "--root", root, "--doubtful", first.run_id, "--most", "3", "--json")
    sent = agnews(*command)
    assert sent.returncode == 0, sent.stderr
    return [each for each in json.loads(sent.stdout) if each["why"] == "training"]


def test_the_queue_is_labelled_and_becomes_a_span(
    client: httpx.Client, log: Path, spans: Path, asked: Asked, mended: list[dict[str, Any]]
) -> None:
    reasons: Counter[str] = Counter()
    skip: list[str] = []
    while texts := desk(client, "queue", {"by": "ann", "number": 100, "skip": skip})["texts"]:
        # What the next model is going to be asked stays unknown to it.
        labels = [
            {"request": each["row"], "label": each["answer"] if each["label"] else asked.truth, "by": "ann"}
            for each in texts
            if each["label"] or each["row"].startswith(asked.request)
        ]
        reasons.update(each["why"] for each in texts)
        skip += [each["row"] for each in texts]
        if labels:
            desk(client, "feedback", {"source": "queue", "labels": labels})
    assert set(reasons) == {"random", "uncertain", "disagreement", "training"}
    assert reasons["training"] == len(mended) == 3
    assert all(each["label"] != each["answer"] for each in mended)
    collected = agnews("feedback", "collect", "--log", log, "--data", spans, "--span", "2026-11-21", "--json")
    assert collected.returncode == 0, collected.stderr
    counts = json.loads(collected.stdout)
    assert counts["train"] + counts["test"] == asked.rows + len(mended)
    assert 0.04 < counts["test"] / asked.rows < 0.2, "the random share is never learnt from"
    lines = (spans / "2026-11-21" / "provenance.jsonl").read_text().splitlines()
    said = {row["text"]: row for row in map(json.loads, lines)}
    for each in mended:
        assert (said[each["text"]]["label"], said[each["text"]]["said"][0]["by"]) == (each["answer"], "ann")


def test_every_panel_of_the_dashboard_has_something_to_show(
    root: Path, log: Path, asked: Asked, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A real Prometheus reads a real server, which looks at the log once it has started."""
    if shutil.which("prometheus") is None:
        pytest.skip("no Prometheus on this machine: apt-get install prometheus")
    with (
        serve(root, tmp_path_factory.mktemp("watched"), "--log-requests", str(log)) as watched,
        prometheus(watched, tmp_path_factory.mktemp("prometheus")) as query,
    ):
        waiting = {(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]}
        end = time.monotonic() + 180
        while waiting:
            assert time.monotonic() < end, f"nothing to show: {waiting}"
            ask(watched, asked.held_out[:1])
            waiting = {each for each in waiting if not query(each[1].replace("$instance", ".*"))}
            time.sleep(1)
        (measured,) = query('agnews_accuracy{known="measured",end="value"}')
        assert 0.0 <= float(measured["value"][1]) < 0.6, "it did not know"
        assert [each["value"][1] for each in query("max(agnews_drift_alarm)")] == ["1"]


@pytest.fixture(scope="module")
def second(
    run: Run, settings: tuple[str, ...], asked: Asked, execution: Path, mended: list[dict[str, Any]]
) -> RunReport:
    return run(*settings, notifications=load_execution(execution).notify)


def test_the_next_run_learns_from_it_and_the_server_knows_better(
    second: RunReport,
    first: RunReport,
    client: httpx.Client,
    asked: Asked,
    mended: list[dict[str, Any]],
    execution: Path,
    registry: Callable[[], dict[str, str]],
) -> None:
    version = Path(str(first.pushed_model)).name
    assert second.spans is not None
    assert (second.spans.new, second.spans.since) == (("2026-11-21",), version)
    assert second.documents.data_card is not None
    assert second.documents.data_card.left_out_as_corrected >= len(mended), "what people have mended is learnt once"
    assert second.pushed_model is not None
    pushed = Path(second.pushed_model).name
    assert pushed != version
    assert registry() == {"champion": pushed, "previous": version}
    assert [message["version"] for message in told(execution) if message["event"] == "pushed"] == [pushed]
    wait_for(client, pushed)
    _, after = ask(client, asked.held_out)
    assert after.count(asked.truth) > 0.9 * len(asked.held_out)


def test_it_is_tried_in_the_shadow_of_the_old_one_and_promoted(
    root: Path,
    first: RunReport,
    second: RunReport,
    client: httpx.Client,
    asked: Asked,
    registry: Callable[[], dict[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    old, new = (Path(str(report.pushed_model)).name for report in (first, second))
    assert agnews("models", "rollback", "--root", root).returncode == 0
    wait_for(client, old)
    assert registry() == {"champion": old, "previous": new}
    with serve(root, tmp_path_factory.mktemp("shadow"), "--shadow", new) as shadowed:
        _, answers = ask(shadowed, asked.held_out)
        assert answers.count(asked.truth) < 20, "the old one answers"
        end, differing = time.monotonic() + 60, 0
        while differing < 20:
            page = shadowed.get("/metrics").text
            rows = re.findall(r'agnews_shadow_rows_total\{label="[^"]*",outcome="different"\} ([0-9.]+)', page)
            differing = int(sum(map(float, rows)))
            assert time.monotonic() < end, page
            time.sleep(0.2)
    promoted = agnews("models", "promote", new, "--root", root, "--reason", "its shadow knew better")
    assert promoted.returncode == 0, promoted.stderr
    wait_for(client, new)
    assert registry() == {"champion": new, "previous": old}


def test_what_nobody_needs_is_removed_and_what_production_needs_stays(
    run: Run, root: Path, first: RunReport, second: RunReport, settings: tuple[str, ...]
) -> None:
    tried = run(*settings, "training.epochs=1", to_node="Trainer")
    newest = run(*settings, to_node="DataGate")
    planned = agnews("clean", "--keep", "1", "--dry-run", "--json", "--root", root)
    assert planned.returncode == 0, planned.stderr
    runs = root / "runs"
    assert (runs / tried.run_id).exists()
    cleaned = agnews("clean", "--keep", "1", "--json", "--root", root)
    assert cleaned.returncode == 0, cleaned.stderr
    assert tried.run_id in cleaned.stdout
    left = {path.name for path in runs.iterdir()}
    # The first one stays where its model is the best that was ever pushed.
    assert left - {first.run_id} == {second.run_id, newest.run_id}, "production is of the second"
    # What made the model in production is still answered from the cache.
    again = run(*settings)
    assert again.ended_early is not None
