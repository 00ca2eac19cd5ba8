"""A version of the store, judged anew with real models: small ones that look for a word."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from typer.testing import CliRunner

from agnews.components.engines import find_export
from agnews.components.engines.find_export import exports_beside
from agnews.components.model_store import ModelStore
from agnews.components.model_store.baseline_at import CORPUS_FILE
from agnews.components.model_store.publish import publish
from agnews.components.model_store.rollback import rollback
from agnews.components.serving_model import load_predictor
from agnews.components.storage.files_at import files_at
from agnews.pipeline.cli.models import app
from agnews.pipeline.promotion import judge_version
from agnews.schemas.corpus import LabelSets
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.errors import ExitCode
from agnews.schemas.evaluation import PairedTest
from agnews.schemas.model_export import ExportSpeed, ExportTest, ModelExport
from agnews.schemas.smoke_report import Check, SmokeReport

CLASSES = packaged_corpus().class_names
WORDS = ("minister", "coach", "profit", "software")


def looks_for(words: tuple[str, ...], folder: Path) -> str:
    """A model that is sure of the class whose word a text has."""

    def answer(text: tf.Tensor) -> dict[str, tf.Tensor]:
        found = [tf.strings.regex_full_match(text, f"(?s).*({word}).*") for word in words]
        return {"probabilities": tf.nn.softmax(9.0 * tf.cast(tf.stack(found, axis=1), tf.float32))}

    module = tf.Module()
    module.answer = tf.function(answer, input_signature=[tf.TensorSpec([None], tf.string, "text")])
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.answer})
    return str(folder)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("models")
    # The worse one takes coaches for ministers in texts of both.
    return {
        "good": looks_for(WORDS, folder / "good"),
        "worse": looks_for((f"{WORDS[0]}|late coach", *WORDS[1:]), folder / "worse"),
    }


@pytest.fixture
def store(models: dict[str, str], tmp_path: Path) -> Callable[..., ModelStore]:
    """A store whose first version is in production again, after the second was rolled back from."""

    def fill(first: str, second: str, metric: str = "accuracy") -> ModelStore:
        corpus = tmp_path / "corpus.json"
        told = packaged_corpus().model_copy(update={"settings": {"evaluation": {"metric": metric}}})
        corpus.write_text(told.model_dump_json())
        store = ModelStore(str(tmp_path / "root" / "models"), "agnews")
        for number, name in enumerate((first, second)):
            current = store.production()
            publish(
                store,
                model=models[name],
                extra_files={CORPUS_FILE: str(corpus)},
                judged_against=current.version if current else "",
                fingerprint=str(number),
                run_id=f"run-{number}",
                accuracy=0.9,
                classes=CLASSES,
            )
        rollback(store, why="for a test")
        return store

    return fill


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """600 rows as AG News has them; a third of those of the second class say `late coach`."""
    lines = []
    for row in range(600):
        late = "late " if row % 4 == 1 and row % 3 == 0 else ""
        lines.append(f'"{1 + row % 4}","the {late}{WORDS[row % 4]} said {row}","and more"')
    (tmp_path / "test.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "test.csv"


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """These models lack the signatures that the smoke test asks for; the one of a run has them (tests/e2e)."""
    report = SmokeReport(passed=True, latency_ms=1.0, size_mb=1.0)
    monkeypatch.setattr(judge_version, "try_model", lambda *_, **__: report)


def promote(root: Path, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["promote", *arguments, "--root", str(root)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def in_production(store: ModelStore) -> str:
    current = store.production()
    assert current is not None
    return current.version


@pytest.mark.usefixtures("passes")
def test_a_version_that_is_not_worse_goes_into_production(
    store: Callable[..., ModelStore], rows: Path, tmp_path: Path
) -> None:
    there = store("worse", "good")
    newest = there.versions()[-1]
    code, said = promote(tmp_path / "root", newest, "--test", str(rows), "--reason", "it is Monday")
    assert code == 0, said
    assert "judged on 600 rows" in said
    assert "accuracy 100.0 %" in said
    assert "won 50 rows and lost 0" in said
    assert in_production(there) == newest
    assert there.moves()[-1].why == "it is Monday"


@pytest.mark.usefixtures("passes")
def test_one_that_is_worse_stays_out_and_a_person_may_overrule_that(
    store: Callable[..., ModelStore], rows: Path, tmp_path: Path
) -> None:
    there = store("good", "worse")
    oldest, newest = there.versions()
    code, said = promote(tmp_path / "root", newest, "--test", str(rows))
    assert code == ExitCode.NOT_BLESSED
    assert "won 0 rows and lost 50" in said
    assert "worse beyond noise" in said
    assert in_production(there) == oldest

    code, said = promote(tmp_path / "root", newest, "--test", str(rows), "--force", "--reason", "labels are wrong")
    assert code == 0, said
    assert in_production(there) == newest
    assert there.moves()[-1].why == "labels are wrong; overruled: not_worse"


def test_force_does_not_save_a_model_that_fails_the_smoke_test(
    store: Callable[..., ModelStore], rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = store("worse", "good")
    report = SmokeReport(passed=False, checks=(Check(name="loads", passed=False, found="killed", bound="it loads"),))
    monkeypatch.setattr(judge_version, "try_model", lambda *_, **__: report)
    code, said = promote(
        tmp_path / "root", there.versions()[-1], "--test", str(rows), "--force", "--reason", "I know better"
    )
    assert code == ExitCode.NOT_BLESSED
    assert "smoke test: loads: killed" in said
    assert in_production(there) == there.versions()[0]


@pytest.mark.usefixtures("passes")
def test_without_rows_force_is_the_only_way_and_the_trail_says_so(
    store: Callable[..., ModelStore], tmp_path: Path
) -> None:
    there = store("worse", "good")
    newest = there.versions()[-1]
    code, said = promote(tmp_path / "root", newest, "--force", "--reason", "the files are gone")
    assert code == 0, said
    assert "compared with nothing" in said
    assert "overruled: all rules" in there.moves()[-1].why
    assert in_production(there) == newest


@pytest.mark.usefixtures("passes")
def test_the_figure_that_the_corpus_names_is_what_versions_are_compared_by(
    store: Callable[..., ModelStore], rows: Path, tmp_path: Path
) -> None:
    # It loses coaches, and no minister.
    there = store("good", "worse", metric=f"recall:{CLASSES[0]}")
    code, said = promote(tmp_path / "root", there.versions()[-1], "--test", str(rows))
    assert code == 0, said
    assert f"recall of {CLASSES[0]}" in said
    assert in_production(there) == there.versions()[-1]


class _AlwaysCoaches:
    """An export in memory whose arithmetic has gone wrong."""

    def probabilities(self, texts: list[bytes]) -> np.ndarray:
        return np.tile(np.eye(len(CLASSES), dtype=np.float32)[1], (len(texts), 1))


def export_beside(store: ModelStore, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts an export beside a version that is faster than TensorFlow and answers otherwise."""
    paired = PairedTest(
        baseline=version,
        baseline_accuracy=0.9,
        only_candidate_right=1,
        only_baseline_right=2,
        difference=-0.01,
        confidence_interval=(-0.02, 0.01),
        level=0.9,
        p_worse=0.4,
    )
    export = ModelExport(
        engine="openvino",
        precision="int8",
        version=version,
        parent_digest=store.record(version).model_digest,
        digest="abc",
        classes=4,
        calibration_rows=0,
        passed=True,
        reason="",
        test=ExportTest(rows=100, source="test.csv", changed_answers=3, largest_difference=0.1, paired=paired),
        speed=ExportSpeed(engine=1.0, tensorflow=2.0, processor="a processor"),
        versions={},
    )
    target = f"{exports_beside(store.folder(version))}/{export.name}"
    export.write(target, files_at(target).write)
    monkeypatch.setattr(find_export, "is_installed", lambda name: True)
    monkeypatch.setattr(load_predictor, "open_export", lambda *_, **__: _AlwaysCoaches())


