"""Whether the tokens of a run's rows allow to go on."""

from __future__ import annotations

from collections.abc import Mapping

from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.token_check import SplitTokens, TokenCheck


def check_tokens(splits: Mapping[str, SplitTokens], *, max_length: int, max_unknown_share: float) -> TokenCheck:
    """Judges the tokens of a run.

    Args:
        splits: Figures by split.
        max_length: Longest sequence allowed, [CLS] and [SEP] included.
        max_unknown_share: Largest share of word pieces that may be [UNK].

    Returns:
        What was found; `passed` is False if any split stops the run.
    """
    problems = [
        problem for name, split in splits.items() for problem in _judge(name, split, max_length, max_unknown_share)
    ]
    return TokenCheck(
        passed=not problems,
        max_length=max_length,
        max_unknown_share=max_unknown_share,
        splits=dict(splits),
        problems=tuple(problems),
    )


def require_tokens(check: TokenCheck) -> None:
    """Does nothing if the tokens may be learnt from.

    Args:
        check: What the gate found.

    Raises:
        AgnewsError: Something stops the run. Names each split, what was seen, and what is allowed.
    """
    if not check.passed:
        raise AgnewsError(
            "The texts did not become tokens that a model could learn from. Nothing was trained.",
            found="".join(f"\n    {problem}" for problem in check.problems),
            fix=(
                "Use the vocabulary of the texts' language and case (text.vocabulary, text.lowercase), or raise "
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
