from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agnews.components.corpus_files.corrections import Corrections
from agnews.components.corpus_files.inspect_corpus import inspect_corpus
from agnews.components.corpus_files.row_batch import RowBatch, read_batches
from agnews.components.corpus_files.split_rule import SplitRule, Strata, eval_top_up, stratified_cutoffs, train_top_up
from agnews.schemas.corpus_document import parse_corpus
from agnews.schemas.features import EVAL, TRAIN

NO_TEST = np.zeros(0, np.uint64)
SHARES = (0.4, 0.3, 0.2, 0.1)


def batch_of(n: int, seed: int = 0, first_row: int = 1) -> RowBatch:
    random = np.random.default_rng(seed)
    return RowBatch(
        file="train.csv",
        index=0,
        records=[],
        rejects=[],
        keys=random.integers(0, 2**64, n, np.uint64),
        labels=random.choice(4, n, p=SHARES).astype(np.uint8),
        rows=np.arange(first_row, first_row + n),
        words=np.ones(n, np.int32),
        characters=np.ones(n, np.int32),
        markup=np.zeros(n, np.bool_),
    )


def strata_of(batch: RowBatch, rule: SplitRule) -> Strata:
    masks, _ = rule(batch)
    return {
        (split, label): (batch.keys[mask & (batch.labels == label)], batch.rows[mask & (batch.labels == label)])
        for split, mask in masks.items()
        for label in range(4)
    }


@pytest.mark.parametrize("share", [0.05, 0.1, 0.5])
def test_eval_gets_its_share_and_no_row_goes_to_two_splits(share: float) -> None:
    batch = batch_of(50_000)
    masks, left_out = SplitRule(share, NO_TEST)(batch)
    assert masks["eval"].mean() == pytest.approx(share, abs=0.005)
    assert (masks["train"] ^ masks["eval"]).all()
    assert left_out == (0, 0)


def test_equal_texts_go_the_same_way_wherever_they_stand() -> None:
    batch = batch_of(2_000)
    batch.keys[1_000:] = batch.keys[:1_000]
    masks, _ = SplitRule(0.3, NO_TEST)(batch)
    assert (masks["eval"][:1_000] == masks["eval"][1_000:]).all()


def test_what_people_have_labelled_anew_takes_the_place_of_other_rows_with_the_text() -> None:
    batch = batch_of(1_000)
    corrections = Corrections(np.sort(batch.keys[:30]), frozenset({"2026-11-29/train.csv"}))
    test_keys = np.sort(batch.keys[20:40])
    rule = SplitRule(0.1, test_keys, corrections=corrections)
    masks, left_out = rule(batch)
    assert left_out == (20, 20)
    assert not (masks["train"] | masks["eval"])[:40].any()
    assert (masks["train"] ^ masks["eval"])[40:].all()
    masks, left_out = rule(replace(batch, file="2026-11-29/train.csv"))
    assert left_out == (20, 0)
    assert (masks["train"] ^ masks["eval"])[:20].all()
    everything = replace(rule, more_eval=np.sort(batch.keys))
    assert not everything(batch)[0]["eval"][:40].any()


def test_rows_with_a_test_text_are_left_out_and_counted() -> None:
    batch = batch_of(1_000)
    test_keys = np.unique(np.concatenate([batch.keys[::10], batch_of(500, seed=1).keys]))
    masks, left_out = SplitRule(0.1, test_keys)(batch)
    assert left_out == (100, 0)
    assert not (masks["train"] | masks["eval"])[::10].any()
    assert (masks["train"] | masks["eval"]).sum() == 900


