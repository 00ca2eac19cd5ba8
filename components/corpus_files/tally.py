"""Counts over batches that can be made apart and merged: what the card of a corpus is computed from."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from agnews.components.corpus_files.corpus_state import CorpusState
from agnews.components.corpus_files.label_arrays import Labels, count_labels, label_codes
from agnews.components.corpus_files.record import Reject
from agnews.components.corpus_files.row_batch import LeftOut, RowBatch
from agnews.components.drift.text_features import (
    NUM_LENGTH_BINS,
    PAIR_BUCKETS,
    count_character_pairs,
    length_bins,
)
from agnews.schemas.corpus import Corpus
from agnews.schemas.data_card import DataCard, FileCard, Lengths, SpanCard, SplitCard
from agnews.schemas.feature_counts import FeatureCounts
from agnews.schemas.features import EVAL, SPLITS, TRAIN

NORMALISATION = "markup dropped, case folded, white space collapsed"


@dataclass(eq=False)
class _SplitTally:
    """Counts of one split.

    Digests and classes take ten bytes a row, which is all that grows with the rows; where a text has several classes, a
    byte for each and eight.
    """

    keys: list[npt.NDArray[np.uint64]] = field(default_factory=list)
    labels: list[Labels] = field(default_factory=list)
    words: Counter[int] = field(default_factory=Counter)
    characters: Counter[int] = field(default_factory=Counter)
    markup: int = 0
    pairs: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(PAIR_BUCKETS, np.int64))


@dataclass(eq=False)
class Tally:
    """Counts over any number of batches, of any files.

    Attributes:
        splits: Counts by name of the split.
        records: Records by file, bad ones included.
        rejects: Bad records by file.
        left_out_as_test: Rows whose text stands in the test file too.
        left_out_as_corrected: Rows whose text people have labelled anew.
        left_out_by_limit: Rows that the limit left out.
    """

    splits: dict[str, _SplitTally] = field(default_factory=lambda: {split: _SplitTally() for split in SPLITS})
    records: Counter[str] = field(default_factory=Counter)
    rejects: dict[str, list[Reject]] = field(default_factory=dict)
    left_out_as_test: int = 0
    left_out_as_corrected: int = 0
    left_out_by_limit: int = 0

    def add(self, batch: RowBatch, masks: dict[str, npt.NDArray[np.bool_]], left_out: LeftOut) -> None:
        """Counts a batch.

        Args:
            batch: n rows.
            masks: Which rows go to which split, bool (n,) by name.
            left_out: Rows in no split.
        """
        self.records[batch.file] += len(batch.records) + len(batch.rejects)
        self.rejects.setdefault(batch.file, []).extend(batch.rejects)
        placed = sum(int(mask.sum()) for mask in masks.values())
        self.left_out_as_test += left_out.as_test
        self.left_out_as_corrected += left_out.as_corrected
        self.left_out_by_limit += len(batch.records) - sum(left_out) - placed
        for split, mask in masks.items():
            tally = self.splits[split]
            tally.keys.append(batch.keys[mask])
            tally.labels.append(batch.labels[mask])
            tally.words.update(batch.words[mask].tolist())
            tally.characters.update(batch.characters[mask].tolist())
            tally.markup += int(batch.markup[mask].sum())
            tally.pairs += count_character_pairs([batch.records[row].text for row in np.flatnonzero(mask).tolist()])

    def rows(self, split: str) -> tuple[npt.NDArray[np.uint64], Labels]:
        """Returns digests and labels of the rows of a split, uint64 (n,) and `Labels`."""
        tally = self.splits[split]
        labels = _joined(tally.labels)
        return _joined(tally.keys).astype(np.uint64), labels.astype(np.int64) if labels.ndim == 1 else labels

    def merge(self, other: Tally) -> None:
        """Adds the counts of another tally, in any order with the same outcome.

        Args:
            other: Counts of other batches; it is left as it is.
        """
        self.records.update(other.records)
        for file, rejects in other.rejects.items():
            self.rejects[file] = sorted([*self.rejects.get(file, []), *rejects])
        self.left_out_as_test += other.left_out_as_test
        self.left_out_as_corrected += other.left_out_as_corrected
        self.left_out_by_limit += other.left_out_by_limit
        for split, theirs in other.splits.items():
            ours = self.splits[split]
            ours.keys.extend(theirs.keys)
            ours.labels.extend(theirs.labels)
            ours.words.update(theirs.words)
            ours.characters.update(theirs.characters)
            ours.markup += theirs.markup
            ours.pairs = ours.pairs + theirs.pairs

    def card(self, corpus: Corpus, *, source: str, is_sample: bool, state: CorpusState) -> DataCard:
        """Computes the card.

        Args:
            corpus: Names of files and classes.
            source: Where the files are.
            is_sample: Whether they are the generated sample.
            state: Names and digests of the files.

        Returns:
            The card of everything counted so far.
        """
        shared = np.intersect1d(_joined(self.splits[TRAIN].keys), _joined(self.splits[EVAL].keys))
        return DataCard(
            corpus=corpus.name,
            title=corpus.title,
            source=source,
            is_sample=is_sample,
            digest=state.digest,
            test_digest=state.test_digest,
            spans=tuple(
                SpanCard(name=name, digest=digest, rows=self._usable(f"{name}/{corpus.train_file}"))
                for name, digest in state.span_digests.items()
            ),
            splits={split: _split_card(tally, corpus) for split, tally in self.splits.items()},
            files={
                file: FileCard(
                    records=self.records[file],
                    rejects=dict(Counter(str(bad.reason) for bad in self.rejects.get(file, ())).most_common()),
                )
                for file in state.sha256
            },
            left_out_as_test=self.left_out_as_test,
            left_out_as_corrected=self.left_out_as_corrected,
            left_out_by_limit=self.left_out_by_limit,
            shared_by_train_and_eval=len(shared),
            normalisation=NORMALISATION,
        )

    def feature_counts(self, split: str, num_classes: int) -> FeatureCounts:
        """Returns what another sample of the corpus can be compared with.

        Args:
            split: Name of the split.
            num_classes: How many classes the corpus has.
        """
        tally = self.splits[split]
        rows = sum(len(keys) for keys in tally.keys)
        return FeatureCounts(
            rows=rows,
            label=tuple(count_labels(self.rows(split)[1], num_classes).tolist()),
            num_words=_in_bins(tally.words),
            num_characters=_in_bins(tally.characters),
            has_markup=(rows - tally.markup, tally.markup),
            character_pairs=tuple(tally.pairs.tolist()),
        )

    def _usable(self, file: str) -> int:
        return self.records[file] - len(self.rejects.get(file, ()))


def _split_card(tally: _SplitTally, corpus: Corpus) -> SplitCard:
    keys, labels = _joined(tally.keys), _joined(tally.labels)
    per_class = count_labels(labels, corpus.num_classes)
    codes = label_codes(labels)
    rows = len(keys)
    distinct = np.unique(keys)
    order = np.lexsort((codes, keys))
    sorted_keys, sorted_labels = keys[order], codes[order]
    same_text = sorted_keys[1:] == sorted_keys[:-1]
    contradicting = sorted_keys[1:][same_text & (sorted_labels[1:] != sorted_labels[:-1])]
    return SplitCard(
        rows=rows,
        rows_per_class={name: int(n) for name, n in zip(corpus.class_names, per_class, strict=True)},
        duplicates=rows - len(distinct),
        contradictions=len(np.unique(contradicting)),
        words=_lengths(tally.words),
        characters=_lengths(tally.characters),
        markup_share=round(tally.markup / rows, 6) if rows else 0.0,
    )


def _in_bins(histogram: Counter[int]) -> tuple[int, ...]:
    counts = np.zeros(NUM_LENGTH_BINS, np.int64)
    np.add.at(counts, length_bins(list(histogram)), list(histogram.values()))
    return tuple(counts.tolist())


def _lengths(histogram: Counter[int]) -> Lengths:
    if not histogram:
        return Lengths(mean=0.0, p50=0, p95=0, p99=0, max=0)
    values = np.array(sorted(histogram))
    counts = np.array([histogram[value] for value in values.tolist()])
    upto = np.cumsum(counts)
    # Nearest rank: the smallest length that at least this share of the texts does not exceed.
    p50, p95, p99 = (int(values[np.searchsorted(upto, share * upto[-1])]) for share in (0.50, 0.95, 0.99))
    mean = float((values * counts).sum() / upto[-1])
    return Lengths(mean=round(mean, 2), p50=p50, p95=p95, p99=p99, max=int(values[-1]))


def _joined(arrays: list[npt.NDArray[np.uint64]] | list[Labels]) -> npt.NDArray[np.unsignedinteger]:
    return np.concatenate(arrays) if arrays else np.zeros(0, np.uint64)
