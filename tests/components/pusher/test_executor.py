"""Only what was blessed and can be served goes into production, and the next run finds it there."""

from __future__ import annotations

import io
import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agnews.components.model_store import ModelStore
from agnews.components.model_store.anchors import kept_anchor, needed_of_anchor
from agnews.components.model_store.brought_anchor import brought_anchor
from agnews.components.model_store.find_pushed_model import pushed_model_at
from agnews.components.model_store.prune import prune
from agnews.components.model_store.rollback import rollback
from agnews.components.second_opinion.hashed_words import read_hashed_words
from agnews.schemas.abstention import Abstention
from agnews.schemas.anchor import ANSWERS, Anchor
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.data_card import DataCard, Lengths, SpanCard, SplitCard
from agnews.schemas.errors import AgnewsError
from agnews.schemas.evaluation import ClassMetrics, Evaluation, Metrics, PairedTest, Verdict
from agnews.schemas.model_record import LearntFrom
from agnews.schemas.monitor_reference import MONITOR_FILE, MonitorReference
from agnews.schemas.push_outcome import MANY_USES, PushOutcome
from agnews.schemas.smoke_report import Check, SmokeReport

pytestmark = pytest.mark.integration

NAMES = ("World", "Sports", "Business", "Sci/Tech")
FACTS = {
    "class_names": NAMES,
    "model": {"kind": "transformer", "hidden_dim": 64},
    "text": {"vocabulary": "minilm", "lowercase": True, "max_length": 128, "max_unknown_share": 0.01},
    "training": {"epochs": 4, "learning_rate": 0.001},
    "vocabulary_sha256": "a" * 64,
    "encoder_sha256": None,
    "parameters": 1164460,
    "trained_parameters": 1164460,
    "train_rows": 8000,
    "devices": {"accelerator": "cpu", "precision": "float32", "global_batch_size": 128},
    "best_epoch": 3,
    "temperature": 1.0,
    "warm_start": None,
    "versions": {"agnews": "0.1.0", "tensorflow": "2.21.0"},
    "alphabet": "abc",
}
TEXTS = ("a b", "a <br> b", "a \u4e2d", "c c c")


def _predictions() -> bytes:
    rows = {
        "text": ["a b", "a <br> b", "a \u4e2d", "c c c"],
        "label": [0, 1, 2, 3],
        "class_id": [0, 1, 3, -1],
        "probabilities": [[0.7, 0.1, 0.1, 0.1], [0.1, 0.5, 0.2, 0.2], [0.0, 0.0, 0.1, 0.9], [float("nan")] * 4],
    }
    sink = io.BytesIO()
    pq.write_table(pa.table(rows), sink)
    return sink.getvalue()


def _train_records(texts: tuple[str, ...]) -> bytes:
    import tensorflow as tf

    with tempfile.NamedTemporaryFile() as file:
        with tf.io.TFRecordWriter(file.name) as writer:
            for label, text in enumerate(texts):
                example = tf.train.Example()
                example.features.feature["text"].bytes_list.value.append(text.encode())
                example.features.feature["label"].int64_list.value.append(label % 4)
                writer.write(example.SerializeToString())
        return Path(file.name).read_bytes()


PREDICTIONS, TRAIN_RECORDS = _predictions(), _train_records(TEXTS)
SPLIT = SplitCard(
    rows=4,
    rows_per_class=dict.fromkeys(NAMES, 1),
    duplicates=0,
    contradictions=0,
    words=Lengths(mean=37.8, p50=37, p95=55, p99=76, max=171),
    characters=Lengths(mean=235.4, p50=230, p95=390, p99=500, max=900),
    markup_share=0.2,
)
DATA_CARD = DataCard(
    corpus="ag_news",
    source="data",
    is_sample=False,
    digest="d" * 64,
    test_digest="e" * 64,
    spans=(SpanCard(name="2026-11-22", digest="f" * 64, rows=7),),
    splits={"train": SPLIT, "test": SPLIT},
    files={},
    left_out_as_test=0,
    left_out_by_limit=0,
    shared_by_train_and_eval=0,
    normalisation="",
)