@pytest.mark.parametrize("limit", [8, 100, 1_001, 4_444])
def test_a_limit_is_exact_and_keeps_the_shares_of_classes_and_of_eval(limit: int) -> None:
    batch = batch_of(10_000)
    everything = SplitRule(0.1, NO_TEST)
    whole, _ = everything(batch)
    cutoffs = stratified_cutoffs(strata_of(batch, everything), limit, seed=7)
    masks, _ = SplitRule(0.1, NO_TEST, cutoffs)(batch)
    assert masks["train"].sum() == limit
    for label in range(4):
        share = (whole["train"] & (batch.labels == label)).sum() / whole["train"].sum()
        assert abs((masks["train"] & (batch.labels == label)).sum() - share * limit) <= 1
    wanted = limit / whole["train"].sum() * whole["eval"].sum()
    assert abs(masks["eval"].sum() - wanted) <= 0.5
    assert not (masks["eval"] & ~whole["eval"]).any()
    assert not (masks["train"] & ~whole["train"]).any()


def test_a_limit_above_the_rows_takes_all_of_them() -> None:
    batch = batch_of(500)
    everything = SplitRule(0.1, NO_TEST)
    cutoffs = stratified_cutoffs(strata_of(batch, everything), 10_000, seed=7)
    assert SplitRule(0.1, NO_TEST, cutoffs)(batch)[0]["train"].tolist() == everything(batch)[0]["train"].tolist()


def test_a_greater_limit_adds_rows_and_another_seed_takes_others() -> None:
    batch = batch_of(10_000)
    everything = SplitRule(0.1, NO_TEST)
    taken = {
        (limit, seed): SplitRule(0.1, NO_TEST, stratified_cutoffs(strata_of(batch, everything), limit, seed))(batch)[0]
        for limit, seed in [(1_000, 1), (2_000, 1), (1_000, 2)]
    }
    assert not (taken[1_000, 1]["train"] & ~taken[2_000, 1]["train"]).any()
    overlap = (taken[1_000, 1]["train"] & taken[1_000, 2]["train"]).sum()
    assert overlap == pytest.approx(1_000 / 9, abs=60)


