"""Decides when a run starts what a local run knows before its first node."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agnews.components.model_store import ModelStore
from agnews.kubeflow.planning.run_parameters import (
    CODE,
    CONFIGS,
    CORPUS,
    CORPUS_URI,
    DATA_URI,
    EPOCHS,
    FORCE_PROMOTION,
    MODEL,
    PROCEED,
    PUSH_URI,
    SCRATCH_URI,
    TOLD_OF_CORPUS,
    corpus_output,
)
from agnews.pipeline.code_version import code_versions
from agnews.pipeline.load_config import require_learnable
from agnews.pipeline.load_corpus import load_corpus
from agnews.pipeline.node_settings import (
    carried_corpora,
    linear_unwanted,
    resolve_text,
    token_limits,
    trainer_settings,
    transform_settings,
)
from agnews.pipeline.plan_run import RunPlan, plan_run
from agnews.pipeline.reports.show_report import describe_spans
from agnews.schemas.corpus import Corpus
from agnews.schemas.errors import AgnewsError
from agnews.schemas.run_config import RunConfig


@dataclass(frozen=True)
class ClusterPlan:
    """What the step Plan found.

    Attributes:
        outputs: Values by the names of `PLAN_OUTPUTS`.
        summary: Markdown for people.
        model: Name of the served model.
        nothing_new: Why nothing else runs; empty where it does.
    """

    outputs: Mapping[str, Any]
    summary: str
    model: str
    nothing_new: str = ""


def plan_on_cluster(values: Mapping[str, Any]) -> ClusterPlan:
    """Looks at data, store and image.

    Args:
        values: The parameters of the run and what the pipeline was compiled with, by the names of `RUN_PARAMETERS` and
            `PLAN_CONSTANTS`.

    Returns:
        The plan.

    Raises:
        AgnewsError: The image holds other code than the pipeline was compiled with, a parameter is wrong, the data
            cannot be used, the store is damaged, or the encoder is missing.
    """
    code = _require_same_code(values[CODE])
    config = _configure(values)
    corpus = _corpus(values)
    # Another corpus than the one that the pipeline was compiled with may have classes of another form.
    require_learnable(config, corpus)
    plan = plan_run(config, corpus, ModelStore(values[PUSH_URI], config.name), code)
    told = carried_corpora(corpus, values[SCRATCH_URI])
    text = resolve_text(config)
    outputs = {
        PROCEED: plan.nothing_new is None,
        "data_digest": plan.digest,
        "production": plan.production,
        "anchor": plan.anchor,
        "fingerprint": plan.fingerprint,
        "transform_settings": _json(transform_settings(text, code["Transform"])),
        "trainer_settings": _json(
            trainer_settings(config, text, values[SCRATCH_URI], code["Trainer"], told["Trainer"])
        ),
        "linear_unwanted": linear_unwanted(config),
        **token_limits(text),
        **{corpus_output(node): told[node] for node in TOLD_OF_CORPUS},
    }
    return ClusterPlan(outputs, _summary(config, corpus, plan), config.name, plan.nothing_new or "")


def _corpus(values: Mapping[str, Any]) -> Corpus:
    if values[CORPUS_URI]:
        return load_corpus(values[CORPUS_URI]).corpus
    if not values[CORPUS]:
        raise AgnewsError(
            "Nobody says which corpus this is.",
            found=f"{CORPUS_URI} is empty, and the description was too large to be compiled in",
            fix=f"Give {CORPUS_URI}: the description, where the steps can read it.",
        )
    return Corpus.model_validate_json(values[CORPUS])


def _require_same_code(compiled: Mapping[str, str]) -> dict[str, str]:
    """Keeps results from being kept under the digest of code that did not make them."""
    here = code_versions()
    other = sorted(node for node in {*here, *compiled} if here.get(node) != compiled.get(node))
    if other:
        raise AgnewsError(
            "The image holds other code than the pipeline was compiled with.",
            found=f"another digest for {', '.join(other)}",
            fix="Build the image and compile the pipeline from the same commit, then submit it.",
        )
    return here


def _configure(values: Mapping[str, Any]) -> RunConfig:
    configs, model, epochs = values[CONFIGS], values[MODEL], int(values[EPOCHS])
    if model not in configs:
        raise AgnewsError(
            "The pipeline was compiled without this kind of model.",
            found=f"{MODEL} = {model!r}",
            fix=f"Give one of {', '.join(sorted(configs))}.",
        )
    if epochs < 0:
        raise AgnewsError("A model cannot be trained for so many epochs.", found=epochs, fix="Give 0 or more.")
    config = RunConfig.model_validate(configs[model])
    sections: dict[str, Any] = {
        "data": {"source": values[DATA_URI]},
        "training": {"epochs": epochs} if epochs else {},
        "evaluation": {"force_promotion": bool(values[FORCE_PROMOTION])},
    }
    changed = {name: getattr(config, name).model_copy(update=changes) for name, changes in sections.items()}
    return config.model_copy(update=changed)


def _json(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)


def _summary(config: RunConfig, corpus: Corpus, plan: RunPlan) -> str:
    lines = [f"# {plan.nothing_new or 'There is something to learn'}", ""]
    if plan.nothing_new:
        lines += ["No other step runs, and the model in production stays.", ""]
    lines += [
        f"- corpus: {corpus.title or corpus.name}, {corpus.num_classes} classes, digest {corpus.digest[:12]}",
        f"- data: {config.data.source}, digest {plan.digest}",
    ]
    if plan.spans is not None:
        lines += [f"- spans: {describe_spans(plan.spans)}", *(f"- note: {note}" for note in plan.spans.notes)]
    lines += [
        f"- model: {config.model.kind}, {config.training.epochs} epochs at most",
        f"- compared with: {f'version {plan.production}' if plan.production else 'nothing, as nothing was pushed yet'}",
    ]
    if config.evaluation.force_promotion:
        lines += ["- promotion: forced, whatever the rules say"]
    return "\n".join(lines) + "\n"
