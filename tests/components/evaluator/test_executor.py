"""One whole step: from Examples and two models to figures, predictions and a blessing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agnews.components.storage.files_at import files_at
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.errors import AgnewsError
from agnews.schemas.evaluation import Evaluation
from agnews.schemas.linear_check import LinearCheck, digest_text

pytestmark = pytest.mark.integration

ExportModel = Callable[..., Path]
TOPICS = (
    "The president met soldiers",
    "The coach praised the team",
    "The stocks and the profit rose",
    "The software of new computers",
)
# In this process; and with an image, which this runner ignores, TFX does not pack itself into an archive first.
BEAM = ["--runner=FnApiRunner", "--sdk_container_image=unused"]
RULES = {
    "corpus": packaged_corpus().canonical(),
    "min_accuracy": 0.8,
    "min_class_recall": 0.65,
    "min_examples": 100,
    "min_class_examples": 20,
    "metric": "accuracy",
    "alpha": 0.05,
    "anchor": "keep",
    "margin": 0.0,
    "beats_linear": "warn",
    "abstain_precision": 0.0,
    "force_promotion": 0,
    "code_version": "",
}


def write_examples(folder: Path, rows: int, *, odd_text: str = "", split: str = "test", blank_every: int = 0) -> None:
    """Rows of all lengths; every tenth one has another topic than its label says, and some say nothing at all."""
    import tensorflow as tf

    (folder / f"Split-{split}").mkdir(parents=True)
    with tf.io.TFRecordWriter(
        str(folder / f"Split-{split}" / "data_tfrecord-00000-of-00001.gz"), tf.io.TFRecordOptions("GZIP")
    ) as writer:
        for row in range(rows):
            label = row % 4
            topic = (label + 1) % 4 if row % 10 == 9 else label
            text = f"{TOPICS[topic]} {'and so on ' * (row % 30)}{odd_text if row % 50 == 0 else ''}".strip()
            if blank_every and row % blank_every == 3:
                text = "nothing in it"
            feature = {
                "text": tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()])),
                "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
                "num_words": tf.train.Feature(int64_list=tf.train.Int64List(value=[len(text.split())])),
                "has_markup": tf.train.Feature(
                    bytes_list=tf.train.BytesList(value=[b"yes" if row % 7 == 0 else b"no"])
                ),
                "row": tf.train.Feature(int64_list=tf.train.Int64List(value=[row + 1])),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())


@pytest.fixture
def evaluate(tmp_path: Path) -> Callable[..., Any]:
    """Runs the executor on artifacts of the standard types; gives back its output artifacts by name."""

    def run(
        candidate: Path,
        baseline: Path | None = None,
        *,
        rows: int = 400,
        odd_text: str = "",
        kept: str = "",
        best: Path | None = None,
        linear: LinearCheck | None = None,
        blank_every: int = 0,
        **rules: Any,
    ) -> dict[str, Any]:
        from tfx.types import standard_artifacts
        from tfx.types.artifact_utils import encode_split_names

        from agnews.components.artifact_types import Predictions, StepReport
        from agnews.components.evaluator.executor import Executor
        from agnews.components.model_store import ModelStore
        from agnews.components.model_store.publish import publish

        folder = tmp_path / f"run{len(list(tmp_path.iterdir()))}"
        write_examples(folder / "examples", rows, odd_text=odd_text, blank_every=blank_every)
        write_examples(folder / "examples", 2 * rows, split="eval", blank_every=blank_every)
        (folder / "model").mkdir()
        (folder / "model" / "Format-Serving").symlink_to(candidate)
        if baseline:
            store = ModelStore(str(folder / "store"), "agnews")
            pushed = publish(
                store,
                model=str(baseline),
                extra_files={},
                judged_against="",
                fingerprint="",
                run_id="",
                accuracy=0.9,
                classes=rules.pop("baseline_classes", ("World", "Sports", "Business", "Sci/Tech")),
            )
            store.fetch(pushed.record.version, str(folder / "baseline" / "Format-Serving"))

        if kept:
            (folder / "baseline" / "Anchor").mkdir()
            for name in ("anchor.json", "answers.parquet"):
                shutil.copy(f"{kept}/{name}", folder / "baseline" / "Anchor")
            document = json.loads((folder / "baseline" / "Anchor" / "anchor.json").read_text())
            document |= {"version": "17"} if not document["version"] else {}
            (folder / "baseline" / "Anchor" / "anchor.json").write_text(json.dumps(document))
            if best:
                (folder / "baseline" / "Anchor" / "Format-Serving").symlink_to(best)

        def artifact(kind: Any, name: str) -> Any:
            made = kind()
            made.uri = str(folder / name)
            return made

        (folder / "linear").mkdir()
        check = linear or LinearCheck(skipped="not asked for")
        check.write(str(folder / "linear"), files_at(str(folder)).write)
        examples = artifact(standard_artifacts.Examples, "examples")
        examples.split_names = encode_split_names(["train", "eval", "test"])
        outputs = {
            "evaluation": artifact(standard_artifacts.ModelEvaluation, "evaluation"),
            "predictions": artifact(Predictions, "predictions"),
            "blessing": artifact(standard_artifacts.ModelBlessing, "blessing"),
        }
        context = Executor.Context(beam_pipeline_args=BEAM)
        Executor(context).Do(
            {
                "examples": [examples],
                "model": [artifact(standard_artifacts.Model, "model")],
                "baseline": [artifact(standard_artifacts.Model, "baseline")],
                "linear": [artifact(StepReport, "linear")],
            },
            {name: [made] for name, made in outputs.items()},
            {**RULES, **rules},
        )
        return outputs

    return run


def read(outputs: dict[str, Any]) -> Evaluation:
    return Evaluation.model_validate_json((Path(outputs["evaluation"].uri) / "evaluation.json").read_text())


def test_a_good_model_is_blessed_and_its_answers_are_kept(evaluate: Any, export_model: ExportModel) -> None:
    import pyarrow.parquet as pq
    import tensorflow as tf
    import tensorflow_model_analysis as tfma

    model = export_model()

    outputs = evaluate(model)

    evaluation = read(outputs)
    assert evaluation.verdict.blessed
    assert evaluation.verdict.paired_test is None
    assert evaluation.metrics.accuracy == pytest.approx(0.9)
    assert outputs["blessing"].get_int_custom_property("blessed") == 1
    assert [path.name for path in Path(outputs["blessing"].uri).iterdir()] == ["BLESSED"]
    assert (Path(outputs["blessing"].uri) / "BLESSED").read_text().splitlines() == list(evaluation.verdict.reasons)
    assert json.loads(outputs["predictions"].get_string_custom_property("split_names")) == ["test"]
    assert len(tfma.load_eval_result(outputs["evaluation"].uri).slicing_metrics) > 5

    table = pq.read_table(Path(outputs["predictions"].uri) / "test.parquet")
    assert table["row"].to_pylist() == list(range(1, 401))  # sorted by length for speed, and put back
    direct = tf.saved_model.load(str(model)).signatures["serving_default"](text=tf.constant(table["text"].to_pylist()))
    np.testing.assert_allclose(np.stack(table["probabilities"].to_numpy()), direct["probabilities"].numpy(), atol=1e-6)
    assert table["class_id"].to_pylist() == direct["class_id"].numpy().tolist()
    assert table["baseline_class_id"].null_count == 400
    right = np.mean(table["class_id"].to_numpy() == table["label"].to_numpy())
    assert right == pytest.approx(evaluation.metrics.accuracy)


def test_a_model_is_compared_with_the_one_in_production(evaluate: Any, export_model: ExportModel) -> None:
    worse = export_model(keywords=["president", "coach", "stocks", "soft2ware"])

    beaten, equal = (
        evaluate(worse, export_model(), min_accuracy=0.5, min_class_recall=0.0),
        evaluate(export_model(), export_model(sharpness=1.0)),
    )

    verdict = read(beaten).verdict
    assert not verdict.blessed
    assert verdict.paired_test is not None
    assert verdict.paired_test.baseline_accuracy == pytest.approx(0.9)
    assert verdict.paired_test.difference < 0
    assert "not_worse" in verdict.failed_rules
    assert beaten["blessing"].get_int_custom_property("blessed") == 0
    assert [path.name for path in Path(beaten["blessing"].uri).iterdir()] == ["NOT_BLESSED"]

    verdict = read(equal).verdict
    assert verdict.blessed
    assert verdict.paired_test is not None
    assert (verdict.paired_test.only_baseline_right, verdict.paired_test.p_worse) == (0, 1.0)


def test_the_best_model_ever_pushed_is_asked_without_its_model_and_scored_again_on_new_rows(
    evaluate: Any, export_model: ExportModel
) -> None:
    good = export_model()
    worse = export_model(keywords=["president", "coach", "stocks", "software.*(and so on ){15}"])
    floors = {"min_accuracy": 0.5, "min_class_recall": 0.0}

    first = evaluate(good)
    anchor = json.loads((Path(first["evaluation"].uri) / "anchor.json").read_text())
    assert (anchor["version"], anchor["accuracy"], anchor["best_of"]) == ("", pytest.approx(0.9), 1)

    # No worse than production, which has become as bad: only the best ever can tell.
    slid = evaluate(worse, worse, kept=first["evaluation"].uri, **floors)
    verdict = read(slid).verdict
    assert verdict.failed_rules == ("not_worse_than_best",)
    assert verdict.anchor_test is not None
    assert (verdict.anchor_test.baseline, verdict.anchor_test.baseline_accuracy) == ("17", pytest.approx(0.9))
    anchor = json.loads((Path(slid["evaluation"].uri) / "anchor.json").read_text())
    assert (anchor["version"], anchor["accuracy"], anchor["best_of"]) == ("17", pytest.approx(0.9), 2)

    scored = evaluate(worse, worse, rows=300, kept=first["evaluation"].uri, best=good, **floors)
    assert read(scored).verdict.failed_rules == ("not_worse_than_best",)
    anchor = json.loads((Path(scored["evaluation"].uri) / "anchor.json").read_text())
    assert (anchor["version"], anchor["best_of"]) == ("17", 3)

    other_rows = read(evaluate(worse, worse, rows=300, kept=first["evaluation"].uri, **floors)).verdict
    assert other_rows.blessed
    assert "was not asked: the same test file is read into other rows" in other_rows.reasons[-1]

    ignored = evaluate(worse, worse, kept=first["evaluation"].uri, anchor="ignore", **floors)
    assert read(ignored).verdict.blessed
    assert "evaluation.anchor is ignore" in read(ignored).verdict.reasons[-1]
    anchor = json.loads((Path(ignored["evaluation"].uri) / "anchor.json").read_text())
    assert (anchor["version"], anchor["best_of"]) == ("", 1)


def test_a_model_is_compared_with_a_linear_one_row_by_row(
    evaluate: Any, export_model: ExportModel, tmp_path: Path
) -> None:
    from agnews.components.evaluator.raw_rows import read_rows

    write_examples(tmp_path / "seen", 400)
    (rows,) = read_rows([str(next((tmp_path / "seen" / "Split-test").iterdir()))])
    pairs = list(zip(rows.text, rows.label.tolist(), strict=True))
    # As right as can be: a text that stands there with two labels has one answer.
    answers = {digest_text(text): label for text, label in pairs}
    linear = LinearCheck(train_rows=9, accuracy=1.0, answers=answers)

    warned, held = (
        read(evaluate(export_model(), linear=linear, beats_linear=rule)).verdict for rule in ("warn", "require")
    )

    assert (warned.linear_test is not None, warned.paired_test, warned.anchor_test) == (True, None, None)
    assert warned.linear_test is not None
    expected = np.mean([answers[digest_text(text)] == label for text, label in pairs])
    assert warned.linear_test.baseline_accuracy == pytest.approx(expected)
    assert warned.linear_test.difference == pytest.approx(0.9 - expected)
    assert (warned.blessed, held.blessed, held.failed_rules) == (True, False, ("beats_linear",))


@pytest.mark.parametrize("flaw", ["nan", "one_class"])
def test_a_broken_model_is_not_blessed_and_the_step_goes_on(
    evaluate: Any, export_model: ExportModel, flaw: str
) -> None:
    evaluation = read(evaluate(export_model(flaw=flaw), odd_text="qqq"))

    assert not evaluation.verdict.blessed
    assert ("usable" if flaw == "nan" else "all_classes") in evaluation.verdict.failed_rules
    assert evaluation.metrics.unusable == (8 if flaw == "nan" else 0)
    assert np.isfinite(evaluation.metrics.ece)


def test_what_cannot_be_compared_is_said(evaluate: Any, export_model: ExportModel, tmp_path: Path) -> None:
    with pytest.raises(AgnewsError, match="knows other classes"):
        evaluate(export_model(), export_model(), baseline_classes=("a", "b", "c", "d"))
    with pytest.raises(AgnewsError, match="another number of classes"):
        evaluate(export_model(keywords=["a", "b", "c"], class_names=["a", "b", "c"]))
    with pytest.raises(AgnewsError, match="test split has no rows"):
        evaluate(export_model(), rows=0)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(AgnewsError, match="cannot be loaded"):
        evaluate(tmp_path / "nothing")
    with pytest.raises(AgnewsError, match="cannot answer texts"):
        evaluate(export_model(flaw="fails"))


@pytest.mark.parametrize(
    ("metric", "is_worse", "won_and_lost"),
    [("recall:Sci/Tech", True, (0, 80)), ("recall:Sports", False, (0, 0)), ("macro_f1", True, (0, 80))],
)
def test_models_are_compared_by_the_figure_that_was_named(
    evaluate: Any, export_model: ExportModel, metric: str, is_worse: bool, won_and_lost: tuple[int, int]
) -> None:
    # All that it does not know is its first class.
    keywords = (
        "president|minister|soldiers|parliament|troops|hostages",
        "coach|team|champion|olympic",
        "stocks|profit",
    )
    blind = export_model(keywords=(*keywords, "nothing that stands anywhere"))
    seeing = export_model(keywords=(*keywords, "software|scientists|processor|internet"))

    verdict = read(evaluate(blind, baseline=seeing, metric=metric)).verdict

    assert verdict.paired_test is not None
    assert ("not_worse" in verdict.failed_rules) == is_worse
    assert verdict.paired_test.metric == metric.replace("recall:", "recall of ").replace("macro_f1", "macro F1")
    assert (verdict.paired_test.only_candidate_right, verdict.paired_test.only_baseline_right) == won_and_lost
    (sentence,) = [reason for reason in verdict.reasons if "against the baseline" in reason]
    assert f"whose {verdict.paired_test.metric} is " in sentence


def test_a_model_may_abstain_where_it_would_be_wrong_too_often(
    evaluate: Any, export_model: ExportModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agnews.components.evaluator import executor

    rules = {"rows": 1000, "blank_every": 5, "min_accuracy": 0.5, "min_class_recall": 0.1}
    model, load, loaded = export_model(), executor.load_as_served, []

    def load_and_tell(*arguments: Any) -> Any:
        loaded.append(arguments)
        return load(*arguments)

    monkeypatch.setattr(executor, "load_as_served", load_and_tell)
    evaluation = read(evaluate(model, **rules, abstain_precision=0.85))
    assert len(loaded) == 1

    found = evaluation.abstention
    assert found is not None
    assert found.threshold == pytest.approx(np.exp(3) / (np.exp(3) + 3))
    assert (found.eval_rows, found.coverage, found.precision) == (2000, 0.8, pytest.approx(0.875))
    assert evaluation.verdict.blessed
    assert any("answers 80.0 % of the test rows, 87.5 % of them rightly" in each for each in evaluation.verdict.reasons)

    refused = read(evaluate(model, **rules, abstain_precision=0.95))
    assert refused.abstention is not None
    assert refused.abstention.threshold is None
    assert refused.verdict.failed_rules == ("abstain_precision",)
    assert read(evaluate(model, **rules)).abstention is None
