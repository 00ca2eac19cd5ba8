"""The model card: what whoever comes across a pushed model has to know of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

from agnews.components.report.flatten_settings import flatten_settings
from agnews.components.report.weakest_classes import weakest_classes
from agnews.components.report.wilson_interval import wilson_interval
from agnews.schemas.corpus import Corpus
from agnews.schemas.data_card import DataCard
from agnews.schemas.evaluation import ClassMetrics, Evaluation, Metrics
from agnews.schemas.features import SERVE_TEXT

CARD_FILE = "assets.extra/model_card.md"
"""In the folder of a pushed version."""


def describe_model(
    name: str, *, corpus: Corpus, facts: Mapping[str, Any], data: DataCard, evaluation: Evaluation
) -> str:
    """Writes a model card.

    The card is a part of the model's digest, by which a model that is in production already is told from a new one.
    So it holds nothing that another run with the same model may find otherwise: no date, no name of a run, no place, no
    seconds, and no comparison with a baseline.

    Args:
        name: Of the served model.
        corpus: What it has learnt.
        facts: `assets.extra/model.json` of the model.
        data: What the rows were like.
        evaluation: Figures on the test split.

    Returns:
        Markdown.

    References:
        Mitchell et al. (2019), Model cards for model reporting, https://doi.org/10.1145/3287560.3287596
    """
    # Markdown, and none of the values comes from the texts of the data.
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # noqa: S701
    environment.filters |= {"percent": _percent, "number": _number}
    template = (files("agnews.components.pusher") / "model_card.md").read_text(encoding="utf-8")
    return environment.from_string(template, globals={"interval": _interval}).render(
        name=name,
        corpus=corpus,
        title=corpus.title or corpus.name,
        classes=corpus.class_names,
        facts=facts,
        kind=facts["model"]["kind"],
        data=data,
        metrics=evaluation.metrics,
        shown=_shown(evaluation.metrics),
        abstention=evaluation.abstention,
        thresholds=evaluation.thresholds,
        slices=[each for each in evaluation.slices if each.feature != "label" and each.count],
        settings=flatten_settings({"model": facts["model"], "training": facts["training"]}),
        example=_example(corpus),
        signature=SERVE_TEXT,
    )


_CLASSES_SHOWN = 100


def _shown(metrics: Metrics) -> Sequence[ClassMetrics]:
    """All classes, or of very many those that are found worst."""
    if len(metrics.per_class) <= _CLASSES_SHOWN:
        return metrics.per_class
    return weakest_classes(metrics.per_class, _CLASSES_SHOWN)


def _example(corpus: Corpus) -> str:
    """Returns a text for a command line, so one without quotes."""
    texts = [*corpus.example_texts, *(text for _, text in corpus.golden_pairs), "..."]
    return next((text for text in texts if not set(text) & set("'\"\\\n")), "...")


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _number(count: float) -> str:
    return f"{count:,.0f}"


def _interval(share: float, rows: int) -> str:
    if not rows:
        return "no rows"
    low, high = wilson_interval(round(share * rows), rows)
    return f"{100 * low:.1f} to {100 * high:.1f} %"