def test_equal_texts_at_the_cut_off_do_not_break_the_limit() -> None:
    batch = batch_of(1_000)
    batch.keys[:] = batch.keys[np.arange(1_000) // 250]
    everything = SplitRule(0.0, NO_TEST)
    cutoffs = stratified_cutoffs(strata_of(batch, everything), 333, seed=7)
    assert SplitRule(0.0, NO_TEST, cutoffs)(batch)[0]["train"].sum() == 333


def test_the_subset_does_not_depend_on_how_rows_are_batched() -> None:
    first, second = batch_of(3_000), batch_of(3_000, seed=1, first_row=3_001)
    rule = SplitRule(0.1, NO_TEST)
    parts: Counter[tuple[str, int]] = Counter()
    together: Strata = {}
    for batch in (first, second):
        for stratum, (keys, rows) in strata_of(batch, rule).items():
            before = together.get(stratum, (np.zeros(0, np.uint64), np.zeros(0, np.int64)))
            together[stratum] = (np.concatenate([before[0], keys]), np.concatenate([before[1], rows]))
    limited = SplitRule(0.1, NO_TEST, stratified_cutoffs(together, 1_000, seed=7))
    for batch in (first, second):
        for split, mask in limited(batch)[0].items():
            parts[split, 0] += int(mask.sum())
    assert parts["train", 0] == 1_000


def test_small_classes_get_rows_in_eval_and_large_ones_stay_as_they_are(tmp_path: Path) -> None:
    names = [f"c{i}" for i in range(40)]
    corpus = parse_corpus(f"format: 1\nname: small\nclasses: [{', '.join(names)}]\n", "corpus.yaml")
    sizes = dict.fromkeys(names, 12) | {"c0": 2_000, "c1": 2}
    (tmp_path / "train.csv").write_text(
        "label,text\n" + "".join(f"{name},text {i} of {name}\n" for name in names for i in range(sizes[name]))
    )
    (tmp_path / "test.csv").write_text("label,text\n" + "".join(f"{name},{name} tested\n" for name in names))
    found = inspect_corpus(str(tmp_path), corpus, eval_share=0.05, max_reject_share=0.0)
    assert found.problem is None
    train, evaluation = (found.card.splits[split].rows_per_class for split in ("train", "eval"))
    assert all(1 <= evaluation[name] <= 4 for name in names[1:])
    assert train["c1"] == evaluation["c1"] == 1
    (batch,) = read_batches(str(tmp_path / "train.csv"), "train.csv", corpus)
    by_hash = SplitRule(0.05, np.zeros(0, np.uint64))(batch)[0][EVAL]
    assert evaluation["c0"] == int((by_hash & (batch.labels == 0)).sum())


def test_a_class_of_one_text_is_refused_with_what_to_do(tmp_path: Path) -> None:
    corpus = parse_corpus("format: 1\nname: small\nclasses: [a, b]\n", "corpus.yaml")
    (tmp_path / "train.csv").write_text("label,text\n" + "".join(f"a,text {i}\n" for i in range(50)) + "b,alone\n")
    (tmp_path / "test.csv").write_text("label,text\na,x\nb,y\n")
    problem = inspect_corpus(str(tmp_path), corpus, eval_share=0.05, max_reject_share=0.0).problem
    assert problem is not None
    assert "has no row of b" in problem.problem or "of one class only" in problem.problem
    assert "two different texts" in problem.fix or "leave the class out" in problem.fix


def rows_of(counts: dict[int, int], first_key: int = 0) -> RowBatch:
    """A batch with so many rows of each class, each with a text of its own."""
    labels = np.repeat(list(counts), list(counts.values())).astype(np.uint8)
    batch = batch_of(len(labels), seed=first_key)
    return replace(batch, labels=labels)


def taken_of(counts: dict[int, int], limit: int) -> dict[int, int]:
    batch = rows_of(counts)
    rule = SplitRule(0.0, NO_TEST)
    masks, _ = SplitRule(0.0, NO_TEST, stratified_cutoffs(strata_of(batch, rule), limit, seed=3))(batch)
    return {label: int((masks["train"] & (batch.labels == label)).sum()) for label in counts}


@pytest.mark.parametrize(
    ("counts", "limit", "taken"),
    [
        # The largest remainders of 2.5, 1.5 and 1 get what is left; of equal ones the first class.
        ({0: 5, 1: 3, 2: 2}, 5, {0: 3, 1: 1, 2: 1}),
        ({0: 3, 1: 5, 2: 2}, 5, {0: 2, 1: 2, 2: 1}),
        # 3, 3.3 and 3.7.
        ({0: 30, 1: 33, 2: 37}, 10, {0: 3, 1: 3, 2: 4}),
        # 2.91, 0.03 and 0.06: each class gets a row, and the largest pays.
        ({0: 97, 1: 1, 2: 2}, 3, {0: 1, 1: 1, 2: 1}),
        ({0: 97, 1: 1, 2: 2}, 4, {0: 2, 1: 1, 2: 1}),
        ({0: 90, 1: 90, 2: 1, 3: 1}, 5, {0: 2, 1: 1, 2: 1, 3: 1}),
        ({0: 300, 1: 300, 2: 1, 3: 1}, 8, {0: 3, 1: 3, 2: 1, 3: 1}),
        # Fewer rows than classes: no class can be promised one.
        ({0: 97, 1: 1, 2: 2}, 2, {0: 2, 1: 0, 2: 0}),
        ({0: 5, 1: 5, 2: 5}, 15, {0: 5, 1: 5, 2: 5}),
        ({0: 5, 1: 5, 2: 5}, 14, {0: 5, 1: 5, 2: 4}),
        ({0: 5, 1: 5, 2: 5}, 99, {0: 5, 1: 5, 2: 5}),
    ],
)
def test_a_limit_is_shared_out_by_largest_remainders(counts: dict[int, int], limit: int, taken: dict[int, int]) -> None:
    assert taken_of(counts, limit) == taken
    assert sum(taken.values()) == min(limit, sum(counts.values()))


def test_a_limit_of_nothing_takes_nothing() -> None:
    cutoffs = stratified_cutoffs({}, 10, seed=1)
    assert cutoffs.last == {}


def topped_up(train: list[tuple[int, int]], evaluation: list[tuple[int, int]], share: float) -> list[int]:
    def rows(pairs: list[tuple[int, int]]) -> tuple[Any, Any]:
        return np.array([key for key, _ in pairs], np.uint64), np.array([label for _, label in pairs], np.int64)

    found = eval_top_up(rows(train), rows(evaluation), share)
    assert found.dtype == np.uint64
    return found.tolist()


def expected_top_up(train: list[tuple[int, int]], evaluation: list[tuple[int, int]], share: float) -> list[int]:
    """The rule as the documentation says it, text by text."""
    chosen = []
    for label in sorted({label for _, label in train + evaluation}):
        keys = [key for key, of in train if of == label]
        there = sum(of == label for _, of in evaluation)
        lacks = max(1, int(share * (len(keys) + there) / 2)) - there
        moved: list[int] = []
        for key in sorted(set(keys)):
            if lacks <= 0 or sum(keys.count(each) for each in moved) >= lacks:
                break
            if sum(keys.count(each) for each in [*moved, key]) >= len(keys):
                break  # One row stays.
            moved.append(key)
        chosen += moved
    return sorted(set(chosen))


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), max_size=40),
    st.lists(st.tuples(st.integers(20, 30), st.integers(0, 3)), max_size=8),
    st.sampled_from([0.05, 0.1, 0.3, 0.5, 0.9]),
)
@settings(max_examples=300, deadline=None)
def test_a_class_gets_half_of_its_share_in_eval_and_no_text_more(
    train: list[tuple[int, int]], evaluation: list[tuple[int, int]], share: float
) -> None:
    assert topped_up(train, evaluation, share) == expected_top_up(train, evaluation, share)


