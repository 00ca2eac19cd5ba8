"""Whether the tokens of a run's rows allow to go on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.token_check import SplitTokens, TokenCheck


def check_tokens(
    splits: Mapping[str, SplitTokens], *, rows: Mapping[str, int], max_length: int, max_unknown_share: float
) -> TokenCheck:
    """Judges the tokens of a run.

    Args:
        splits: Figures by split.
        rows: How many rows each split was made with.
        max_length: Longest sequence allowed, [CLS] and [SEP] included.
        max_unknown_share: Largest share of word pieces that may be [UNK].

    Returns:
        What was found; `passed` is False if any split stops the run.
    """
    problems = [
        f"{name}: {splits[name].rows if name in splits else 0:,} rows, and NewsExampleGen has written {count:,}"
        for name, count in rows.items()
        if name not in splits or splits[name].rows != count
    ]
    lost = bool(problems)
    problems += [
        problem for name, split in splits.items() for problem in _judge(name, split, max_length, max_unknown_share)
    ]
    return TokenCheck(
        passed=not problems,
        max_length=max_length,
        max_unknown_share=max_unknown_share,
        splits=dict(splits),
        problems=tuple(problems),
        rows_differ=lost,
    )


def require_tokens(check: TokenCheck) -> None:
    """Does nothing if the tokens may be learnt from.

    Args:
        check: What the gate found.

    Raises:
        AgnewsError: Something stops the run. Names each split, what was seen, and what is allowed.
    """
    if check.rows_differ:
        raise AgnewsError(
            "Rows were lost, or came in, between the data and the tokens. Nothing was trained.",
            found="".join(f"\n    {problem}" for problem in check.problems),
            fix="Run again with --from NewsExampleGen: files of an earlier step are gone, or are of another run.",
            exit_code=ExitCode.FAILED,
        )
    if not check.passed:
        raise AgnewsError(
            "The texts did not become tokens that a model could learn from. Nothing was trained.",
            found="".join(f"\n    {problem}" for problem in check.problems),
            fix=(
                "Use the vocabulary of the texts' language and case (text.vocabulary, text.lowercase); "
                "--set text.vocabulary=learn makes one of the rows, for a model without an encoder. Or raise "
                "text.max_unknown_share if so many odd words are right."
            ),
            exit_code=ExitCode.FAILED,
        )


def _judge(name: str, split: SplitTokens, max_length: int, max_unknown_share: float) -> list[str]:
    problems = []
    if not split.rows:
        problems.append(f"{name}: no rows")
    if split.broken_rows:
        problems.append(
            f"{name}: {split.broken_rows:,} of {split.rows:,} rows, first row {split.first_broken_row}, are not one "
            f"[CLS], word pieces, one [SEP], 2 to {max_length} in all (longest: {split.longest})"
        )
    if split.unknown_share > max_unknown_share:
        problems.append(
            f"{name}: {split.unknown_share:.2%} of {split.pieces:,} word pieces are [UNK], allowed: "
            f"{max_unknown_share:.2%}"
        )
    return problems


Integers = npt.NDArray[np.int64]


class Tally:
    """Running counts over the rows of a split.

    Args:
        cls_id: Id that each row must begin with.
        sep_id: Id that each row must end with.
        unknown_id: Id of a word that could not be spelled.
        max_length: Longest sequence allowed.
        continues: Whether a piece goes on with a word, bool (vocabulary,).
    """

    def __init__(
        self, *, cls_id: int, sep_id: int, unknown_id: int, max_length: int, continues: npt.NDArray[np.bool_]
    ) -> None:
        self._cls_id = cls_id
        self._sep_id = sep_id
        self._unknown_id = unknown_id
        self._max_length = max_length
        self._continues = continues
        self._continued = 0
        self._lengths = np.zeros(1, np.int64)  # Rows by length.
        self._unknown = 0
        self._edges = 0
        self._broken = 0
        self._first_broken: int | None = None

    def add(self, values: Integers, row_splits: Integers) -> None:
        """Counts a batch.

        Args:
            values: Token ids of all rows, one after the other.
            row_splits: Where each row begins, and where the last one ends: (rows + 1,).
        """
        starts, ends = row_splits[:-1], row_splits[1:]
        lengths = ends - starts
        # A row of no ids has no first one; position 0 stands in, and its length makes it broken.
        padded = values if len(values) else np.zeros(1, np.int64)
        whole = (
            (lengths >= 2)
            & (lengths <= self._max_length)
            & (padded[np.minimum(starts, len(padded) - 1)] == self._cls_id)
            & (padded[np.maximum(ends - 1, 0)] == self._sep_id)
            & (_count(values == self._cls_id, row_splits) == 1)
            & (_count(values == self._sep_id, row_splits) == 1)
        )
        broken = np.flatnonzero(~whole)
        if len(broken) and self._first_broken is None:
            self._first_broken = int(self._lengths.sum() + broken[0])
        self._broken += len(broken)
        self._unknown += int(np.count_nonzero(values == self._unknown_id))
        self._edges += int(np.count_nonzero((values == self._cls_id) | (values == self._sep_id)))
        # An id beyond the vocabulary is the Trainer's to refuse.
        self._continued += int(self._continues[np.minimum(values, len(self._continues) - 1)].sum())
        counts = np.bincount(lengths, minlength=len(self._lengths)).astype(np.int64)
        counts[: len(self._lengths)] += self._lengths
        self._lengths = counts

    def summary(self) -> SplitTokens:
        """Returns the figures of all batches so far."""
        rows = int(self._lengths.sum())
        tokens = int(self._lengths @ np.arange(len(self._lengths)))
        pieces = tokens - self._edges
        words = pieces - self._continued
        return SplitTokens(
            rows=rows,
            pieces=pieces,
            unknown_pieces=self._unknown,
            unknown_share=self._unknown / max(pieces, 1),
            words=words,
            pieces_per_word=pieces / max(words, 1),
            full_share=int(self._lengths[self._max_length :].sum()) / max(rows, 1),
            mean_length=tokens / max(rows, 1),
            median_length=self._quantile(0.5),
            p95_length=self._quantile(0.95),
            p99_length=self._quantile(0.99),
            longest=int(np.flatnonzero(self._lengths)[-1]) if rows else 0,
            empty_rows=int(self._lengths[2]) if len(self._lengths) > 2 else 0,
            broken_rows=self._broken,
            first_broken_row=self._first_broken,
        )

    def _quantile(self, share: float) -> int:
        below = np.cumsum(self._lengths)
        return int(np.searchsorted(below, share * below[-1]))


def _count(mask: npt.NDArray[np.bool_], row_splits: Integers) -> Integers:
    """How many are true in each row; `np.add.reduceat` would misread empty rows."""
    running = np.concatenate([[0], np.cumsum(mask)])
    counted: Integers = running[row_splits[1:]] - running[row_splits[:-1]]
    return counted