@pytest.mark.usefixtures("passes")
def test_what_is_judged_is_the_export_that_would_answer(
    store: Callable[..., ModelStore], rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = store("worse", "good")
    export_beside(there, there.versions()[-1], monkeypatch)
    code, said = promote(tmp_path / "root", there.versions()[-1], "--test", str(rows))
    assert code == ExitCode.NOT_BLESSED
    assert "accuracy 25.0 %" in said
    assert in_production(there) == there.versions()[0]


@pytest.mark.usefixtures("passes")
def test_files_that_are_not_those_that_were_pushed_are_refused_although_an_export_answers(
    store: Callable[..., ModelStore], rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = store("worse", "good")
    newest = there.versions()[-1]
    export_beside(there, newest, monkeypatch)
    Path(there.folder(newest), "saved_model.pb").write_bytes(b"something else")
    done = CliRunner().invoke(app, ["promote", newest, "--test", str(rows), "--root", str(tmp_path / "root")])
    assert "not what was pushed" in str(done.exception)
    assert in_production(there) == there.versions()[0]


@pytest.mark.usefixtures("passes")
@pytest.mark.parametrize("metric", ["accuracy", "micro_f1"])
def test_versions_of_several_classes_a_text_are_compared_by_whole_sets(metric: str, tmp_path: Path) -> None:
    def answer(text: tf.Tensor) -> dict[str, tf.Tensor]:
        found = [tf.strings.regex_full_match(text, f"(?s).*({word}).*") for word in WORDS]
        return {"probabilities": 0.2 + 0.5 * tf.cast(tf.stack(found, axis=1), tf.float32)}

    corpus = packaged_corpus().model_copy(
        update={
            "label": LabelSets(column="class", separator="|", may_be_empty=True),
            "settings": {"evaluation": {"metric": metric}},
        }
    )
    (tmp_path / "corpus.json").write_text(corpus.model_dump_json())
    store = ModelStore(str(tmp_path / "root" / "models"), "agnews")
    # The second one gives every text all classes that it has no word of.
    for number, thresholds in enumerate(((0.5,) * 4, (0.5, 0.5, 0.5, 0.1))):
        folder = tmp_path / f"model-{number}"
        module = tf.Module()
        module.answer = tf.function(answer, input_signature=[tf.TensorSpec([None], tf.string, "text")])
        tf.saved_model.save(module, str(folder), signatures={"serving_default": module.answer})
        (folder / "assets.extra").mkdir()
        (folder / "assets.extra" / "model.json").write_text(json.dumps({"thresholds": thresholds}))
        current = store.production()
        publish(
            store,
            model=str(folder),
            extra_files={CORPUS_FILE: str(tmp_path / "corpus.json")},
            judged_against=current.version if current else "",
            fingerprint=str(number),
            run_id=f"run-{number}",
            accuracy=0.9,
            classes=CLASSES,
        )
    first, second = store.versions()
    lines = []
    for row in range(600):
        has = [place for place in range(4) if (row + 1) >> place & 1]
        text = " and ".join(WORDS[place] for place in has)
        lines.append(f'"{"|".join(str(place + 1) for place in has)}","a text {row} of {text}","and more"')
    (tmp_path / "test.csv").write_text("\n".join(lines) + "\n")
    rollback(store, why="for a test")

    code, said = promote(tmp_path / "root", second, "--test", str(tmp_path / "test.csv"))

    assert code == ExitCode.NOT_BLESSED, said
    assert "won 0 rows and lost 3" in said
    assert in_production(store) == first
