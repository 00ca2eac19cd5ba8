"""The Beam pipeline from the files of a corpus to sharded tf.Examples and a data card.

Beam's price is paid per element, so rows pass from reader to TFRecord in batches that no runner ever sees, holds or
shuffles. In one process the files are one element. Where there are several workers, each takes ranges of a file: a CSV
file whose quoted fields hold line ends cannot be cut at arbitrary bytes, so a look at line ends and quotes finds places
between rows, and whoever reads a range sees whether it was one. Where it was not, a quote was never closed, and one
worker reads the files in their order. The shards have the same bytes on all of these ways. What crosses a stage are
digests of texts and counts.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from apache_beam.options.pipeline_options import DirectOptions, StandardOptions
from apache_beam.pvalue import AsList, AsSingleton, PCollection, TaggedOutput

from agnews.components.corpus_files.corpus_state import CorpusState
from agnews.components.corpus_files.corrections import Corrections, read_corrections
from agnews.components.corpus_files.file_ranges import FileRange, cut_files
from agnews.components.corpus_files.label_arrays import stratify
from agnews.components.corpus_files.read_csv_rows import MisplacedEndError
from agnews.components.corpus_files.read_range import read_range
from agnews.components.corpus_files.row_batch import LeftOut, RowBatch, read_files
from agnews.components.corpus_files.sources import CorpusFiles
from agnews.components.corpus_files.split_rule import Cutoffs, SplitRule, stratified_cutoffs, train_top_up
from agnews.components.corpus_files.tally import Tally
from agnews.components.example_files.write_records import whole_records
from agnews.components.storage.files_at import files_at
from agnews.schemas.corpus import Corpus
from agnews.schemas.features import EVAL, HAS_MARKUP, LABEL, NUM_WORDS, ROW, TEST, TEXT, TRAIN
from agnews.schemas.progress import Progress, report_progress

_LOGGER = logging.getLogger(__name__)

_BATCHES_OF_A_RANGE = 2
"""32,768 rows: seconds of work, so that as many workers as there are find some."""

_MARKUP = (b"no", b"yes")


class ExampleEncoder:
    """Serialises rows.

    One message is built and its values are replaced for each row, which takes an eighth of the time that building a
    message for each row takes and gives the same bytes.
    """

    def __init__(self) -> None:
        self._example = tf.train.Example()
        features = self._example.features.feature
        for name in (TEXT, HAS_MARKUP):
            features[name].bytes_list.value.append(b"")
        for name in (LABEL, NUM_WORDS, ROW):
            features[name].int64_list.value.append(0)
        self._text = features[TEXT].bytes_list.value
        self._has_markup = features[HAS_MARKUP].bytes_list.value
        self._label = features[LABEL].int64_list.value
        self._num_words = features[NUM_WORDS].int64_list.value
        self._row = features[ROW].int64_list.value

    def encode(self, batch: RowBatch, mask: npt.NDArray[np.bool_]) -> Iterator[bytes]:
        """Serialises some rows of a batch.

        Args:
            batch: n rows.
            mask: Which of them, bool (n,).

        Yields:
            A raw tf.Example a row (`agnews.schemas.features.RAW`), in the order of the batch.
        """
        words, markup, rows = batch.words.tolist(), batch.markup.tolist(), batch.rows.tolist()
        serialize = self._example.SerializeToString
        for i in np.flatnonzero(mask).tolist():
            record = batch.records[i]
            self._text[0] = record.encoded
            self._has_markup[0] = _MARKUP[markup[i]]
            # Of several classes the bytes of a label are its values.
            self._label[:] = (record.label,) if isinstance(record.label, int) else record.label
            self._num_words[0] = words[i]
            self._row[0] = rows[i]
            yield serialize(deterministic=True)


REJECTS_FILE = "rejects.jsonl"

_KEYS = "keys"
_Keys = npt.NDArray[np.uint64]
_Files = tuple[tuple[str, str], ...]
"""Names and paths in the order in which they are read."""
_Split = Callable[[RowBatch], tuple[dict[str, npt.NDArray[np.bool_]], LeftOut]]
"""Which rows of a batch go to which split, and how many to none whatever the limit is."""


class ConvertCorpus(beam.PTransform):
    """Reads the files of a corpus, writes the splits and the card.

    Args:
        files: Where they are.
        corpus: The corpus.
        split_uris: Folder for the TFRecords by split.
        card_uri: Folder for `report.json`, `rejects.jsonl`, and `feature_counts.json` of train and test.
        source: What the card calls the source.
        is_sample: Whether the files are the generated sample.
        state: Digests of the files, for the card.
        limit: Rows wanted in train, 0 for all.
        eval_share: Share of the training texts that go to eval.
        seed: Chooses the subset that `limit` takes.
    """

    def __init__(
        self,
        files: CorpusFiles,
        corpus: Corpus,
        *,
        split_uris: dict[str, str],
        card_uri: str,
        source: str,
        is_sample: bool,
        state: CorpusState,
        limit: int,
        eval_share: float,
        seed: int,
    ) -> None:
        super().__init__()
        self._files = files
        self._corpus = corpus
        self._split_uris = split_uris
        self._card = _WriteCard(card_uri, corpus, source=source, is_sample=is_sample, state=state)
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
        corrections = read_corrections(self._files, self._corpus)
        convert = _ConvertFile(self._corpus, self._split_uris, self._eval_share, corrections)
        from_test = self._read(pipeline, "Test", self._files.test) | "ConvertTest" >> beam.ParDo(convert).with_outputs(
            _KEYS, main="tally"
        )
        test_keys = AsSingleton(from_test[_KEYS])
        cutoffs = None
        if self._limit:
            find = _FindCutoffs(self._corpus, self._eval_share, self._limit, self._seed, corrections)
            cutoffs = AsSingleton(
                self._read(pipeline, "TrainForLimit", self._files.train) | "FindCutoffs" >> beam.ParDo(find, test_keys)
            )
        ranges = (
            cut_files(self._files.train, self._corpus, _BATCHES_OF_A_RANGE) if _has_workers(pipeline.pipeline) else None
        )
        parts = None
        if ranges is not None and len(ranges) > 1:
            converted = (
                pipeline
                | "Ranges" >> beam.Create(ranges)
                | "ConvertRanges" >> beam.ParDo(_ConvertRange(convert), test_keys, cutoffs)
            )
            parts = AsList(converted)
        from_train = self._read(pipeline, "Train", self._files.train) | "ConvertTrain" >> beam.ParDo(
            convert, test_keys, cutoffs, parts
        )
        return from_train | "WriteCard" >> beam.ParDo(self._card, AsSingleton(from_test["tally"]))

    def _read(self, pipeline: beam.Pipeline, name: str, paths: Mapping[str, str]) -> PCollection:
        return pipeline | name >> beam.Create([tuple(paths.items())], reshuffle=False)


class _ConvertFile(beam.DoFn):
    """Writes the rows of files, a shard a batch and split.

    Yields the tally of the files. Those that get no keys of test rows are the test file itself: it yields its own
    keys under another tag.
    """

    def __init__(self, corpus: Corpus, split_uris: dict[str, str], eval_share: float, corrections: Corrections) -> None:
        self._corpus = corpus
        self._split_uris = split_uris
        self._eval_share = eval_share
        self._corrections = corrections

    def process(
        self,
        files: _Files,
        test_keys: _Keys | None = None,
        cutoffs: Cutoffs | None = None,
        parts: list[_ConvertedRange] | None = None,
    ) -> Iterator[Any]:
        if test_keys is None:
            own_keys = [np.zeros(0, np.uint64)]

            def all_to_test(batch: RowBatch) -> tuple[dict[str, npt.NDArray[np.bool_]], LeftOut]:
                own_keys.append(batch.keys)
                return {TEST: np.ones(len(batch.records), np.bool_)}, LeftOut()

            yield self.write(read_files(dict(files), self._corpus, TEST), all_to_test)[0]
            yield TaggedOutput(_KEYS, np.unique(np.concatenate(own_keys)))
            return
        rule = self.rule(test_keys, cutoffs)
        shards = {shard for part in parts or () for shard in part.shards}
        if parts and all(part.tally is not None for part in parts):
            tally = _merged(parts)
        else:
            tally, written = self.write(read_files(dict(files), self._corpus), rule)
            _remove(shards - written)
            shards = written
        topped_up = rule.topped_up(tally.rows(TRAIN), tally.rows(EVAL))
        if topped_up is not rule:
            # Only a corpus with small classes is read twice.
            tally, written = self.write(read_files(dict(files), self._corpus), topped_up)
            _remove(shards - written)
        yield tally

    def rule(self, test_keys: _Keys, cutoffs: Cutoffs | None) -> SplitRule:
        """Which training rows go where."""
        rule = SplitRule(self._eval_share, test_keys, cutoffs, corrections=self._corrections)
        return rule if cutoffs is None else replace(rule, more_train=cutoffs.more_train)

    def read(self, part: FileRange) -> Iterator[RowBatch]:
        """Reads a range."""
        return read_range(part, self._corpus)

    def write(self, batches: Iterable[RowBatch], split: _Split) -> tuple[Tally, set[str]]:
        """Writes batches; returns what was counted, and the shards."""
        encoder, tally, done, shards = ExampleEncoder(), Tally(), 0, set()
        for batch in batches:
            masks, left_out = split(batch)
            for name, mask in masks.items():
                if mask.any():
                    shards.add(_write_shard(self._split_uris[name], batch.index, encoder.encode(batch, mask)))
            tally.add(batch, masks, left_out)
            done += len(batch.records) + len(batch.rejects)
            report_progress(Progress("NewsExampleGen", done))
        return tally, shards


@dataclass(frozen=True, eq=False)
class _ConvertedRange:
    """What became of a range: no tally where it was none, although its shards may be there."""

    number: int
    shards: tuple[str, ...]
    tally: Tally | None


class _ConvertRange(beam.DoFn):
    """Writes the rows of a range, on any worker."""

    def __init__(self, convert: _ConvertFile) -> None:
        self._convert = convert

    def process(self, part: FileRange, test_keys: _Keys, cutoffs: Cutoffs | None) -> Iterator[_ConvertedRange]:
        shards: set[str] = set()
        counts, whole = Tally(), True
        rule = self._convert.rule(test_keys, cutoffs)
        try:
            for batch in self._convert.read(part):
                counted, written = self._convert.write([batch], rule)
                shards |= written
                counts.merge(counted)
        except MisplacedEndError as error:
            _LOGGER.warning("%s is read from its beginning: %s", part.name, error)
            whole = False
        yield _ConvertedRange(part.batch, tuple(sorted(shards)), counts if whole else None)


def _merged(parts: list[_ConvertedRange]) -> Tally:
    tally = Tally()
    for part in sorted(parts, key=lambda part: part.number):
        if part.tally is not None:
            tally.merge(part.tally)
    return tally


def _remove(shards: Iterable[str]) -> None:
    for shard in shards:
        if tf.io.gfile.exists(shard):
            tf.io.gfile.remove(shard)


def _has_workers(pipeline: beam.Pipeline) -> bool:
    """Whether anything is won by reading files in parts: in one process, one thing comes after the other."""
    runner = pipeline.options.view_as(StandardOptions).runner
    in_memory = pipeline.options.view_as(DirectOptions).direct_running_mode == "in_memory"
    return not (in_memory and runner in (None, "FnApiRunner", "DirectRunner"))


def _write_shard(folder: str, index: int, examples: Iterator[bytes]) -> str:
    tf.io.gfile.makedirs(folder)
    path = f"{folder}/data_tfrecord-{index:05d}.gz"
    with whole_records(path) as writer:
        for example in examples:
            writer.write(example)
    return path


class _FindCutoffs(beam.DoFn):
    """Reads the training files for digests and classes alone; yields where the subset ends."""

    def __init__(self, corpus: Corpus, eval_share: float, limit: int, seed: int, corrections: Corrections) -> None:
        self._corpus = corpus
        self._eval_share = eval_share
        self._limit = limit
        self._seed = seed
        self._corrections = corrections

    def process(self, files: _Files, test_keys: _Keys) -> Iterator[Cutoffs]:
        rule = SplitRule(self._eval_share, test_keys, corrections=self._corrections)
        parts: list[list[npt.NDArray[Any]]] = []
        for batch in read_files(dict(files), self._corpus):
            masks, _ = rule(batch)
            usable = masks[TRAIN] | masks[EVAL]
            parts.append([each[usable] for each in (batch.keys, batch.labels, batch.rows, masks[EVAL])])
        if not parts:
            yield Cutoffs(self._seed)
            return
        keys, labels, rows, to_eval = (np.concatenate(column) for column in zip(*parts, strict=True))
        more_train = train_top_up((keys[~to_eval], labels[~to_eval]), (keys[to_eval], labels[to_eval]))
        to_eval &= ~np.isin(keys, more_train)
        strata = {
            (split, label): (keys[taken], rows[taken])
            for split, mask in ((TRAIN, ~to_eval), (EVAL, to_eval))
            for label, taken in _by_stratum(np.flatnonzero(mask), stratify(labels))
        }
        yield replace(stratified_cutoffs(strata, self._limit, self._seed), more_train=more_train)


def _by_stratum(
    places: npt.NDArray[np.int64], stratum: npt.NDArray[np.integer[Any]]
) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """Yields each stratum of some places with these, in their order."""
    ordered = places[np.argsort(stratum[places], kind="stable")]
    found, starts = np.unique(stratum[ordered], return_index=True)
    yield from zip(found.tolist(), np.split(ordered, starts[1:]), strict=False)


class _WriteCard(beam.DoFn):
    """Writes the card and the rejects."""

    def __init__(self, uri: str, corpus: Corpus, *, source: str, is_sample: bool, state: CorpusState) -> None:
        self._uri = uri
        self._corpus = corpus
        self._source = source
        self._is_sample = is_sample
        self._state = state

    def process(self, from_train: Tally, from_test: Tally) -> None:
        tally = Tally()
        tally.merge(from_train)
        tally.merge(from_test)
        card = tally.card(self._corpus, source=self._source, is_sample=self._is_sample, state=self._state)
        files = files_at(self._uri)
        card.write(self._uri, files.write)
        for split in (TRAIN, TEST):
            tally.feature_counts(split, self._corpus.num_classes).write(f"{self._uri}/{split}", files.write)
        lines = (
            json.dumps({"file": name, **bad._asdict()}).encode() + b"\n"
            for name, rejects in sorted(tally.rejects.items())
            for bad in rejects
        )
        files.write(f"{self._uri}/{REJECTS_FILE}", lines)
