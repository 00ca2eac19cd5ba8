"""Judges a model on the test split."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types.artifact import Artifact
from tfx.types.artifact_utils import encode_split_names, get_single_instance, get_split_uris

from agnews.components.carried_corpus import read_carried_corpus
from agnews.components.engines.tell_exports import tell_exports
from agnews.components.evaluator.analyse import analyse
from agnews.components.evaluator.answer_rule import read_answer_rule
from agnews.components.evaluator.compare import Rival
from agnews.components.evaluator.contest import Contest
from agnews.components.evaluator.judge import judge
from agnews.components.evaluator.measure_abstention import measure_abstention
from agnews.components.evaluator.measure_sets import measure_sets
from agnews.components.evaluator.next_anchor import next_anchor
from agnews.components.evaluator.predict_split import Predict, SplitPredictions, predict_split
from agnews.components.evaluator.raw_rows import read_rows, rows_at_once
from agnews.components.evaluator.scored import read_scored
from agnews.components.evaluator.split_answers import (
    ANCHOR,
    BASELINE,
    CANDIDATE,
    LINEAR,
    SplitAnswers,
    read_answers,
    write_anchor,
)
from agnews.components.example_files.read_records import record_files
from agnews.components.model_store.baseline_at import SERVING_FOLDER, Baseline, baseline_at
from agnews.components.model_store.brought_anchor import BroughtAnchor, brought_anchor
from agnews.components.serving_model.chosen_classes import read_thresholds
from agnews.components.serving_model.load_predictor import load_as_served
from agnews.components.storage.files_at import files_at
from agnews.schemas.anchor import Anchor
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.evaluation import Evaluation, PairedTest, Verdict
from agnews.schemas.features import EVAL, TEST
from agnews.schemas.linear_check import LinearCheck
from agnews.schemas.predictions import FILE
from agnews.schemas.progress import Progress, report_progress
from agnews.schemas.promotion_metric import promotion_metric

_LOGGER = logging.getLogger(__name__)


class Executor(BaseBeamExecutor):
    """Runs the node Evaluator.

    Inputs:
        examples: Examples, raw. The split `test` is read.
        model: Model, the candidate.
        linear: StepReport of LinearBaseline.
        baseline: Model that BaselineModel wrote; it may hold none. With it comes the anchor, where there is one.

    Outputs:
        evaluation: ModelEvaluation, a TFMA result and `evaluation.json`, an `agnews.schemas.evaluation.Evaluation`.
            `anchor.json` and `answers.parquet` are what the anchor will be if the candidate is pushed.
        predictions: Predictions, `test.parquet` with the columns of `agnews.schemas.predictions`.
        blessing: ModelBlessing, a file `BLESSED` or `NOT_BLESSED` with the reasons and the custom property `blessed`
            (1 or 0), where TFX's own Evaluator writes them too.

    Exec properties:
        corpus: Its classes, from `carry_corpus`.
        min_accuracy, min_class_recall, min_examples, min_class_examples, beats_linear: See `judge`.
        metric: See `promotion_metric`.
        alpha, margin: See `Contest.compare`.
        anchor: `keep` or `ignore`; see `RunConfig`.
        abstain_precision: See `fit_threshold`; 0 for a model that answers always. Only then is the split `eval` read.
        force_promotion: 1 to promote the model although rules fail; see `judge`.
        code_version: Not read: it makes the node run again when its code changes.
    """

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """See the class. A bad model is not blessed, and that is no error.

        Raises:
            AgnewsError: There are no test rows, or a model cannot be loaded or knows other classes.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        corpus = read_carried_corpus(exec_properties["corpus"])
        class_names = corpus.class_names
        evaluation = get_single_instance(output_dict["evaluation"])
        predictions = get_single_instance(output_dict["predictions"])
        baseline_uri = get_single_instance(input_dict["baseline"]).uri
        baseline = baseline_at(baseline_uri)
        brought = brought_anchor(baseline_uri) if exec_properties["anchor"] == "keep" else None

        linear = _read_linear(get_single_instance(input_dict["linear"]).uri)
        path = f"{predictions.uri}/{FILE.format(split=TEST)}"
        _require_same_classes(baseline, class_names)
        model = f"{get_single_instance(input_dict['model']).uri}/{SERVING_FOLDER}"
        # As they are served: an export answers for those that have one.
        candidate = load_as_served(model, class_names)[0].probabilities
        answers = _predict(
            files=record_files(get_split_uris(input_dict["examples"], TEST)),
            model=model,
            candidate=candidate,
            baseline=baseline,
            anchor=brought,
            linear=linear,
            class_names=class_names,
            label_shape=corpus.label_shape,
            output=path,
        )
        predictions.set_string_custom_property("split_names", encode_split_names([TEST]))

        if corpus.label_sets is not None:
            metrics, slices = measure_sets(path, class_names)
        else:
            metrics, slices = analyse(
                answers.tally.cells(),
                rows=lambda: read_scored(path, classes=len(class_names)),
                class_names=class_names,
                output=evaluation.uri,
                pipeline=self._make_beam_pipeline(),
            )
        split = answers.log.whole()
        metric = promotion_metric(exec_properties["metric"], class_names)
        contest = Contest(metric, split, len(class_names))
        production = contest.rival(baseline.record.version, BASELINE) if baseline else None
        anchor, unasked = _anchor(split, contest, production, brought, exec_properties["anchor"])
        found = contest.compare(
            baseline=production,
            anchor=anchor,
            alpha=exec_properties["alpha"],
            margin=exec_properties["margin"],
        )
        abstention = None
        if wanted := exec_properties["abstain_precision"]:
            abstention = measure_abstention(
                read_rows(
                    record_files(get_split_uris(input_dict["examples"], EVAL)),
                    chunk_rows=rows_at_once(len(class_names)),
                ),
                candidate,
                test=read_scored(path, classes=len(class_names)),
                wanted=wanted,
            )
        verdict = judge(
            metrics,
            found.baseline,
            found.anchor,
            unasked=unasked,
            linear_test=_compare_linear(contest, exec_properties["alpha"]) if linear else None,
            beats_linear=exec_properties["beats_linear"],
            abstention=abstention,
            one_class=corpus.label_sets is None,
            min_accuracy=exec_properties["min_accuracy"],
            min_class_recall=exec_properties["min_class_recall"],
            min_examples=exec_properties["min_examples"],
            min_class_examples=exec_properties["min_class_examples"],
            force_promotion=bool(exec_properties["force_promotion"]),
        )
        _propose_anchor(
            evaluation.uri, split, contest, production, anchor, anew=_begins_anew(verdict, exec_properties["anchor"])
        )
        thresholds = read_thresholds(model)
        exports = tell_exports(model)
        document = Evaluation(
            metrics=metrics,
            slices=slices,
            verdict=verdict,
            abstention=abstention,
            exports=exports,
            train_labels=linear.labels if linear else None,
            thresholds=None if thresholds is None else tuple(thresholds.tolist()),
        )
        document.write(evaluation.uri, files_at(evaluation.uri).write)
        _bless(get_single_instance(output_dict["blessing"]), verdict)
        _LOGGER.info("%s: %s", "Blessed" if verdict.blessed else "Not blessed", "; ".join(verdict.reasons))


