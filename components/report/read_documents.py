"""From the artifacts of a run to the documents in them."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from agnews.components.baseline_model.baseline_at import baseline_at
from agnews.components.model_store.files import files_at
from agnews.components.report.review_predictions import review_predictions
from agnews.schemas.corpus import corpus_named
from agnews.schemas.data_card import DataCard
from agnews.schemas.data_check import DataCheck
from agnews.schemas.evaluation import Evaluation
from agnews.schemas.features import TEST
from agnews.schemas.model_record import ModelRecord
from agnews.schemas.prediction_review import PredictionReview
from agnews.schemas.predictions import FILE
from agnews.schemas.push_outcome import PushOutcome
from agnews.schemas.run_report import RunDocuments
from agnews.schemas.smoke_report import SmokeReport
from agnews.schemas.token_check import TokenCheck
from agnews.schemas.training_record import TrainingRecord

_Document = TypeVar("_Document", bound=BaseModel)


def read_documents(uris: Mapping[tuple[str, str], str], corpus: str) -> RunDocuments:
    """Reads what the steps of a run wrote down.

    Args:
        uris: URIs of output artifacts by node and key, of nodes that ended well; others are not there.
        corpus: Name of a description in `agnews.schemas.corpus`.

    Returns:
        The documents; what is not there is None.
    """

    def read(node: str, key: str, name: str, kind: type[_Document]) -> _Document | None:
        uri = uris.get((node, key))
        return None if uri is None else kind.model_validate_json(_read(posixpath.join(uri, name)))

    return RunDocuments(
        data_card=read("NewsExampleGen", "data_card", "report.json", DataCard),
        data_check=read("DataGate", "report", "report.json", DataCheck),
        token_check=read("TokenGate", "report", "report.json", TokenCheck),
        training=read("Trainer", "model_run", "training.json", TrainingRecord),
        evaluation=read("Evaluator", "evaluation", "evaluation.json", Evaluation),
        review=_at(uris.get(("Evaluator", "predictions")), lambda uri: _review(uri, corpus)),
        smoke=read("SmokeTest", "report", "report.json", SmokeReport),
        push=read("Pusher", "pushed_model", "pushed.json", PushOutcome),
        baseline=_at(uris.get(("BaselineModel", "model")), _baseline),
    )


def _read(path: str) -> bytes:
    return b"".join(files_at(path).read(path))


def _at(uri: str | None, read: Callable[[str], _Document | None]) -> _Document | None:
    return None if uri is None else read(uri)


def _review(uri: str, corpus: str) -> PredictionReview:
    table = pq.read_table(pa.BufferReader(_read(posixpath.join(uri, FILE.format(split=TEST)))))
    return review_predictions(table, corpus_named(corpus).class_names)


def _baseline(uri: str) -> ModelRecord | None:
    found = baseline_at(uri)
    return found.record if found else None
