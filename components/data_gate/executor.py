"""What the node DataGate does."""

from __future__ import annotations

import logging
from typing import Any

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.types.artifact import Artifact
from tfx.types.artifact_utils import decode_split_names, get_single_instance

from agnews.components.carried_corpus import read_carried_corpus
from agnews.components.data_gate.check_statistics import check_statistics, require_clean
from agnews.components.model_store.baseline_at import baseline_at
from agnews.components.storage.files_at import files_at
from agnews.schemas.data_card import DataCard
from agnews.schemas.feature_counts import FeatureCounts
from agnews.schemas.features import TEST, TRAIN

_LOGGER = logging.getLogger(__name__)


class Executor(BaseExecutor):
    """Judges the rows of a run by their statistics, and ends the run if they are not what the schema says."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Runs the step.

        Args:
            input_dict:
                - data_card: one StepReport of NewsExampleGen, with the counts of train and test.
                - schema: one Schema artifact.
                - anomalies: one ExampleAnomalies artifact.
                - baseline: one Model artifact, what BaselineModel found. Drift is measured against the counts that lie
                  in it; without them there is no drift.
            output_dict:
                - report: one StepReport. Gets `report.json`, an `agnews.schemas.data_check.DataCheck`.
            exec_properties:
                - corpus: how far samples may be apart, from `carry_corpus`.
                - fail_on_drift: 1 if drift ends the run, 0 if it is only reported.
                - code_version: not used here; it keeps old results from being taken for new ones.

        Raises:
            AgnewsError: Something stops the run; the report is written all the same.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        card_uri = get_single_instance(input_dict["data_card"]).uri
        anomalies = get_single_instance(input_dict["anomalies"])
        baseline = baseline_at(get_single_instance(input_dict["baseline"]).uri)
        check = check_statistics(
            {split: FeatureCounts.read(f"{card_uri}/{split}", files_at(card_uri).read) for split in (TRAIN, TEST)},
            _read_schema(get_single_instance(input_dict["schema"]).uri),
            rows={split: card.rows for split, card in DataCard.read(card_uri, files_at(card_uri).read).splits.items()},
            anomalies={
                split: _read_anomalies(f"{anomalies.uri}/Split-{split}/SchemaDiff.pb")
                for split in decode_split_names(anomalies.split_names)
            },
            distances=read_carried_corpus(exec_properties["corpus"]).distances,
            baseline_counts=None if baseline is None or baseline.counts is None else _read_counts(baseline.counts),
            baseline=None if baseline is None else baseline.record.version,
            fail_on_drift=bool(exec_properties["fail_on_drift"]),
        )
        folder = get_single_instance(output_dict["report"]).uri
        check.write(folder, files_at(folder).write)
        for finding in check.findings:
            _LOGGER.warning("%s %s: %s (allowed: %s)", finding.where, finding.feature, finding.seen, finding.allowed)
        require_clean(check)


def _read_anomalies(path: str) -> Any:
    message = anomalies_pb2.Anomalies()
    message.ParseFromString(files_at(path).read_bytes(path))
    return message


def _read_counts(path: str) -> FeatureCounts:
    return FeatureCounts.model_validate_json(files_at(path).read_bytes(path))


def _read_schema(uri: str) -> Any:
    return text_format.Parse(files_at(uri).read_bytes(f"{uri}/schema.pbtxt"), schema_pb2.Schema())