def test_one_row_in_eval_is_enough_for_a_small_class_and_none_is_not() -> None:
    train = [(key, 0) for key in range(10)]
    assert topped_up(train, [], 0.1) == [0]
    assert topped_up(train, [(99, 0)], 0.1) == []
    # A share of a half of 40 texts is 10.
    assert topped_up([(key, 0) for key in range(40)], [], 0.5) == list(range(10))
    # Equal texts move together, and a class keeps one row.
    assert topped_up([(1, 0), (1, 0), (2, 0)], [], 0.1) == [1]
    assert topped_up([(1, 0), (1, 0)], [], 0.1) == []
    assert topped_up([], [], 0.1) == []


def test_rows_that_eval_has_count_for_the_share_of_their_class() -> None:
    # Half of 0.5 of 24 texts is 6, and 4 are there.
    assert topped_up([(key, 0) for key in range(20)], [(100 + key, 0) for key in range(4)], 0.5) == [0, 1]


Sets = list[tuple[int, tuple[int, ...]]]


def topped_up_sets(train: Sets, evaluation: Sets, share: float, classes: int = 3) -> list[int]:
    def rows(texts: Sets) -> tuple[Any, Any]:
        marks = np.zeros((len(texts), classes), np.uint8)
        for row, (_, labels) in enumerate(texts):
            marks[row, list(labels)] = 1
        return np.array([key for key, _ in texts], np.uint64), marks

    found = eval_top_up(rows(train), rows(evaluation), share)
    assert found.dtype == np.uint64
    return found.tolist()


def expected_sets(train: Sets, evaluation: Sets, share: float, classes: int = 3) -> list[int]:
    """The rule as the documentation says it: the rarest class first, and no class loses its last row in train."""
    there, here = list(train), list(evaluation)

    def count(texts: Sets, label: int) -> int:
        return sum(label in labels for _, labels in texts)

    total = [count(train, label) + count(evaluation, label) for label in range(classes)]
    for label in sorted(range(classes), key=lambda label: total[label]):
        for key in sorted({key for key, labels in there if label in labels}):
            if count(here, label) >= max(1, int(share * total[label] / 2)):
                break
            going = [each for each in there if each[0] == key]
            left = [each for each in there if each[0] != key]
            if all(count(left, each) for _, labels in going for each in labels):
                there, here = left, here + going
    return sorted({key for key, _ in train} - {key for key, _ in there})


