"""What a `BaselineModel` artifact holds."""

from __future__ import annotations

from dataclasses import dataclass

from agnews.components.model_store.model_digest import RECORD_FILE
from agnews.components.storage.files_at import files_at
from agnews.schemas.model_record import ModelRecord

SERVING_FOLDER = "Format-Serving"
"""Where TFX keeps the SavedModel of a `Model` artifact."""
CORPUS_FILE = "assets.extra/corpus.json"
"""The description of the corpus that a pushed model learnt from, canonical, in its folder."""
ABSTENTION_FILE = "assets.extra/abstention.json"
"""Below which probability a pushed model gives no answer, an `agnews.schemas.abstention.Abstention`; not there for one
that answers always."""
STATISTICS_FILE = "assets.extra/statistics/FeatureStats.pb"
"""Statistics of the rows that a pushed model was trained on, in its folder."""
COUNTS_FILE = "assets.extra/feature_counts.json"
"""Counts of those rows, for other samples to be compared with: an `agnews.schemas.feature_counts.FeatureCounts`."""


@dataclass(frozen=True)
class Baseline:
    """The model that a candidate is compared with.

    Attributes:
        folder: Its SavedModel.
        record: What is known about it.
        counts: File with the counts of its training rows; None where it was pushed without, as by 0.1.0.
    """

    folder: str
    record: ModelRecord
    counts: str | None


def baseline_at(model_uri: str) -> Baseline | None:
    """Looks into the artifact that `BaselineModel` wrote.

    Args:
        model_uri: URI of its output `model`.

    Returns:
        The baseline, or None where there is none yet. What decides is the files, because the properties of an
        artifact do not survive every orchestrator.
    """
    folder = f"{model_uri.rstrip('/')}/{SERVING_FOLDER}"
    files = files_at(folder)
    if not files.exists(f"{folder}/{RECORD_FILE}"):
        return None
    counts = f"{folder}/{COUNTS_FILE}"
    return Baseline(
        folder=folder,
        record=ModelRecord.model_validate_json(files.read_bytes(f"{folder}/{RECORD_FILE}")),
        counts=counts if files.exists(counts) else None,
    )
