"""What a run would do, judged by its data, its configuration, its code and the model in production."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from agnews.components.corpus_files.compare_spans import compare_spans
from agnews.components.corpus_files.corpus_state import CorpusState, read_state
from agnews.components.corpus_files.sample import SAMPLE
from agnews.components.model_export.require_converters import require_converters
from agnews.components.model_store import ModelStore
from agnews.components.model_store.anchors import Brought, needed_of_anchor
from agnews.schemas.corpus import Corpus
from agnews.schemas.errors import AgnewsError
from agnews.schemas.model_record import ModelRecord
from agnews.schemas.run_config import RunConfig
from agnews.schemas.run_report import SpansSummary


@dataclass(frozen=True)
class RunPlan:
    """What is known before the first node runs.

    Attributes:
        digest: Digest of the data.
        fingerprint: Digest of data, configuration and code: the same fingerprint gives the same model.
        production: Version that the candidate has to be compared with; empty for none.
        spans: The spans, without rows; None where the data is no folder of dated spans.
        nothing_new: Why the run would make again a model that was pushed already; None where it would not.
        withdrawn: Version that the run would make again and that somebody rolled back from; empty where there is none.
        replaces: Version in production that the candidate is not compared with and takes the place of all the same;
            empty where there is none.
        anchor: What has to be brought of the best model ever pushed, to be compared with too.
    """

    digest: str
    fingerprint: str
    production: str
    spans: SpansSummary | None
    nothing_new: str | None
    withdrawn: str
    replaces: str = ""
    anchor: Brought = ""


def plan_run(
    config: RunConfig,
    corpus: Corpus,
    store: ModelStore,
    code: Mapping[str, str],
    *,
    new_baseline: bool = False,
    state: CorpusState | None = None,
) -> RunPlan:
    """Reads the data and the store.

    Args:
        config: The configuration.
        corpus: The description of the corpus.
        store: Where models are pushed to.
        code: Digest of the code by node.
        new_baseline: Whether the candidate is compared with nothing and takes the place of what is in production.
        state: Digests of the data, of who has read it already.

    Returns:
        The plan; nothing is written.

    Raises:
        AgnewsError: The data cannot be used, the store is damaged, the model in production knows other classes, or what
            the configuration wants to export cannot be made here.
    """
    require_converters(config.export.formats, config.export.precision, kind=config.model.kind)
    record = store.production()
    if record is not None and record.learnt_from is not None and record.learnt_from.is_sample:
        # It knows the sample's rows, and says nothing about real ones.
        new_baseline = new_baseline or config.data.source != SAMPLE
    if record is not None and not new_baseline:
        _require_same_classes(record, corpus)
    state = state or read_state(config.data.source, corpus, config.data.window)
    spans = compare_spans(state, record)
    fingerprint = _fingerprint(config, corpus, state.digest, code)
    withdrawn = next((each.version for each in store.withdrawn() if each.fingerprint == fingerprint), "")
    production = "" if new_baseline else _judged_against(record, fingerprint)
    asked = config.evaluation.anchor == "keep"
    return RunPlan(
        digest=state.digest,
        fingerprint=fingerprint,
        production=production,
        anchor=needed_of_anchor(store, production, state.test_digest) if asked else "",
        replaces=record.version if new_baseline and record is not None and record.fingerprint != fingerprint else "",
        spans=spans,
        nothing_new=_nothing_new(store, record, fingerprint, withdrawn, spans),
        withdrawn=withdrawn,
    )


_SHOWN = 6


def _require_same_classes(record: ModelRecord, corpus: Corpus) -> None:
    """Says before hours of training what the Evaluator would say behind them."""
    if record.classes == corpus.class_names:
        return
    gone = [name for name in record.classes if name not in corpus.class_names]
    new = [name for name in corpus.class_names if name not in record.classes]
    changes = [
        f"{what}: {', '.join(names[:_SHOWN])}{' ...' * (len(names) > _SHOWN)}"
        for what, names in (("new", new), ("gone", gone))
        if names
    ]
    raise AgnewsError(
        f"The model in production, version {record.version} of {record.name}, knows other classes than the corpus "
        f"{corpus.name}, so a new one cannot be compared with it.",
        found="; ".join(changes) or "the same classes in another order",
        fix="Begin anew with `agnews run --new-baseline`: the model is compared with nothing and takes the place of "
        "that version. Or push models of this corpus under another name: --set name=NAME.",
    )


def _fingerprint(config: RunConfig, corpus: Corpus, digest: str, code: Mapping[str, str]) -> str:
    # Neither forcing nor the look of the report decides about the model, nor where the description lies, nor how many
    # processes train.
    decided = {"evaluation": {"force_promotion"}, "data": {"corpus"}, "devices": {"workers"}}
    tree = config.model_dump(mode="json", exclude=decided)
    ignored = {"Report"}
    if not config.export.formats:
        # A precision in which nothing is made changes nothing, nor does the code that would make it.
        del tree["export"]
        ignored.add("Exporter")
    facts = {
        "config": tree,
        "corpus": corpus.digest,
        "data": digest,
        "code": {node: version for node, version in code.items() if node not in ignored},
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _judged_against(record: ModelRecord | None, fingerprint: str) -> str:
    """Returns the version that this run's candidate has to be compared with.

    A run that would make again what is in production is judged as it was the first time: its verdict is known, and
    every node is answered from the cache. Any other run is judged against what is in production.
    """
    if record is None:
        return ""
    return record.judged_against if record.fingerprint == fingerprint else record.version


def _nothing_new(
    store: ModelStore, record: ModelRecord | None, fingerprint: str, withdrawn: str, spans: SpansSummary | None
) -> str | None:
    """The fingerprint covers configuration and code too, so a change to either is a reason to run."""
    if record is None:
        return None
    if withdrawn:
        version, rest = withdrawn, f", and somebody rolled back from it to {record.version}"
    elif record.fingerprint == fingerprint and record.version in store.versions():
        version, rest = record.version, ""
    else:
        return None
    learnt = "this data"
    if spans is not None:
        names = list(spans.rows)
        learnt = f"{names[0]} to {names[-1]} ({len(names)} span{'s' * (len(names) > 1)})"
    return (
        f"Nothing is new since version {version} was pushed: it has learnt from {learnt} with this "
        f"configuration and code{rest}."
    )