@pytest.mark.parametrize("limit", [5, 60, 999])
def test_a_limit_shares_out_texts_of_several_classes_by_their_first_and_those_of_none_by_themselves(limit: int) -> None:
    marks = (np.random.default_rng(3).random((2_000, 4)) < (0.3, 0.3, 0.2, 0.1)).astype(np.uint8)
    batch = replace(batch_of(2_000), labels=marks)
    first = [int(np.flatnonzero(row)[0]) if row.any() else 4 for row in marks]
    everything, _ = SplitRule(0.1, NO_TEST)(batch)
    strata: Strata = {}
    for split, mask in everything.items():
        for each in range(5):
            of_first = mask & (np.array(first) == each)
            strata[split, each] = (batch.keys[of_first], batch.rows[of_first])

    masks, _ = SplitRule(0.1, NO_TEST, stratified_cutoffs(strata, limit, seed=7))(batch)

    assert masks["train"].sum() == limit
    for split, whole in everything.items():
        for each in range(5):
            share = (whole & (np.array(first) == each)).sum() / whole.sum()
            taken = (masks[split] & (np.array(first) == each)).sum()
            # The first rows of small strata are given before remainders are.
            assert abs(taken - share * masks[split].sum()) <= 1 + (limit < 10)
        assert not (masks[split] & ~whole).any()


@given(
    st.lists(st.tuples(st.integers(0, 12), st.sets(st.integers(0, 2)).map(tuple)), max_size=30),
    st.lists(st.tuples(st.integers(20, 30), st.sets(st.integers(0, 2)).map(tuple)), max_size=8),
    st.sampled_from((0.05, 0.2, 0.5)),
)
def test_a_text_of_several_classes_counts_for_each_and_the_rarest_chooses_first(
    train: Sets, evaluation: Sets, share: float
) -> None:
    assert topped_up_sets(train, evaluation, share) == expected_sets(train, evaluation, share)


def test_the_rarest_class_is_the_one_with_the_fewest_texts_in_train_and_eval_together() -> None:
    # Eight texts of class 0, two of them in eval; seven of class 1, of which text 7 is one of class 0 as well: class 1
    # chooses first, and what it takes is enough for class 0.
    train: Sets = [*((key, (0,)) for key in (1, 2, 3, 4, 6)), (7, (0, 1)), *((key, (1,)) for key in range(8, 14))]
    evaluation: Sets = [(20, (0,)), (21, (0,))]
    assert topped_up_sets(train, evaluation, 0.9) == expected_sets(train, evaluation, 0.9) == [7, 8, 9]


def test_no_class_of_a_text_loses_its_last_row_in_train() -> None:
    # The first text is the only one of class 2: it stays, and the next one goes for class 0.
    train: Sets = [(1, (0, 2)), (2, (0, 1)), (3, (0, 1)), (4, (0, 1))]
    assert topped_up_sets(train, [], 0.1) == [2]
    # Nobody else asks for a text here: class 0 passes over the first one by itself.
    assert topped_up_sets([(1, (0, 2)), (2, (0,)), (3, (0,))], [], 0.1) == [2]


def test_rows_that_eval_has_count_for_the_share_of_each_of_several_classes() -> None:
    train: Sets = [(key, (0,)) for key in range(20)]
    assert topped_up_sets(train, [(100 + key, (0,)) for key in range(4)], 0.5) == [0, 1]


def test_the_border_of_eval_is_the_share_of_the_digests() -> None:
    keys = np.array([(2**31 - 1) << 32, 2**31 << 32], np.uint64)
    masks, _ = SplitRule(0.5, NO_TEST)(replace(batch_of(2), keys=keys))
    assert masks["eval"].tolist() == [True, False]


def split_of(batch: RowBatch, share: float) -> dict[str, Any]:
    """Splits rows as a run does: by the hash first, and anew where a class would be missing."""
    rule = SplitRule(share, NO_TEST)
    masks, _ = rule(batch)
    train, evaluation = ((batch.keys[masks[part]], batch.labels[masks[part]].astype(int)) for part in (TRAIN, EVAL))
    return rule.topped_up(train, evaluation)(batch)[0]