def evaluation(*, blessed: bool = True, baseline: str = "", overruled: tuple[str, ...] = ()) -> Evaluation:
    test = PairedTest(
        baseline=baseline,
        baseline_accuracy=0.8,
        only_candidate_right=2,
        only_baseline_right=1,
        difference=0.01,
        confidence_interval=(-0.1, 0.1),
        level=0.9,
        p_worse=0.8,
    )
    return Evaluation(
        metrics=Metrics(
            count=4,
            accuracy=0.91,
            macro_f1=0.9,
            ece=0.1,
            per_class=tuple(ClassMetrics(name=name, precision=1.0, recall=1.0, f1=1.0, count=1) for name in NAMES),
            confusion_matrix=((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)),
        ),
        slices=(),
        verdict=Verdict(
            blessed=blessed,
            reasons=("a reason",),
            failed_rules=overruled if blessed else ("min_accuracy", "not_worse"),
            forced=bool(overruled),
            paired_test=test if baseline else None,
        ),
    )


@pytest.fixture
def push(tmp_path: Path) -> Callable[..., tuple[Any, PushOutcome]]:
    """Runs the executor; gives back its output artifact and the outcome that it wrote."""

    def run(
        model: bytes,
        *,
        blessed: bool = True,
        smoke: SmokeReport | None = None,
        baseline: str = "",
        fingerprint: str = "",
        overruled: tuple[str, ...] = (),
        no_push: bool = False,
        reason: str = "",
        anchor: Anchor | None = None,
        abstention: Abstention | None = None,
    ) -> tuple[Any, PushOutcome]:
        from tfx.types import standard_artifacts

        from agnews.components.artifact_types import Predictions, StepReport
        from agnews.components.pusher.executor import Executor

        folder = tmp_path / f"run{len(list(tmp_path.iterdir()))}"
        files = {
            "model/Format-Serving/saved_model.pb": model,
            "model/Format-Serving/assets.extra/model.json": json.dumps(FACTS).encode(),
            "statistics/Split-train/FeatureStats.pb": b"statistics of " + model,
            "evaluation/evaluation.json": evaluation(blessed=blessed, baseline=baseline, overruled=overruled)
            .model_copy(update={"abstention": abstention})
            .model_dump_json()
            .encode(),
            f"blessing/{'BLESSED' if blessed else 'NOT_BLESSED'}": b"",
            "smoke_report/report.json": (smoke or SmokeReport(passed=True)).model_dump_json().encode(),
            "data_card/train/feature_counts.json": b"counts of " + model,
            "predictions/test.parquet": PREDICTIONS,
            "examples/Split-train/data_tfrecord-00000-of-00001": TRAIN_RECORDS,
            "data_card/report.json": DATA_CARD.model_dump_json().encode(),
        }
        if anchor:
            files |= {"evaluation/anchor.json": anchor.json_bytes(), f"evaluation/{ANSWERS}": b"answers"}
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)

        def artifact(kind: Any, name: str) -> list[Any]:
            made = kind()
            made.uri = str(folder / name)
            return [made]

        examples = artifact(standard_artifacts.Examples, "examples")
        examples[0].split_names = '["train"]'
        output = artifact(standard_artifacts.PushedModel, "pushed_model")
        Executor(Executor.Context(pipeline_run_id="run-17")).Do(
            {
                "model": artifact(standard_artifacts.Model, "model"),
                "blessing": artifact(standard_artifacts.ModelBlessing, "blessing"),
                "evaluation": artifact(standard_artifacts.ModelEvaluation, "evaluation"),
                "statistics": artifact(standard_artifacts.ExampleStatistics, "statistics"),
                "smoke_report": artifact(StepReport, "smoke_report"),
                "data_card": artifact(StepReport, "data_card"),
                "predictions": artifact(Predictions, "predictions"),
                "examples": examples,
            },
            {"pushed_model": output},
            {
                "push_uri": str(tmp_path / "store"),
                "model_name": "agnews",
                "corpus": packaged_corpus().canonical(),
                "replaces": "",
                "no_push": int(no_push),
                "reason": reason,
                "fingerprint": fingerprint,
                "code_version": "",
            },
        )
        outcome = PushOutcome.model_validate_json((folder / "pushed_model" / "pushed.json").read_text())
        return output[0], outcome

    return run


