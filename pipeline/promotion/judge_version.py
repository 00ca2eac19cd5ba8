"""A version that was pushed once, judged anew: against floors, what is in production now, and the smoke test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agnews.components.engines.engine_choice import EngineChoice
from agnews.components.engines.find_export import choose_export
from agnews.components.evaluator.answer_columns import Answers, exact
from agnews.components.evaluator.answer_rule import read_answer_rule
from agnews.components.evaluator.contest import Contest
from agnews.components.evaluator.count_cells import class_figures
from agnews.components.evaluator.judge import judge
from agnews.components.evaluator.split_answers import BASELINE, CANDIDATE, AnswerLog
from agnews.components.model_export.labelled_texts import LabelledTexts
from agnews.components.model_store.find_pushed_model import PushedModel
from agnews.components.model_store.sound_copy import sound_copy
from agnews.components.optimization.row_blocks import row_blocks
from agnews.components.serving_model.load_predictor import load_predictor
from agnews.components.smoke_test.try_model import try_model
from agnews.pipeline.corpus_settings import corpus_settings
from agnews.schemas.errors import AgnewsError
from agnews.schemas.evaluation import Metrics, Verdict
from agnews.schemas.predictions import NO_CLASS
from agnews.schemas.promotion_metric import promotion_metric
from agnews.schemas.run_config import EvaluationConfig, SmokeTestConfig
from agnews.schemas.smoke_report import SmokeReport

_BATCH = 256


@dataclass(frozen=True)
class Judgement:
    """What was found.

    Attributes:
        verdict: Of the rules; None where nobody named rows.
        smoke: Of the smoke test.
    """

    verdict: Verdict | None
    smoke: SmokeReport


def judge_version(
    candidate: PushedModel, production: PushedModel | None, rows: LabelledTexts | None, *, force: bool
) -> Judgement:
    """Lets the rules of a run decide about a version, as the description that lies in it sets them.

    Args:
        candidate: The version.
        production: What it would take the place of, or None.
        rows: Rows that neither has learnt from; None asks the smoke test alone.
        force: Whether somebody overrules rules that fail.

    Returns:
        The judgement. A version that gives no probabilities or fails the smoke test is not saved by force.

    Raises:
        AgnewsError: The files of a version are not those that were pushed, or the two know other classes.
    """
    corpus = candidate.corpus()
    sections = corpus_settings(corpus)
    verdict = None
    if rows is not None:
        if production is not None and production.record.classes != candidate.record.classes:
            raise AgnewsError(
                f"Version {candidate.record.version} knows other classes than the one in production.",
                found=f"{', '.join(candidate.record.classes)}; in production {', '.join(production.record.classes)}",
                fix="Nothing can compare them. If that is meant: `agnews models rollback --to VERSION`.",
            )
        verdict = _judge(
            candidate, production, rows, EvaluationConfig.model_validate(sections.get("evaluation", {})), force=force
        )
    limits = SmokeTestConfig.model_validate(sections.get("smoke_test", {}))
    return Judgement(verdict, try_model(candidate.folder, corpus, **limits.model_dump()))


def _judge(
    candidate: PushedModel,
    production: PushedModel | None,
    rows: LabelledTexts,
    settings: EvaluationConfig,
    *,
    force: bool,
) -> Verdict:
    classes = candidate.record.classes
    metric = promotion_metric(settings.metric, classes)
    by_model = {CANDIDATE: _answers(candidate, rows)}
    if production:
        by_model[BASELINE] = _answers(production, rows)
    log = AnswerLog()
    log.add(
        row=np.arange(len(rows.labels)),
        label=np.array(rows.labels, np.int64),
        text=np.array(rows.texts, object),
        answers=by_model,
    )
    split = log.whole()
    contest = Contest(metric, split, len(classes))
    rival = contest.rival(production.record.version, BASELINE) if production else None
    found = contest.compare(baseline=rival, anchor=None, alpha=settings.alpha, margin=settings.margin)
    return judge(
        _metrics(split.label, split.by_model[CANDIDATE], classes),
        found.baseline,
        one_class=split.label.ndim == 1,
        min_accuracy=settings.min_accuracy,
        min_class_recall=settings.min_class_recall,
        min_examples=settings.min_examples,
        min_class_examples=settings.min_class_examples,
        force_promotion=force,
    )


def _answers(model: PushedModel, rows: LabelledTexts) -> Answers:
    """What it answers as it is served: an export answers for one that has one."""
    folder, digest = model.folder, model.record.model_digest
    export = choose_export(folder, model.record.version, EngineChoice.AUTO)
    if export is not None:
        # What answers is held to its own digest, and does not read the rest of what would go into production.
        with sound_copy(folder, digest):
            pass
    predictor = load_predictor(folder, model.record.classes, digest=digest, export=export)
    texts, rule = np.array(rows.texts, object), read_answer_rule(folder)
    return np.concatenate(
        [
            rule(predictor.probabilities(texts[block], batch_size=_BATCH))
            for block in row_blocks(len(texts), len(model.record.classes))
        ]
    )


def _metrics(labels: Answers, answered: Answers, names: tuple[str, ...]) -> Metrics:
    right, of_class, answers = _counts(labels, answered, len(names))
    per_class = class_figures(right, of_class, answers, names)
    return Metrics(
        count=len(labels),
        accuracy=float(exact(answered, labels).mean()),
        macro_f1=float(np.mean([each.f1 for each in per_class])),
        # How sure it is decides nothing here.
        ece=0.0,
        per_class=per_class,
        unusable=int((answered.reshape(len(labels), -1)[:, 0] == NO_CLASS).sum()),
    )


def _counts(labels: Answers, answered: Answers, classes: int) -> list[NDArray[np.int64]]:
    """Rows of each class that were given it, rows of each class, and rows that were given it, (classes,) each."""
    if labels.ndim == 2:
        has, given = labels > 0, answered > 0
        return [each.sum(axis=0, dtype=np.int64) for each in (has & given, has, given)]
    whose = labels[labels == answered], labels, answered[answered != NO_CLASS]
    return [np.bincount(each, minlength=classes) for each in whose]
