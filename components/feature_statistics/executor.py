"""What the node StatisticsGen does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types.artifact import Artifact
from tfx.types.artifact_utils import decode_split_names, get_single_instance

from agnews.components.example_files.read_records import record_files
from agnews.components.feature_statistics.file_statistics import Accumulators, FileStatistics
from agnews.components.storage.files_at import files_at

_FILE = "FeatureStats.pb"


class Executor(BaseBeamExecutor):
    """Takes TFDV's statistics of the features of each split.

    The artifact is that of TFX's own executor, with the same generators of TFDV behind it. That one sends batches of
    rows through more than a hundred transforms of Beam a split, most of them for slices and lifts that nobody asks for
    here: on 40,000 rows, building and running these takes four fifths of its time. Here a file is counted where it is
    read, and what Beam moves are the counts.
    """

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Runs the step.

        Args:
            input_dict:
                - examples: one Examples artifact of TFRecords of raw Examples, decompressed if they end in `.gz`.
            output_dict:
                - statistics: one ExampleStatistics artifact. Gets `Split-NAME/FeatureStats.pb` for each split, a
                  serialised `DatasetFeatureStatisticsList`, and the properties `split_names` and `span`.
            exec_properties:
                - code_version: not used here; it keeps old results from being taken for new ones.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        examples = get_single_instance(input_dict["examples"])
        statistics = get_single_instance(output_dict["statistics"])
        statistics.split_names = examples.split_names
        statistics.span = examples.span
        files = [
            (f"{statistics.uri}/Split-{split}", file)
            for split in decode_split_names(examples.split_names)
            # A split without files has statistics too: they say that it has no rows.
            for file in record_files([f"{examples.uri}/Split-{split}"]) or [""]
        ]
        with self._make_beam_pipeline() as pipeline:
            _ = (
                pipeline
                | beam.Create(files)
                | "CountFiles" >> beam.ParDo(_CountFile())
                | beam.GroupByKey()
                | "WriteSplits" >> beam.ParDo(_WriteSplit())
            )


class _CountFile(beam.DoFn):
    def process(self, element: tuple[str, str]) -> Iterator[tuple[str, Accumulators]]:
        split, file = element
        statistics = FileStatistics()
        yield split, statistics.count(file) if file else statistics.nothing()


class _WriteSplit(beam.DoFn):
    def process(self, element: tuple[str, Iterable[Accumulators]]) -> None:
        split, counted = element
        found = FileStatistics().summary(list(counted))
        files_at(split).write(f"{split}/{_FILE}", [found.SerializeToString(deterministic=True)])
