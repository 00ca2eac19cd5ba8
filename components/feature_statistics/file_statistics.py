"""TFDV's statistics of files of rows, each counted by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

from agnews.components.example_files.read_lots import read_lots
from agnews.components.statistics import statistics_options

# isort: split
from tensorflow_data_validation.statistics import stats_impl
from tensorflow_metadata.proto.v0 import statistics_pb2

Accumulators = list[Any]
"""What each generator of TFDV has counted so far. They can be pickled and merged."""

_BATCH = 4096


class FileStatistics:
    """The generators that `statistics_options` asks for, which run in memory and on any number of files."""

    def __init__(self) -> None:
        self._generators = stats_impl.get_generators(statistics_options(), in_memory=True)
        for generator in self._generators:
            generator.setup()

    def nothing(self) -> Accumulators:
        """Returns the counts of no rows."""
        return [generator.create_accumulator() for generator in self._generators]

    def count(self, file: str) -> Accumulators:
        """Counts the rows of a file.

        Args:
            file: TFRecord file of Examples, decompressed if its name ends in `.gz`.

        Returns:
            The counts.
        """
        counted, decoder = self.nothing(), ExamplesToRecordBatchDecoder()
        for lot in read_lots(file, _BATCH):
            rows = decoder.DecodeBatch(lot)
            counted = [
                generator.add_input(so_far, rows) for generator, so_far in zip(self._generators, counted, strict=True)
            ]
        return [generator.compact(all_of_it) for generator, all_of_it in zip(self._generators, counted, strict=True)]

    def summary(self, counted: Sequence[Accumulators]) -> statistics_pb2.DatasetFeatureStatisticsList:
        """Makes statistics of counts.

        Args:
            counted: What `count` found, one or more times.

        Returns:
            Statistics of all rows together.
        """
        merged = [
            generator.merge_accumulators(list(parts))
            for generator, *parts in zip(self._generators, *counted, strict=True)
        ]
        return stats_impl.extract_statistics_output(merged, self._generators)