@pytest.fixture
def bring_baseline(tmp_path: Path) -> Callable[..., Any]:
    """Runs BaselineModel on the store that `push` writes to; gives back its output artifact."""

    def run(production: str, anchor: str = "") -> Any:
        from tfx.types import standard_artifacts

        from agnews.components.baseline_model.executor import Executor

        model = standard_artifacts.Model()
        model.uri = str(tmp_path / f"baseline{len(list(tmp_path.iterdir()))}")
        Path(model.uri).mkdir()
        Executor().Do(
            {},
            {"model": [model]},
            {
                "push_uri": str(tmp_path / "store"),
                "model_name": "agnews",
                "production": production,
                "anchor": anchor,
                "code_version": "",
            },
        )
        return model

    return run


def test_a_blessed_model_goes_into_production_with_all_that_is_known_about_it(push: Any, tmp_path: Path) -> None:
    artifact, outcome = push(b"graph", fingerprint="f")

    record = ModelStore(str(tmp_path / "store"), "agnews").production()
    assert record is not None
    assert (record.run_id, record.accuracy, record.classes, record.fingerprint, record.judged_against) == (
        "run-17",
        0.91,
        NAMES,
        "f",
        "",
    )
    assert record.learnt_from == LearntFrom(digest="d" * 64, test_digest="e" * 64, spans={"2026-11-22": "f" * 64})
    folder = tmp_path / "store" / "agnews" / record.version
    assert (folder / "saved_model.pb").read_bytes() == b"graph"
    assert (folder / "assets.extra/statistics/FeatureStats.pb").read_bytes() == b"statistics of graph"
    assert (folder / "assets.extra/feature_counts.json").read_bytes() == b"counts of graph"
    card = (folder / "assets.extra/model_card.md").read_text()
    assert "91.00 % on 4 test rows" in card
    assert (Path(artifact.uri) / "model_card.md").read_text() == card
    assert outcome == PushOutcome(
        pushed=True,
        reason=f"version {record.version} is in production",
        version=record.version,
        digest=record.model_digest,
        destination=str(folder),
        test_uses=1,
    )
    assert artifact.get_int_custom_property("pushed") == 1
    assert artifact.get_string_custom_property("pushed_version") == record.version
    assert artifact.get_string_custom_property("pushed_destination") == str(folder)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"blessed": False}, "not blessed: min_accuracy, not_worse"),
        (
            {"smoke": SmokeReport(passed=False, checks=(Check(name="latency", passed=False, found="", bound=""),))},
            "the smoke test was not passed: latency",
        ),
        ({"smoke": SmokeReport(passed=False, skipped="no reason")}, "the smoke test was not passed: no reason"),
    ],
)
def test_what_may_not_be_pushed_is_not_and_says_why(
    push: Any, tmp_path: Path, arguments: dict[str, Any], reason: str
) -> None:
    artifact, outcome = push(b"graph", **arguments)

    assert outcome == PushOutcome(pushed=False, reason=reason, test_uses=1)
    assert artifact.get_int_custom_property("pushed") == 0
    assert not ModelStore(str(tmp_path / "store"), "agnews").versions()


def test_a_forced_promotion_is_told_and_recorded(push: Any, tmp_path: Path) -> None:
    _, outcome = push(b"graph", overruled=("min_accuracy", "not_worse"))

    assert outcome.pushed
    assert outcome.reason.endswith("is in production by force, against min_accuracy, not_worse")
    assert ModelStore(str(tmp_path / "store"), "agnews").record(outcome.version).overruled == (
        "min_accuracy",
        "not_worse",
    )


def test_a_forced_promotion_does_not_pass_a_failed_smoke_test(push: Any, tmp_path: Path) -> None:
    _, outcome = push(b"graph", overruled=("min_accuracy",), smoke=SmokeReport(passed=False, skipped="no reason"))

    assert not outcome.pushed
    assert not ModelStore(str(tmp_path / "store"), "agnews").versions()


def test_a_model_that_nobody_wants_pushed_is_in_no_store(push: Any, tmp_path: Path) -> None:
    artifact, outcome = push(b"graph", no_push=True)
    assert (outcome.pushed, outcome.version) == (False, "")
    assert "models promote" in outcome.reason
    assert artifact.get_int_custom_property("pushed") == 0
    assert ModelStore(str(tmp_path / "store"), "agnews").production() is None


def test_a_reason_stands_in_the_trail(push: Any, tmp_path: Path) -> None:
    push(b"graph", reason="labels were wrong")
    (move,) = ModelStore(str(tmp_path / "store"), "agnews").moves()
    assert "labels were wrong" in move.why