def _read_linear(uri: str) -> LinearCheck | None:
    check = LinearCheck.read(uri, files_at(uri).read)
    return None if check.skipped else check


def _compare_linear(contest: Contest, alpha: float) -> PairedTest | None:
    linear = contest.rival("a linear model", LINEAR)
    return contest.compare(baseline=linear, anchor=None, alpha=alpha, margin=0.0).baseline


def _require_same_classes(baseline: Baseline | None, class_names: tuple[str, ...]) -> None:
    if baseline and baseline.record.classes != class_names:
        raise AgnewsError(
            f"Version {baseline.record.version} of the model in production knows other classes than the corpus, so "
            "the two models cannot be compared.",
            found=f"{', '.join(baseline.record.classes)} instead of {', '.join(class_names)}",
            fix="Push models of this corpus under another name: --set name=NAME.",
            exit_code=ExitCode.FAILED,
        )


def _predict(
    *,
    files: Sequence[str],
    model: str,
    candidate: Predict,
    baseline: Baseline | None,
    anchor: BroughtAnchor | None,
    linear: LinearCheck | None,
    class_names: tuple[str, ...],
    label_shape: tuple[int, ...],
    output: str,
) -> SplitPredictions:
    # As they are served: an export answers for those that have one.
    folders = {CANDIDATE: model}
    if baseline:
        folders[BASELINE] = baseline.folder
    if anchor and anchor.model:
        folders[ANCHOR] = anchor.model
    others = {
        name: load_as_served(folder, class_names)[0].probabilities
        for name, folder in folders.items()
        if name != CANDIDATE
    }
    started = time.monotonic()

    def report(rows: int) -> None:
        seconds = time.monotonic() - started
        report_progress(Progress("Evaluator", rows, metrics={"rows_per_second": rows / max(seconds, 1e-9)}))

    answers = predict_split(
        read_rows(files, label_shape=label_shape, chunk_rows=rows_at_once(len(class_names))),
        candidate=candidate,
        baseline=others.get(BASELINE),
        anchor=others.get(ANCHOR),
        linear=linear.answer if linear else None,
        rules={name: read_answer_rule(folder) for name, folder in folders.items()},
        label_shape=label_shape,
        output=output,
        on_rows=report,
    )
    if not answers.rows:
        raise AgnewsError(
            "The test split has no rows, so there is nothing to judge a model on.",
            found=", ".join(files) or "no file",
            fix="Check the test file with `agnews corpus check`.",
            exit_code=ExitCode.FAILED,
        )
    return answers


