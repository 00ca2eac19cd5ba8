"""Which n-grams suit a corpus, and what a linear model of them gets: measured on rows kept from train."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from agnews.components.corpus_files.label_arrays import stack_labels
from agnews.components.corpus_files.record import Record
from agnews.components.corpus_files.row_batch import RowBatch, rank_rows, read_files
from agnews.components.corpus_files.sources import require_corpus_files
from agnews.components.corpus_sniffing.propose_corpus import Proposal
from agnews.components.corpus_sniffing.write_description import write_description
from agnews.schemas.corpus import Corpus
from agnews.schemas.corpus_document import parse_corpus
from agnews.schemas.features import TEST
from agnews.schemas.learning_config import LinearConfig

CANDIDATES = ("1-3", "1-4", "2-4", "3-5", "3-6")
"""Runs of characters to try; short ones are words where a script has no spaces, long ones where it has."""
_MOST_ROWS, _MOST_CHARACTERS = 4000, 800_000
_FOLDS, _ANSWERS = 4, 1000
"""Each fold keeps a quarter of the rows; no more folds are asked once so many rows were answered."""
_MOST_CLASSES = 400
"""Of more, so few rows say nothing; which runs of characters suit a language does not depend on all of its classes."""
_SEED = 0x11E4


@dataclass(frozen=True)
class NgramChoice:
    """What was measured.

    Attributes:
        char_ngrams: The setting.
        reason: Why it is that.
        accuracy: Share of the kept rows that it was right on.
        learnt_from: Rows that each model learnt from.
        answered: Kept rows.
    """

    char_ngrams: str
    reason: str
    accuracy: float
    learnt_from: int
    answered: int


def measure_proposal(proposal: Proposal) -> Proposal:
    """Tries n-grams on the training rows of a proposed description.

    Args:
        proposal: From `settle_corpus`.

    Returns:
        The same with `model.char_ngrams` of the kind `linear`, its reason, and what a linear model gets.

    Raises:
        AgnewsError: The files cannot be read.
    """
    corpus = parse_corpus(write_description(proposal.document, ()), "the proposed description")
    texts, labels, num_classes = _draw(str(proposal.root), corpus)
    choice = choose_ngrams(texts, labels, num_classes=num_classes)
    if choice is None:
        return proposal
    document = {**proposal.document}
    kinds = {**document.get("kinds", {})}
    kinds["linear"] = {**kinds.get("linear", {}), "model": {"char_ngrams": choice.char_ngrams}}
    document["kinds"] = kinds
    document["reasons"] = {**document.get("reasons", {}), "model.char_ngrams": choice.reason}
    of_some = f", of {num_classes:,} of the classes" if num_classes < corpus.num_classes else ""
    said = (
        f"a linear model gets {choice.accuracy:.1%} of {choice.answered:,} training rows that it was not shown, after "
        f"{choice.learnt_from:,} others{of_some}; every run measures one on the test rows"
    )
    return replace(proposal, document=document, seen=[*proposal.seen, said])


def choose_ngrams(texts: list[str], labels: NDArray[np.int64], *, num_classes: int) -> NgramChoice | None:
    """Measures candidates and takes the best, or the usual one where that is as good but for noise.

    Args:
        texts: Training texts, each once, in an order that says nothing.
        labels: int64 (texts,), 0-based; or where a text has several classes a mark for each, (texts, classes).
        num_classes: Classes to tell apart.

    Returns:
        The choice, or None where there are too few rows to keep any.
    """
    from agnews.components.linear.cross_validate import cross_validate

    if len(texts) < 2 * _FOLDS:
        return None
    fold = np.arange(len(texts)) % _FOLDS
    folds = [fold == number for number in range(max(1, min(_FOLDS, -(-_ANSWERS * _FOLDS // len(texts)))))]
    answers = cross_validate(texts, labels, num_classes=num_classes, candidates=CANDIDATES, folds=folds)
    usual = str(LinearConfig().char_ngrams)
    best = max(CANDIDATES, key=lambda candidate: (answers[candidate].mean(), candidate == usual))
    difference = answers[best].astype(np.int64) - answers[usual].astype(np.int64)
    # Of five candidates one looks best by luck: it has to win by more than a standard error of the difference.
    chosen = best if difference.sum() > np.sqrt(np.square(difference).sum()) else usual
    shown = ", ".join(f"{candidate} {answers[candidate].mean():.1%}" for candidate in CANDIDATES)
    return NgramChoice(
        char_ngrams=chosen,
        reason=f"measured on {len(difference):,} rows kept from train: {shown}",
        accuracy=float(answers[chosen].mean()),
        learnt_from=int((~folds[0]).sum()),
        answered=len(difference),
    )


def _draw(root: str, corpus: Corpus) -> tuple[list[str], NDArray[np.int64], int]:
    """Draws training texts that differ from each other and from all test texts, by a hash of what they say.

    Returns:
        Texts, their labels, and how many classes these tell apart.
    """
    classes = _draw_classes(corpus)
    files = require_corpus_files(root, corpus, None)
    test = np.unique(np.concatenate([np.zeros(0, np.uint64), *(b.keys for b in read_files(files.test, corpus, TEST))]))
    drawn: dict[int, _Drawn] = {}
    for batch in read_files(files.train, corpus):
        drawn |= _ranked(batch, test, classes)
        if len(drawn) > 2 * _MOST_ROWS:
            drawn = dict(sorted(drawn.items(), key=lambda item: item[1][0])[:_MOST_ROWS])
    rows = sorted(drawn.values())[:_MOST_ROWS]
    size = np.cumsum([len(text) for _, text, _ in rows])
    rows = rows[: max(2 * _FOLDS, int(np.searchsorted(size, _MOST_CHARACTERS)))]
    labels = stack_labels([record for _, _, record in rows], corpus.label_shape).astype(np.int64)
    if classes is not None:
        labels = np.searchsorted(classes, labels)
    return [text for _, text, _ in rows], labels, corpus.num_classes if classes is None else len(classes)


def _draw_classes(corpus: Corpus) -> NDArray[np.int64] | None:
    """Positions of the classes to tell apart, rising; None for all of them."""
    if corpus.label_sets is not None or corpus.num_classes <= _MOST_CLASSES:
        return None
    return np.sort(np.random.default_rng(_SEED).permutation(corpus.num_classes)[:_MOST_CLASSES])


_Drawn = tuple[int, str, Record]
"""Rank, text and record: of no two rows rank and text are the same."""


def _ranked(batch: RowBatch, test: NDArray[np.uint64], classes: NDArray[np.int64] | None) -> dict[int, _Drawn]:
    ranks, learnt = rank_rows(batch.keys, _SEED), ~np.isin(batch.keys, test)
    if classes is not None:
        learnt &= np.isin(batch.labels, classes)
    return {
        int(batch.keys[i]): (int(ranks[i]), batch.records[i].text, batch.records[i]) for i in np.flatnonzero(learnt)
    }