def test_the_same_model_is_in_production_already(push: Any, tmp_path: Path) -> None:
    _, first = push(b"graph", fingerprint="f")

    artifact, again = push(b"graph, serialised another way", fingerprint="f")

    assert again.version == first.version
    assert "already" in again.reason
    assert artifact.get_int_custom_property("pushed") == 1
    assert ModelStore(str(tmp_path / "store"), "agnews").versions() == (first.version,)


def test_what_was_rolled_back_from_is_not_pushed_again_and_the_way_back_is_told(push: Any, tmp_path: Path) -> None:
    _, first = push(b"one", fingerprint="f")
    _, second = push(b"two", baseline=first.version, fingerprint="g")
    store = ModelStore(str(tmp_path / "store"), "agnews")
    rollback(store)

    artifact, again = push(b"two, serialised another way", baseline=first.version, fingerprint="g")

    assert not again.pushed
    assert f"agnews models rollback --to {second.version}" in again.reason
    assert artifact.get_int_custom_property("pushed") == 0
    production = store.production()
    assert production is not None
    assert production.version == first.version


def test_the_same_model_judged_anew_is_not_pushed_again(push: Any, tmp_path: Path) -> None:
    _, first = push(b"graph", fingerprint="f")
    _, again = push(b"graph", fingerprint="another threshold", baseline=first.version)
    assert again.version == first.version
    assert ModelStore(str(tmp_path / "store"), "agnews").versions() == (first.version,)


def test_decisions_on_a_test_file_are_counted_once_each_and_many_are_warned_of(push: Any) -> None:
    _, first = push(b"one", fingerprint="f")
    _, again = push(b"one", fingerprint="f")
    held_back = [push(b"two", blessed=False, fingerprint=f"g{number}")[1] for number in range(MANY_USES - 1)]

    assert (first.test_uses, again.test_uses, held_back[0].test_uses) == (1, 1, 2)
    assert first.on_the_test_file == "This test file has decided 1 time."
    assert "look better than new texts will show: label some new ones" in held_back[-1].on_the_test_file


def test_the_best_ever_goes_along_stays_when_versions_are_removed_and_comes_back_with_a_rollback(
    push: Any, bring_baseline: Any, tmp_path: Path
) -> None:
    store = ModelStore(str(tmp_path / "store"), "agnews")
    best = push(b"one", anchor=Anchor(version="", rows_digest="r", accuracy=0.93, best_of=1))[1].version
    versions = [best]
    for number, model in enumerate((b"two", b"three", b"four"), 2):
        anchor = Anchor(version=best, rows_digest="r", accuracy=0.93, best_of=number)
        versions.append(push(model, baseline=versions[-1], anchor=anchor)[1].version)

    kept = kept_anchor(store, versions[-1])
    assert kept is not None
    assert (kept.version, kept.best_of, kept.test_digest) == (best, 4, "e" * 64)
    assert needed_of_anchor(store, versions[-1], "e" * 64) == "answers"
    assert needed_of_anchor(store, versions[-1], "another test file") == "model"
    assert needed_of_anchor(store, best, "another test file") == ""  # it is asked anyway

    fates = {each.version: each.kept_because for each in prune(store, 1)}
    assert "the best that was ever pushed" in fates[best]
    assert fates[versions[1]] == ""
    assert kept_anchor(store, versions[1]) is None

    answers, model = bring_baseline(versions[-1], "answers"), bring_baseline(versions[-1], "model")
    found = brought_anchor(answers.uri)
    assert found is not None
    assert (found.anchor, found.model) == (kept, None)
    scored = brought_anchor(model.uri)
    assert scored is not None
    assert scored.model is not None
    assert (Path(scored.model) / "saved_model.pb").read_bytes() == b"one"
    assert brought_anchor(bring_baseline(versions[-1], "").uri) is None

    rollback(store, best)
    before = kept_anchor(store, store.look().version)
    assert before is not None
    assert before.best_of == 1


def test_a_damaged_anchor_says_what_to_delete(push: Any, tmp_path: Path) -> None:
    version = push(b"one", anchor=Anchor(version="", rows_digest="r", accuracy=0.93, best_of=1))[1].version
    store = ModelStore(str(tmp_path / "store"), "agnews")
    (tmp_path / "store" / "agnews" / "anchors" / version / "anchor.json").write_text("{}")

    with pytest.raises(AgnewsError, match="does not say which model is the best") as caught:
        needed_of_anchor(store, version, "")
    assert "Delete" in caught.value.fix


