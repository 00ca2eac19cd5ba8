"""The Beam pipeline from CSV files to sharded tf.Examples and a data card.

A CSV file whose quoted fields hold line ends cannot be cut at arbitrary bytes, so each file is read in order by one
worker, and Beam is handed batches of thousands of rows: its price per element is paid twice a batch instead of
several times a row. Reading, splitting and writing fuse into one stage; rows are never shuffled or held, and the
shards are the same whichever runner does it. What crosses a stage are digests of texts and counts.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from apache_beam.pvalue import AsSingleton, PCollection, TaggedOutput

from agnews.components.corpus_files.row_batch import RowBatch, read_batches
from agnews.components.corpus_files.split_rule import Cutoffs, SplitRule, Strata, stratified_cutoffs
from agnews.components.corpus_files.tally import Tally
from agnews.components.news_example_gen.example_encoder import ExampleEncoder
from agnews.schemas.corpus import Corpus
from agnews.schemas.features import TEST
from agnews.schemas.progress import Progress, report_progress

REPORT_FILE = "report.json"
REJECTS_FILE = "rejects.jsonl"

_KEYS = "keys"
_Keys = npt.NDArray[np.uint64]


class ConvertCorpus(beam.PTransform):
    """Reads the files of a corpus, writes the splits and the card.

    Args:
        paths: Path or URI by file name.
        corpus: The corpus.
        split_uris: Folder for the TFRecords by split.
        card_uri: Folder for `report.json` and `rejects.jsonl`.
        source: What the card calls the source.
        is_sample: Whether the files are the generated sample.
        digest: Digest of the files, for the card.
        limit: Rows wanted in train, 0 for all.
        eval_share: Share of the training texts that go to eval.
        seed: Chooses the subset that `limit` takes.
    """

    def __init__(
        self,
        paths: dict[str, str],
        corpus: Corpus,
        *,
        split_uris: dict[str, str],
        card_uri: str,
        source: str,
        is_sample: bool,
        digest: str,
        limit: int,
        eval_share: float,
        seed: int,
    ) -> None:
        super().__init__()
        self._paths = paths
        self._corpus = corpus
        self._split_uris = split_uris
        self._card = _WriteCard(card_uri, corpus, source=source, is_sample=is_sample, digest=digest)
        self._limit = limit
        self._eval_share = eval_share
        self._seed = seed

    def expand(self, pipeline: beam.Pipeline) -> PCollection:
        """Builds the graph.

        Args:
            pipeline: The pipeline to add to.

        Returns:
            An empty collection that is done when all files are written.
        """
        train, test = self._corpus.train_file, self._corpus.test_file
        write = _SplitAndWrite(self._split_uris, test, self._eval_share)
        from_test = self._read(pipeline, test, "ReadTest") | "WriteTest" >> beam.ParDo(write).with_outputs(
            _KEYS, main="tallies"
        )
        test_keys = AsSingleton(from_test[_KEYS] | "TestKeys" >> beam.CombineGlobally(_join_keys))
        cutoffs = None
        if self._limit:
            strata = self._read(pipeline, train, "ReadForLimit") | "Strata" >> beam.ParDo(
                _find_strata, test_keys, self._eval_share
            )
            cutoffs = AsSingleton(
                strata
                | "AllStrata" >> beam.CombineGlobally(_merge_strata)
                | "Cutoffs" >> beam.Map(stratified_cutoffs, self._limit, self._seed)
            )
        from_train = self._read(pipeline, train, "ReadTrain") | "WriteTrain" >> beam.ParDo(
            write, test_keys, cutoffs
        ).with_outputs(_KEYS, main="tallies")
        return (
            (from_test["tallies"], from_train["tallies"])
            | "AllTallies" >> beam.Flatten()
            | "Sum" >> beam.CombineGlobally(_SumTallies())
            | "WriteCard" >> beam.ParDo(self._card)
        )

    def _read(self, pipeline: beam.Pipeline, file: str, name: str) -> PCollection:
        return (
            pipeline
            | f"{name}/Path" >> beam.Create([self._paths[file]])
            | name >> beam.FlatMap(read_batches, file, self._corpus)
        )


class _SplitAndWrite(beam.DoFn):
    """Writes a batch as one shard a split; yields its tally and, under another tag, its keys if it is of test."""

    def __init__(self, split_uris: dict[str, str], test_file: str, eval_share: float) -> None:
        self._split_uris = split_uris
        self._test_file = test_file
        self._eval_share = eval_share
        self._encoder: ExampleEncoder | None = None
        self._done = 0

    def setup(self) -> None:
        self._encoder = ExampleEncoder()

    def process(self, batch: RowBatch, test_keys: _Keys | None = None, cutoffs: Cutoffs | None = None) -> Iterator[Any]:
        if test_keys is None:
            masks, left_out = {TEST: np.ones(len(batch.records), np.bool_)}, 0
            yield TaggedOutput(_KEYS, batch.keys)
        else:
            masks, left_out = SplitRule(self._eval_share, test_keys, cutoffs)(batch)
        for split, mask in masks.items():
            if mask.any():
                self._write(batch, mask, self._split_uris[split])
        tally = Tally()
        tally.add(batch, masks, left_out)
        self._done += len(batch.records) + len(batch.rejects)
        report_progress(Progress("NewsExampleGen", self._done))
        yield tally

    def _write(self, batch: RowBatch, mask: npt.NDArray[np.bool_], folder: str) -> None:
        assert self._encoder is not None  # noqa: S101 - Beam calls setup first
        tf.io.gfile.makedirs(folder)
        name = f"data_tfrecord-{batch.index:05d}.gz"
        # A runner may process a batch twice, even at once: each writes a file of its own, the last rename wins, and
        # both have the same bytes.
        incoming = f"{folder}/.{name}.{secrets.token_hex(4)}"
        # Level 1 takes a quarter of the time of level 6 for a seventh more bytes.
        options = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=1)
        with tf.io.TFRecordWriter(incoming, options) as writer:
            for example in self._encoder.encode(batch, mask):
                writer.write(example)
        tf.io.gfile.rename(incoming, f"{folder}/{name}", overwrite=True)


class _SumTallies(beam.CombineFn):
    def create_accumulator(self) -> Tally:
        return Tally()

    def add_input(self, accumulator: Tally, tally: Tally) -> Tally:
        accumulator.merge(tally)
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[Tally]) -> Tally:
        total = Tally()
        for tally in accumulators:
            total.merge(tally)
        return total

    def extract_output(self, accumulator: Tally) -> Tally:
        return accumulator


class _WriteCard(beam.DoFn):
    """Writes the card and the rejects of the one tally that there is in the end."""

    def __init__(self, uri: str, corpus: Corpus, *, source: str, is_sample: bool, digest: str) -> None:
        self._uri = uri
        self._corpus = corpus
        self._source = source
        self._is_sample = is_sample
        self._digest = digest

    def process(self, tally: Tally) -> None:
        card = tally.card(self._corpus, source=self._source, is_sample=self._is_sample, digest=self._digest)
        tf.io.gfile.makedirs(self._uri)
        with tf.io.gfile.GFile(f"{self._uri}/{REPORT_FILE}", "w") as file:
            file.write(card.model_dump_json(indent=2) + "\n")
        with tf.io.gfile.GFile(f"{self._uri}/{REJECTS_FILE}", "w") as file:
            # Without any write there would be no file.
            file.write("")
            for name, rejects in sorted(tally.rejects.items()):
                for bad in rejects:
                    file.write(json.dumps({"file": name, **bad._asdict()}) + "\n")


def _find_strata(batch: RowBatch, test_keys: _Keys, eval_share: float) -> Iterator[Strata]:
    masks, _ = SplitRule(eval_share, test_keys)(batch)
    yield {
        (split, int(label)): (batch.keys[taken], batch.rows[taken])
        for split, mask in masks.items()
        for label in np.unique(batch.labels[mask])
        for taken in [mask & (batch.labels == label)]
    }


def _merge_strata(parts: Iterable[Strata]) -> Strata:
    lists: dict[tuple[str, int], list[tuple[_Keys, npt.NDArray[np.int64]]]] = {}
    for part in parts:
        for stratum, arrays in part.items():
            lists.setdefault(stratum, []).append(arrays)
    return {
        stratum: (np.concatenate([keys for keys, _ in pairs]), np.concatenate([rows for _, rows in pairs]))
        for stratum, pairs in lists.items()
    }


def _join_keys(parts: Iterable[_Keys]) -> _Keys:
    return np.unique(np.concatenate([np.zeros(0, np.uint64), *parts]))
