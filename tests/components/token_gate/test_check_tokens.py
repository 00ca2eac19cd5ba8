from __future__ import annotations

import pytest

from agnews.components.token_gate.check_tokens import check_tokens, require_tokens
from agnews.schemas.errors import AgnewsError
from agnews.schemas.token_check import SplitTokens

GOOD = SplitTokens(
    rows=1000,
    pieces=50_000,
    unknown_pieces=500,
    unknown_share=0.01,
    full_share=0.1,
    mean_length=52.0,
    median_length=50,
    p95_length=80,
    p99_length=100,
    longest=128,
    empty_rows=0,
    broken_rows=0,
    first_broken_row=None,
)


def check(**splits: SplitTokens) -> None:
    rows = {name: split.rows for name, split in splits.items()}
    require_tokens(check_tokens(splits, rows=rows, max_length=128, max_unknown_share=0.01))


@pytest.mark.parametrize("rows", [{"train": 1434, "eval": 1000}, {"train": 1000, "eval": 1000, "test": 5}])
def test_rows_that_went_or_came_on_the_way_stop_the_run(rows: dict[str, int]) -> None:
    with pytest.raises(AgnewsError, match="Rows were lost, or came in") as caught:
        require_tokens(check_tokens({"train": GOOD, "eval": GOOD}, rows=rows, max_length=128, max_unknown_share=0.01))
    assert f"{list(rows.values())[-1] if 'test' in rows else 1434:,}" in str(caught.value.found)
    assert "--from NewsExampleGen" in caught.value.fix


def test_good_tokens_pass_up_to_the_bound() -> None:
    check(train=GOOD, eval=GOOD, test=GOOD)


def test_too_many_unknown_words() -> None:
    with pytest.raises(AgnewsError) as caught:
        check(train=GOOD, test=GOOD.model_copy(update={"unknown_share": 0.0234}))
    assert "test: 2.34% of 50,000 word pieces are [UNK], allowed: 1.00%" in str(caught.value.found)
    assert "train" not in str(caught.value.found)
    assert "text.vocabulary" in caught.value.fix


def test_broken_rows() -> None:
    with pytest.raises(AgnewsError, match=r"eval: 2 of 1,000 rows, first row 7, are not one"):
        check(train=GOOD, eval=GOOD.model_copy(update={"broken_rows": 2, "first_broken_row": 7}))


def test_no_rows() -> None:
    with pytest.raises(AgnewsError, match="test: no rows"):
        check(test=GOOD.model_copy(update={"rows": 0}))
