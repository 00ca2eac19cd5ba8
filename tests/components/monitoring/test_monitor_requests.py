"""From logged requests to a report, the counters of a server, and an exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agnews.components.drift.build_reference import build_reference
from agnews.components.feedback.label_store import keep_labels
from agnews.components.feedback.random_share import is_in_random_share
from agnews.components.model_server.drift_watch import DriftWatch
from agnews.components.model_server.metrics import Metrics
from agnews.components.model_store import ModelStore
from agnews.components.model_store.find_pushed_model import find_pushed_model
from agnews.components.model_store.publish import publish
from agnews.components.monitoring.monitor_requests import monitor_requests, require_reference
from agnews.components.request_log.places import Places, places_at
from agnews.components.request_log.request_log import LogSettings, RequestLog
from agnews.schemas.errors import AgnewsError
from agnews.schemas.feedback import GivenLabel, Source
from agnews.schemas.kept_text import KeptText
from agnews.schemas.monitor_reference import MONITOR_FILE, MonitorReference

CLASSES = ("World", "Sports")
AGNEWS = Path(sys.executable).with_name("agnews")
NEWS = ["minister", "troops", "talks", "vote", "border", "peace", "capital", "leader", "party", "crisis"]
BANK = ["card", "transfer", "pin", "fee", "balance", "refund", "account", "payment", "cash", "limit"]


def write(random: np.random.Generator, words: list[str], rows: int) -> list[str]:
    return [" ".join(random.choice(words, size=random.integers(8, 16))) for _ in range(rows)]


def answers(random: np.random.Generator, rows: int) -> np.ndarray:
    first = random.beta(2, 2, rows)
    return np.stack([first, 1 - first], axis=1)


def log_texts(places: Places, texts: list[str], random: np.random.Generator, version: str, **settings: Any) -> None:
    log = RequestLog(LogSettings(places, **settings))
    log.start()
    for number, text in enumerate(texts):
        probabilities = answers(random, 1).astype(np.float32)
        label = np.array([CLASSES[int(probabilities.argmax())].encode()], object)
        log.offer(f"r{number}", version, [text.encode()], {"label": label, "probabilities": probabilities}, 0.01)
    log.close()


@pytest.fixture(scope="module")
def reference() -> MonitorReference:
    random = np.random.default_rng(0)
    texts = [text.encode() for text in write(random, NEWS, 2000)]
    probabilities = answers(random, 2000)
    labels = (random.random(2000) > probabilities[:, 0]).astype(np.int64)
    return build_reference(
        [texts],
        alphabet="abcdefghijklmnopqrstuvwxyz",
        classes=CLASSES,
        answers=probabilities.argmax(axis=1),
        confidence=probabilities.max(axis=1),
        labels=labels,
    )


@pytest.fixture
def store(export_model: Callable[..., Path], reference: MonitorReference, tmp_path: Path) -> ModelStore:
    store = ModelStore(str(tmp_path / "root" / "models"), "agnews")
    (tmp_path / "monitor.json").write_text(reference.model_dump_json())
    publish(
        store,
        model=str(export_model(keywords=("a", "b"), class_names=CLASSES)),
        extra_files={MONITOR_FILE: str(tmp_path / "monitor.json")},
        judged_against="",
        fingerprint="",
        run_id="run",
        accuracy=0.9,
        classes=CLASSES,
    )
    return store


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return places_at(str(tmp_path / "log"))


def look(places: Places, reference: MonitorReference, version: str = "1") -> Any:
    now = datetime.now(UTC)
    return monitor_requests(places, reference, version, now - timedelta(days=1), now + timedelta(minutes=1))


@pytest.mark.parametrize("kept", [KeptText.ALL, KeptText.NONE])
def test_drift_is_found_whether_texts_are_kept_or_not(
    places: Places, reference: MonitorReference, kept: KeptText
) -> None:
    random = np.random.default_rng(1)
    log_texts(places, write(random, NEWS, 600), random, "1", text=kept)
    quiet = look(places, reference)
    assert (quiet.state, quiet.rows, quiet.reasons) == ("quiet", 600, ())
    assert quiet.estimated_accuracy is not None
    assert quiet.estimated_accuracy.low < 0.69 < quiet.estimated_accuracy.high
    log_texts(places, write(random, BANK, 100), random, "1", text=kept)
    found = look(places, reference)
    assert found.state == "alarm"
    assert any(reason.startswith("domain: AUC") for reason in found.reasons)


def test_only_this_version_and_only_enough_rows_are_judged(places: Places, reference: MonitorReference) -> None:
    random = np.random.default_rng(2)
    log_texts(places, write(random, BANK, 300), random, "2")
    found = look(places, reference)
    assert (found.state, found.rows, found.features) == ("too few rows", 0, ())


def test_accuracy_is_measured_on_the_random_share_that_people_were_asked_about(
    places: Places, reference: MonitorReference
) -> None:
    random = np.random.default_rng(3)
    # Texts that differ: a text that was labelled twice counts once.
    texts = [f"{text} {number}" for number, text in enumerate(write(random, NEWS, 300))]
    log_texts(places, texts, random, "1")
    drawn = [f"r{number}" for number in range(300) if is_in_random_share(f"r{number}/0")]
    others = [f"r{number}" for number in range(300) if not is_in_random_share(f"r{number}/0")]
    labels = [GivenLabel(request=each, label="World", by="ann") for each in drawn]
    keep_labels(places, labels, Source.QUEUE)
    keep_labels(places, [GivenLabel(request=each, label="Sports", by="ann") for each in others[:50]], Source.API)
    measured = look(places, reference).measured_accuracy
    assert measured is not None
    assert measured.rows == len(drawn)
    assert measured.low < 0.5 < measured.high


def test_a_server_looks_and_tells_when_an_alarm_begins_and_ends(
    places: Places, store: ModelStore, reference: MonitorReference
) -> None:
    from types import SimpleNamespace

    model = find_pushed_model(store)
    version = model.record.version
    host: Any = SimpleNamespace(current=model, version=version)
    metrics, told = Metrics(), []
    watch = DriftWatch(host, places, metrics, told.append)
    assert watch.alphabet().characters == "abcdefghijklmnopqrstuvwxyz"
    random = np.random.default_rng(4)
    log_texts(places, write(random, BANK, 300), random, version)
    watch.look()
    watch.look()
    assert len(told) == 1
    assert told[0].startswith("drift: alarm; ")
    page = metrics.page().decode()
    assert 'agnews_drift_alarm{feature="domain"} 1.0' in page
    assert "agnews_judged_rows 300.0" in page
    for path in Path(places.requests).rglob("*.parquet"):
        path.unlink()
    log_texts(places, write(random, NEWS, 300), random, version)
    watch.look()
    assert told[1:] == ["drift: quiet; what is asked fits the model again"]


def test_the_command_ends_with_3_on_an_alarm_and_says_what_it_found(
    places: Places, store: ModelStore, tmp_path: Path
) -> None:
    random = np.random.default_rng(5)
    version = find_pushed_model(store).record.version
    log_texts(places, write(random, NEWS, 300), random, version)
    command = [str(AGNEWS), "monitor", "--log", places.uri, "--models", store.uri.rpartition("/")[0]]
    quiet = subprocess.run(command, capture_output=True, text=True, check=False)
    assert quiet.returncode == 0, quiet.stderr
    assert "quiet" in quiet.stdout
    assert "accuracy, estimated" in quiet.stdout
    assert "holds where texts have changed and what they mean has not" in " ".join(quiet.stdout.split())
    log_texts(places, write(random, BANK, 300), random, version)
    alarm = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    assert alarm.returncode == 3
    report = json.loads(alarm.stdout)
    assert report["state"] == "alarm"
    assert {each["feature"] for each in report["features"] if each["alarm"]} >= {"domain"}
    # Told once, with the reasons, however often somebody looks.
    told, execution = tmp_path / "told", tmp_path / "execution.yaml"
    execution.write_text(f"notify: {{channels: [{{kind: command, command: [tee, -a, {told}]}}]}}\n")
    for _ in range(2):
        assert subprocess.run([*command, "--execution", execution], capture_output=True, check=False).returncode == 3
    message = json.loads(told.read_text())
    assert (message["event"], message["version"]) == ("drift", version)
    assert message["reasons"] == report["reasons"]


def test_a_version_without_a_reference_is_refused_with_words(tmp_path: Path) -> None:
    with pytest.raises(AgnewsError, match="without counts of its training rows"):
        require_reference(str(tmp_path), "7")