def rows_with(texts: list[tuple[int, int]]) -> RowBatch:
    """Rows with digests, of which at a share of a half those below 0 go to eval, and classes."""
    keys = np.array([(text % 2**64) ^ 2**63 for text, _ in texts], np.uint64)
    return replace(batch_of(len(texts)), keys=keys, labels=np.array([label for _, label in texts], np.uint16))


tiny_classes = st.lists(
    # Digests on both sides of the border, most of them in eval; each text has one class.
    st.lists(st.tuples(st.integers(-(2**63), 2**61), st.integers(1, 3)), min_size=1, max_size=3),
    min_size=1,
    max_size=6,
).filter(lambda classes: len({text for texts in classes for text, _ in texts}) == sum(map(len, classes)))


@given(tiny_classes, st.randoms())
@settings(max_examples=200, deadline=None)
def test_a_class_of_two_texts_has_one_in_train_and_one_in_eval(
    classes: list[list[tuple[int, int]]], random: Any
) -> None:
    rows = [(text, label) for label, texts in enumerate(classes) for text, copies in texts for _ in range(copies)]
    batch = rows_with(rows)
    masks = split_of(batch, 0.5)

    assert (masks[TRAIN] ^ masks[EVAL]).all()
    side = dict(zip([text for text, _ in rows], masks[TRAIN].tolist(), strict=True))
    assert [side[text] for text, _ in rows] == masks[TRAIN].tolist(), "equal texts go the same way"
    for texts in classes:
        in_train = [text for text, _ in texts if side[text]]
        assert in_train, "no class is missing in train"
        assert len(texts) == 1 or len(in_train) < len(texts), "nor in eval, if it has two texts"
        if all(text < 0 for text, _ in texts):
            assert in_train == [max(text for text, _ in texts)], "one text comes back, the nearest to the border"
    if not any(all(text < 0 for text, _ in texts) for texts in classes):
        assert not (masks[TRAIN] & ~SplitRule(0.5, NO_TEST)(batch)[0][TRAIN]).any(), "else none comes back"

    random.shuffle(rows)
    shuffled = split_of(rows_with(rows), 0.5)[TRAIN].tolist()
    assert [side[text] for text, _ in rows] == shuffled, "in whatever order rows come"


def test_of_a_class_that_is_all_in_eval_the_text_with_the_largest_digest_comes_back() -> None:
    # Class 0 has both; all of 1 is in eval, text -5 twice; 2 has a single text; of 3 all is in train.
    rows = [(-9, 0), (7, 0), (-8, 1), (-5, 1), (-5, 1), (-6, 1), (-4, 2), (3, 3), (2, 3)]
    masks = split_of(rows_with(rows), 0.5)
    assert [row for row, taken in zip(rows, masks[EVAL].tolist(), strict=True) if taken] == [
        (-9, 0),
        (-8, 1),
        (-6, 1),
        (2, 3),
    ]
    # Where that is all there is to move, too.
    assert split_of(rows_with([(-1, 0), (-2, 0)]), 0.5)[TRAIN].tolist() == [True, False]


def test_where_no_class_is_missing_the_rule_stays_the_very_same() -> None:
    batch = batch_of(5_000)
    rule = SplitRule(0.05, NO_TEST)
    masks, _ = rule(batch)
    train, evaluation = ((batch.keys[masks[part]], batch.labels[masks[part]].astype(int)) for part in (TRAIN, EVAL))
    assert rule.topped_up(train, evaluation) is rule
    assert train_top_up(train, evaluation).tolist() == []


def test_an_empty_corpus_has_nothing_to_move() -> None:
    nothing = (NO_TEST, np.zeros(0, np.int64))
    assert train_top_up(nothing, nothing).tolist() == []


def returned(train: Sets, evaluation: Sets, classes: int = 3) -> list[int]:
    def rows(texts: Sets) -> tuple[Any, Any]:
        marks = np.zeros((len(texts), classes), np.uint8)
        for row, (_, labels) in enumerate(texts):
            marks[row, list(labels)] = 1
        return np.array([key for key, _ in texts], np.uint64), marks

    found = train_top_up(rows(train), rows(evaluation))
    assert found.dtype == np.uint64
    return found.tolist()


