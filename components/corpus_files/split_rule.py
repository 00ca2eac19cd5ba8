"""Which rows of the training file are learnt from, and which steer training."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from agnews.components.corpus_files.corrections import Corrections
from agnews.components.corpus_files.label_arrays import Labels, count_labels, stratify
from agnews.components.corpus_files.row_batch import LeftOut, Ranks, RowBatch, rank_rows
from agnews.schemas.features import EVAL, TRAIN

Mask = npt.NDArray[np.bool_]
Strata = dict[tuple[str, int], tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]]
"""Digests and row numbers of rows by split and class."""
Rows = tuple[npt.NDArray[np.uint64], Labels]
"""Digests and labels of rows."""


def _no_keys() -> npt.NDArray[np.uint64]:
    return np.zeros(0, np.uint64)


@dataclass(frozen=True, eq=False)
class Cutoffs:
    """Where a stratified subset ends: a row is in it if its rank is not above that of its split and class.

    Attributes:
        seed: Seed of the ranks.
        last: The last (rank, row) taken, by split and class; a class that is missing has none.
        more_train: Digests of texts that went from eval to train before the subset was drawn, sorted, uint64; see
            `train_top_up`.
    """

    seed: int
    last: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    more_train: npt.NDArray[np.uint64] = field(default_factory=_no_keys)


@dataclass(frozen=True, eq=False)
class SplitRule:
    """Assigns the rows of the training file to train, eval, or neither.

    All that decides is the digest of a row's normalised text, so duplicates go the same way, and rows that are added
    move no other row.

    Attributes:
        eval_share: Share of the texts that go to eval.
        test_keys: Digests of the test texts, sorted, uint64; rows with one of these are left out.
        cutoffs: The subset to take, or None for all rows.
        more_eval: Digests of texts that go to eval as well, sorted, uint64; see `eval_top_up`.
        more_train: Digests of texts that go to train as well, sorted, uint64; see `train_top_up`.
        corrections: Texts that people have labelled anew; what other files say of them is left out.
    """

    eval_share: float
    test_keys: npt.NDArray[np.uint64]
    cutoffs: Cutoffs | None = None
    more_eval: npt.NDArray[np.uint64] = field(default_factory=_no_keys)
    more_train: npt.NDArray[np.uint64] = field(default_factory=_no_keys)
    corrections: Corrections = field(default_factory=Corrections)

    def __call__(self, batch: RowBatch) -> tuple[dict[str, Mask], LeftOut]:
        """Splits a batch of the training file.

        Args:
            batch: n rows.

        Returns:
            Masks, bool (n,), by name of the split, and how many rows were left out whatever the limit is.
        """
        seen_in_test = _contains(self.test_keys, batch.keys)
        corrected = self._corrected(batch) & ~seen_in_test
        usable = ~seen_in_test & ~corrected
        to_eval = (batch.keys >> np.uint64(32)) < np.uint64(round(self.eval_share * 2**32))
        to_eval &= ~_contains(self.more_train, batch.keys)
        masks = {TRAIN: usable & ~to_eval, EVAL: usable & to_eval}
        if self.cutoffs is not None:
            ranks = rank_rows(batch.keys, self.cutoffs.seed)
            masks = {split: mask & self._taken(split, batch, ranks) for split, mask in masks.items()}
        if len(self.more_eval):
            more = _contains(self.more_eval, batch.keys) & usable
            masks = {TRAIN: masks[TRAIN] & ~more, EVAL: masks[EVAL] | more}
        return masks, LeftOut(int(seen_in_test.sum()), int(corrected.sum()))

    def topped_up(self, train: Rows, evaluation: Rows) -> SplitRule:
        """Returns the rule by which no class is missing where a text could be moved, or this one if none has to be.

        Args:
            train: Digests and labels of the rows that this rule sends to train, uint64 (n,) and `Labels`.
            evaluation: The same of eval.
        """
        # A subset is drawn from what is moved already, and what it leaves out must not come back.
        more_train = self.more_train if self.cutoffs is not None else train_top_up(train, evaluation)
        keys, labels = evaluation
        stays = ~_contains(more_train, keys)
        # Not counted as train's either, which would offer it to eval again.
        more_eval = eval_top_up(train, (keys[stays], labels[stays]), self.eval_share)
        moves = len(more_eval) or len(more_train) > len(self.more_train)
        return replace(self, more_eval=more_eval, more_train=more_train) if moves else self

    def _corrected(self, batch: RowBatch) -> Mask:
        if batch.file in self.corrections.files:
            return np.zeros(len(batch.keys), np.bool_)
        return _contains(self.corrections.keys, batch.keys)

    def _taken(self, split: str, batch: RowBatch, ranks: Ranks) -> Mask:
        assert self.cutoffs is not None  # noqa: S101 - for the type checker
        taken, stratum = np.zeros(len(batch.keys), np.bool_), stratify(batch.labels)
        for (of_split, label), (rank, row) in self.cutoffs.last.items():
            if of_split == split:
                before = (ranks < np.uint64(rank)) | ((ranks == np.uint64(rank)) & (batch.rows <= row))
                taken |= (stratum == label) & before
        return taken


def eval_top_up(train: Rows, evaluation: Rows, eval_share: float) -> npt.NDArray[np.uint64]:
    """Finds texts that have to go from train to eval, so that eval has rows of every class.

    A hash alone leaves small classes out: of 35 rows, a share of a twentieth is none in one class of six. So a class
    with less than half of its share in eval gets what it lacks. With classes of hundreds of rows it gets nothing, and
    rows that are added move no other row.

    Args:
        train: Digests and labels of the rows of train, uint64 (n,) and `Labels`.
        evaluation: The same of eval.
        eval_share: Share of the training texts that go to eval.

    Returns:
        Digests, sorted. A class keeps at least one row in train; of a class with a single text nothing is taken.
    """
    (keys, labels), (_, eval_labels) = train, evaluation
    if labels.ndim == 2:
        return _top_up_sets(keys, labels, eval_labels, eval_share)
    chosen: list[npt.NDArray[np.uint64]] = []
    classes = int(max(labels.max(initial=0), eval_labels.max(initial=0))) + 1
    in_train, in_eval = (np.bincount(each, minlength=classes) for each in (labels, eval_labels))
    wanted = np.maximum(1, (eval_share * (in_train + in_eval) / 2).astype(np.int64)) - in_eval
    for label in np.flatnonzero((wanted > 0) & (in_train > 1)).tolist():
        distinct, rows = np.unique(keys[labels == label], return_counts=True)
        reached = np.cumsum(rows)
        needed = int(np.searchsorted(reached, wanted[label])) + 1
        while needed and reached[min(needed, len(reached)) - 1] >= in_train[label]:
            needed -= 1
        chosen.append(distinct[:needed])
    return np.unique(np.concatenate(chosen)) if chosen else _no_keys()


def train_top_up(train: Rows, evaluation: Rows) -> npt.NDArray[np.uint64]:
    """Finds texts that have to go from eval to train, so that train has rows of every class.

    A hash alone sends all texts of a small class to eval now and then: with a share of a twentieth, both of one pair in
    four hundred. Such a class gets the text with the largest digest back, which a smaller share would leave in train.
    Classes that have rows in train get nothing.

    Args:
        train: Digests and labels of the rows of train, uint64 (n,) and `Labels`.
        evaluation: The same of eval.

    Returns:
        Digests, sorted. A single text of a class is taken, too; but for that, no class loses its last row in eval, and
        where a text is of several classes, the rarest class chooses first.
    """
    (_, labels), (keys, eval_labels) = train, evaluation
    several = eval_labels.ndim == 2
    classes = eval_labels.shape[1] if several else int(max(labels.max(initial=0), eval_labels.max(initial=0))) + 1
    in_train, in_eval = (count_labels(each, classes) for each in (labels, eval_labels))
    lacking = np.flatnonzero(in_train == 0)
    if not len(lacking):
        return _no_keys()
    rows, of_class = np.nonzero(eval_labels) if several else (np.arange(len(keys)), eval_labels)
    texts = keys[rows]
    near = np.isin(texts, texts[np.isin(of_class, lacking)])
    texts, of_class = texts[near], of_class[near]
    chosen: list[np.uint64] = []
    for label in lacking[np.argsort(in_eval[lacking], kind="stable")].tolist():
        candidates = np.unique(texts[of_class == label])[::-1]
        for text in candidates:
            if in_train[label]:
                break
            of_text = np.bincount(of_class[texts == text], minlength=classes)
            spared = (of_text == 0) | (of_text < in_eval)
            spared[label] |= len(candidates) == 1
            if spared.all():
                chosen.append(text)
                in_train, in_eval = in_train + of_text, in_eval - of_text
    return np.sort(np.array(chosen, np.uint64))


def _top_up_sets(
    keys: npt.NDArray[np.uint64], marks: Labels, eval_marks: Labels, eval_share: float
) -> npt.NDArray[np.uint64]:
    """The same where a row has several classes: the rarest class first, and each text counts for all of its classes."""
    distinct, rows = np.unique(keys, return_inverse=True)
    of_text = np.zeros((len(distinct), marks.shape[1]), np.int64)
    np.add.at(of_text, rows, marks)
    in_train, in_eval = of_text.sum(axis=0), count_labels(eval_marks.reshape(-1, marks.shape[1]), marks.shape[1])
    wanted = np.maximum(1, (eval_share * (in_train + in_eval) / 2).astype(np.int64))
    moved = np.zeros(len(distinct), np.bool_)
    for label in np.argsort(in_train + in_eval, kind="stable").tolist():
        for text in np.flatnonzero(of_text[:, label]).tolist():
            if in_eval[label] >= wanted[label]:
                break
            left = in_train - of_text[text]
            if moved[text] or (left[of_text[text] > 0] < 1).any():
                continue
            moved[text], in_train = True, left
            in_eval = in_eval + of_text[text]
    return distinct[moved]


def stratified_cutoffs(strata: Strata, limit: int, seed: int) -> Cutoffs:
    """Finds the stratified subset that has exactly `limit` training rows.

    Args:
        strata: All rows that may be taken.
        limit: Training rows wanted; eval is cut to the same share. With fewer rows than that, all are taken.
        seed: Another seed takes another subset.

    Returns:
        The cut-offs. Each class keeps its share of the split to within one row, and at least one row.
    """
    available = {part: len(keys) for part, (keys, _) in strata.items()}
    in_train = sum(n for (split, _), n in available.items() if split == TRAIN)
    share = min(1.0, limit / in_train) if in_train else 1.0
    last: dict[tuple[str, int], tuple[int, int]] = {}
    for split in (TRAIN, EVAL):
        counts = {label: n for (of_split, label), n in sorted(available.items()) if of_split == split and n}
        total = min(limit, in_train) if split == TRAIN else round(share * sum(counts.values()))
        for label, wanted in _apportion(counts, total).items():
            keys, rows = strata[split, label]
            ranks = rank_rows(keys, seed)
            chosen = np.lexsort((rows, ranks))[wanted - 1] if wanted else None
            if chosen is not None:
                last[split, label] = (int(ranks[chosen]), int(rows[chosen]))
    return Cutoffs(seed, last)


def _apportion(counts: dict[int, int], total: int) -> dict[int, int]:
    """Shares out `total` in proportion to `counts` by largest remainders, at least one each where that is possible."""
    everything = sum(counts.values())
    if total >= everything:
        return counts
    exact = {label: total * n / everything for label, n in counts.items()}
    shares = {label: max(1, int(value)) if total >= len(counts) else int(value) for label, value in exact.items()}
    by_need = sorted(counts, key=lambda label: (shares[label] - exact[label], label))
    for label in by_need[: max(0, total - sum(shares.values()))]:
        shares[label] += 1
    for label in reversed(by_need):
        while sum(shares.values()) > total and shares[label] > 1:
            shares[label] -= 1
    return shares


def _contains(sorted_keys: npt.NDArray[np.uint64], keys: npt.NDArray[np.uint64]) -> Mask:
    if not len(sorted_keys):
        return np.zeros(len(keys), np.bool_)
    found = np.minimum(np.searchsorted(sorted_keys, keys), len(sorted_keys) - 1)
    return np.asarray(sorted_keys[found] == keys)