def _anchor(
    split: SplitAnswers, contest: Contest, production: Rival | None, brought: BroughtAnchor | None, wish: str
) -> tuple[Rival | None, str]:
    """Returns the anchor on these rows, whose answers are then in `split`; where it cannot be asked, why not."""
    if wish == "ignore":
        return None, "the best model ever pushed was not asked, as evaluation.anchor is ignore"
    if brought is None:
        return None, ""
    kept = brought.anchor
    if brought.model is not None:
        # On rows that it was not chosen on, it is as lucky as the one in production: one of two.
        return contest.rival(kept.version, ANCHOR, best_of=1 + (production is not None)), ""
    if kept.rows_digest != split.digest:
        return None, (
            f"the best model ever pushed, version {kept.version}, was not asked: the same test file is read into other "
            "rows than those that it answered"
        )
    split.by_model[ANCHOR] = read_answers(brought.folder, split.label.shape[-1])
    return contest.rival(kept.version, ANCHOR, best_of=kept.best_of), ""


def _begins_anew(verdict: Verdict, wish: str) -> bool:
    """Whether somebody has decided that the best so far is no measure any more: later runs would be held back too."""
    return wish == "ignore" or (verdict.forced and "not_worse_than_best" in verdict.failed_rules)


def _propose_anchor(
    folder: str, split: SplitAnswers, contest: Contest, production: Rival | None, anchor: Rival | None, *, anew: bool
) -> None:
    candidate = contest.rival("", CANDIDATE)
    answers = {rival.version: name for name, rival in ((ANCHOR, anchor), (BASELINE, production)) if rival is not None}
    best = candidate if anew else next_anchor(candidate, baseline=production, anchor=anchor)
    model = answers.get(best.version, CANDIDATE)
    write_anchor(
        folder,
        Anchor(
            version=best.version,
            rows_digest=split.digest,
            accuracy=float(split.right(model).mean()),
            best_of=best.best_of,
        ),
        split,
        split.by_model[model],
    )


def _bless(blessing: Artifact, verdict: Verdict) -> None:
    # TFX leaves the file empty; object stores and those who mirror them treat empty files as folders.
    files_at(blessing.uri).write_text(
        f"{blessing.uri}/{'BLESSED' if verdict.blessed else 'NOT_BLESSED'}",
        "".join(f"{reason}\n" for reason in verdict.reasons),
    )
    blessing.set_int_custom_property("blessed", int(verdict.blessed))