def expected_returns(train: Sets, evaluation: Sets, classes: int = 3) -> list[int]:
    """The rule as the documentation says it, text by text."""
    here, there = list(train), list(evaluation)

    def count(texts: Sets, label: int) -> int:
        return sum(label in labels for _, labels in texts)

    for label in sorted(range(classes), key=lambda label: count(evaluation, label)):
        candidates = sorted({key for key, labels in there if label in labels}, reverse=True)
        for key in candidates:
            if count(here, label):
                break
            going = [each for each in there if each[0] == key]
            left = [each for each in there if each[0] != key]
            others = {each for _, labels in going for each in labels} - ({label} if len(candidates) == 1 else set())
            if all(count(left, each) for each in others):
                here, there = here + going, left
    return sorted({key for key, _ in evaluation} - {key for key, _ in there})


@given(
    st.lists(st.tuples(st.integers(20, 30), st.sets(st.integers(0, 2), max_size=1).map(tuple)), max_size=3),
    st.lists(st.tuples(st.integers(0, 8), st.sets(st.integers(0, 2)).map(tuple)), max_size=12),
)
@settings(max_examples=300, deadline=None)
def test_a_text_that_comes_back_counts_for_each_of_its_classes(train: Sets, evaluation: Sets) -> None:
    assert returned(train, evaluation) == expected_returns(train, evaluation)


def test_no_class_of_a_text_that_comes_back_loses_its_last_row_in_eval() -> None:
    # Text 3 is the only one of class 1 in eval: the next one comes back for class 0.
    assert returned([(20, (1,))], [(3, (0, 1)), (2, (0,)), (1, (0,))]) == [2]
    # Class 1 is rarer and chooses first: what comes back for it is enough for class 0.
    assert returned([], [(5, (0,)), (4, (0,)), (3, (0, 1)), (2, (1,))]) == [3]
    # Class 2 has given text 5 for class 0, and keeps text 4, whatever class 1 asks for.
    assert returned([(20, (2,))], [(5, (0, 2)), (4, (1, 2)), (2, (1,)), (1, (0,))]) == [2, 5]
    # A single text has to be learnt from, unless another class needs it in eval.
    assert returned([], [(1, (0,))]) == [1]
    assert returned([(20, (1,))], [(1, (0, 1))]) == []


def test_what_a_class_takes_from_eval_is_made_good_to_other_classes_of_the_text() -> None:
    # Text -1 stands there as one of class 0 and as one of class 1, which has half of its share in eval and no more.
    rows = [(-1, 0), (-2, 0), (-1, 1), (-3, 1), *((key, 1) for key in range(5, 12))]
    masks = split_of(rows_with(rows), 0.5)
    in_eval = [row for row, taken in zip(rows, masks[EVAL].tolist(), strict=True) if taken]
    assert in_eval == [(-2, 0), (-3, 1), (5, 1)]
    assert masks[TRAIN].sum() == 8


def test_a_class_that_is_all_in_eval_is_learnt_from(tmp_path: Path) -> None:
    names = [f"c{i}" for i in range(300)]
    corpus = parse_corpus(f"format: 1\nname: pairs\nclasses: [{', '.join(names)}]\n", "corpus.yaml")
    (tmp_path / "train.csv").write_text(
        "label,text\n" + "".join(f"{name},text {i} of {name}\n" for name in names for i in range(2))
    )
    (tmp_path / "test.csv").write_text("label,text\n" + "".join(f"{name},{name} tested\n" for name in names))
    (batch,) = read_batches(str(tmp_path / "train.csv"), "train.csv", corpus)
    by_hash = SplitRule(0.2, NO_TEST)(batch)[0]
    assert len(set(batch.labels[by_hash[TRAIN]].tolist())) < 300, "nothing to mend"

    found = inspect_corpus(str(tmp_path), corpus, eval_share=0.2, max_reject_share=0.0)

    assert found.problem is None
    for split in (TRAIN, EVAL):
        assert set(found.card.splits[split].rows_per_class.values()) == {1}