def test_production_that_moved_meanwhile_fails_the_step(push: Any) -> None:
    _, first = push(b"one")
    push(b"two", baseline=first.version)

    with pytest.raises(AgnewsError, match="moved since this model was judged"):
        push(b"three", baseline=first.version)


def test_the_next_run_finds_what_was_pushed(push: Any, bring_baseline: Any) -> None:
    from agnews.components.model_store.baseline_at import baseline_at

    first = bring_baseline("?")
    assert baseline_at(first.uri) is None
    assert first.get_int_custom_property("has_baseline") == 0

    old = push(b"one")[1].version
    new = push(b"two", baseline=old)[1].version

    for asked, expected in (("?", new), (old, old), (new, new)):
        artifact = bring_baseline(asked)
        found = baseline_at(artifact.uri)
        assert found is not None
        assert found.record.version == expected
        assert (Path(found.folder) / "saved_model.pb").exists()
        assert found.counts is not None
        assert Path(found.counts).read_bytes().startswith(b"counts of")
        assert artifact.get_int_custom_property("has_baseline") == 1
        assert artifact.get_string_custom_property("version") == expected
    assert baseline_at(bring_baseline("").uri) is None


def test_a_damaged_store_stops_the_run_with_a_way_out(push: Any, bring_baseline: Any, tmp_path: Path) -> None:
    version = push(b"one")[1].version
    folder = tmp_path / "store" / "agnews" / version
    (folder / "saved_model.pb").write_bytes(b"another graph")
    with pytest.raises(AgnewsError, match="is corrupt"):
        bring_baseline("?")

    (folder / "saved_model.pb").unlink()
    with pytest.raises(AgnewsError, match="no whole version") as caught:
        bring_baseline("?")
    assert "delete" in caught.value.fix

    (tmp_path / "store" / "agnews" / "latest.json").write_text("{}")
    with pytest.raises(AgnewsError, match="not a model record"):
        bring_baseline("?")


def test_counts_of_training_texts_and_of_answers_go_with_the_model(
    push: Callable[..., tuple[Any, PushOutcome]], tmp_path: Path
) -> None:
    _, outcome = push(b"model")
    found = MonitorReference.model_validate_json((Path(outcome.destination) / MONITOR_FILE).read_text())
    assert (found.rows, found.alphabet, found.classes) == (4, "abc", NAMES)
    assert (found.markup, found.unknown) == ((3, 1), (2, 2))
    assert sum(found.words) == 4
    # An answer without probabilities is none.
    assert (found.test_rows, found.answers, sum(found.right)) == (3, (1, 1, 0, 1), 2)
    rates = sum(found.gram_rates()) / 2
    assert rates.sum() == pytest.approx(sum(2 * len(re.findall(r"\w+", text)) - 1 for text in TEXTS) / 4)


def test_a_linear_model_of_words_goes_with_it_for_a_second_opinion(
    push: Callable[..., tuple[Any, PushOutcome]],
) -> None:
    _, outcome = push(b"model")
    words = read_hashed_words(outcome.destination)
    assert words is not None
    assert words.classes == NAMES
    said = words.probabilities(TEXTS)
    assert said.argmax(axis=1).tolist() == [0, 1, 2, 3]
    assert said.sum(axis=1) == pytest.approx(1.0)
    _, again = push(b"model")
    assert again.version == outcome.version, "the same rows give the same bytes"


@pytest.mark.parametrize(("threshold", "below"), [(0.62, 0.62), (None, 0.0)])
def test_where_a_model_abstains_goes_with_it(push: Any, threshold: float | None, below: float) -> None:
    said = Abstention(wanted=0.95, threshold=threshold, eval_rows=400, coverage=0.8, precision=0.96)
    _, outcome = push(b"model", abstention=said)
    assert pushed_model_at(outcome.destination).abstains_below() == below
    _, again = push(b"model", abstention=said)
    assert again.version == outcome.version
    # The same weights that abstain elsewhere are another model.
    _, other = push(b"model", abstention=said.model_copy(update={"threshold": 0.7}), baseline=outcome.version)
    assert other.version != outcome.version
    card = (Path(other.destination) / "assets.extra/model_card.md").read_text()
    assert "below a probability of 0.7 an answer is marked `abstained`" in card
