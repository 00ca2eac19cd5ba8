"""What the node DataGate does."""

from __future__ import annotations

import logging
from typing import Any

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.types.artifact import Artifact
from tfx.types.artifact_utils import decode_split_names, get_single_instance

from agnews.components.data_gate.check_statistics import check_statistics, require_clean
from agnews.components.model_store.baseline_at import baseline_at
from agnews.components.storage.files_at import files_at

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
                - statistics: one ExampleStatistics artifact with the splits train and test at least.
                - schema: one Schema artifact.
                - anomalies: one ExampleAnomalies artifact, for the same splits.
                - baseline: one Model artifact, what BaselineModel found. Drift is measured against the statistics
                  that lie in it; without them there is no drift.
            output_dict:
                - report: one StepReport. Gets `report.json`, an `agnews.schemas.data_check.DataCheck`.
            exec_properties:
                - fail_on_drift: 1 if drift ends the run, 0 if it is only reported.
                - code_version: not used here; it keeps old results from being taken for new ones.

        Raises:
            AgnewsError: Something stops the run; the report is written all the same.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        statistics = get_single_instance(input_dict["statistics"])
        anomalies = get_single_instance(input_dict["anomalies"])
        baseline = baseline_at(get_single_instance(input_dict["baseline"]).uri)
        check = check_statistics(
            {
                split: _parse(
                    statistics_pb2.DatasetFeatureStatisticsList(), f"{statistics.uri}/Split-{split}", "FeatureStats.pb"
                )
                for split in decode_split_names(statistics.split_names)
            },
            _read_schema(get_single_instance(input_dict["schema"]).uri),
            anomalies={
                split: _parse(anomalies_pb2.Anomalies(), f"{anomalies.uri}/Split-{split}", "SchemaDiff.pb")
                for split in decode_split_names(anomalies.split_names)
            },
            baseline_statistics=(
                None
                if baseline is None or baseline.statistics is None
                else _parse_file(statistics_pb2.DatasetFeatureStatisticsList(), baseline.statistics)
            ),
            baseline=None if baseline is None else baseline.record.version,
            fail_on_drift=bool(exec_properties["fail_on_drift"]),
        )
        folder = get_single_instance(output_dict["report"]).uri
        check.write(folder, files_at(folder).write)
        for finding in check.findings:
            _LOGGER.warning("%s %s: %s (allowed: %s)", finding.where, finding.feature, finding.seen, finding.allowed)
        require_clean(check)


def _parse(message: Any, folder: str, name: str) -> Any:
    return _parse_file(message, f"{folder}/{name}")


def _parse_file(message: Any, path: str) -> Any:
    message.ParseFromString(files_at(path).read_bytes(path))
    return message


def _read_schema(uri: str) -> Any:
    return text_format.Parse(files_at(uri).read_bytes(f"{uri}/schema.pbtxt"), schema_pb2.Schema())
