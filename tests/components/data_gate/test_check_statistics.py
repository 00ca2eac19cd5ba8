"""Every rule of the schema and every distance fires, and clean rows pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tensorflow_metadata.proto.v0 import anomalies_pb2

from agnews.components.data_gate.check_statistics import check_statistics, require_clean
from agnews.components.statistics import tfdv
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.data_check import DataCheck
from agnews.schemas.errors import AgnewsError
from agnews.schemas.feature_counts import COUNTED
from agnews.schemas.features import HAS_MARKUP, LABEL, NUM_WORDS, RAW, ROW, TEXT

Check = Callable[..., DataCheck]


@pytest.fixture
def check(schema: Any, news_columns: Any, statistics_of: Any, counts_of: Any) -> Check:
    """Judges clean rows, with the given ones instead of some."""

    def judge(
        *, rows: int = 3000, without: str = "", baseline: Any = None, fail_on_drift: bool = False, **bad: Any
    ) -> Any:
        columns = {
            "train": news_columns(rows, 1) | bad.get("train", {}),
            "eval": news_columns(rows, 2),
            "test": news_columns(rows, 3) | bad.get("test", {}),
        }
        columns["train"].pop(without, None)
        statistics = {split: statistics_of(of_split) for split, of_split in columns.items()}
        return check_statistics(
            {split: counts_of(of_split) for split, of_split in columns.items()},
            schema,
            rows=dict.fromkeys(columns, rows),
            distances=packaged_corpus().distances,
            # What TFX's ExampleValidator does.
            anomalies={split: tfdv.validate_statistics(s, schema) for split, s in statistics.items()},
            baseline_counts=None if baseline is None else counts_of(baseline),
            baseline=None if baseline is None else "1763820000",
            fail_on_drift=fail_on_drift,
        )

    return judge


def replaced(column: list[Any], value: Any, count: int = 1) -> list[Any]:
    return [value] * count + column[count:]


@pytest.mark.parametrize("seed", range(5))
def test_clean_rows_pass(schema: Any, news_columns: Any, statistics_of: Any, counts_of: Any, seed: int) -> None:
    rows = {"train": 3000, "eval": 300, "test": 800}
    columns = {split: news_columns(n, 10 * seed + number) for number, (split, n) in enumerate(rows.items())}
    found = check_statistics(
        {split: counts_of(of_split) for split, of_split in columns.items()},
        schema,
        rows=rows,
        distances=packaged_corpus().distances,
        anomalies={
            split: tfdv.validate_statistics(statistics_of(of_split), schema) for split, of_split in columns.items()
        },
        baseline_counts=counts_of(news_columns(2000, 10 * seed + 9)),
        baseline="1",
        fail_on_drift=True,
    )
    assert found.passed
    assert found.findings == ()
    assert found.rows == {"train": 3000, "eval": 300, "test": 800}
    assert {(d.kind, d.feature) for d in found.distances} == {
        (kind, feature) for kind in ("skew", "drift") for feature in COUNTED
    }
    require_clean(found)


@pytest.mark.parametrize("feature", RAW)
def test_a_feature_that_is_missing_everywhere(check: Check, feature: str) -> None:
    found = check(without=feature)
    assert not found.passed
    assert [(f.where, f.feature) for f in found.findings if f.kind == "anomaly"] == [("train", feature)]
    with pytest.raises(AgnewsError, match=f"feature `{feature}` \\(train\\)"):
        require_clean(found)


@pytest.mark.parametrize("feature", RAW)
def test_a_feature_that_is_missing_in_one_row(check: Check, news_columns: Any, feature: str) -> None:
    found = check(test={feature: replaced(news_columns(3000, 3)[feature], None)})
    assert not found.passed
    assert {(f.where, f.feature) for f in found.findings} == {("test", feature)}
    assert "in every row" in found.findings[0].allowed


@pytest.mark.parametrize("feature", RAW)
def test_a_feature_with_two_values_in_a_row(check: Check, news_columns: Any, feature: str) -> None:
    column = news_columns(3000, 1)[feature]
    found = check(train={feature: replaced(column, [column[0], column[1]])})
    assert not found.passed
    assert {(f.where, f.feature) for f in found.findings} == {("train", feature)}
    assert "one value" in found.findings[0].allowed


@pytest.mark.parametrize(
    ("feature", "value", "allowed"),
    [
        (LABEL, 4, "0 to 3"),
        (LABEL, -1, "0 to 3"),
        (NUM_WORDS, 0, "1 to 1000"),
        (NUM_WORDS, 1001, "1 to 1000"),
        (HAS_MARKUP, "maybe", "one of no, yes"),
        (ROW, 0, "1 or more"),
    ],
)
def test_a_value_outside_its_domain(check: Check, news_columns: Any, feature: str, value: Any, allowed: str) -> None:
    found = check(test={feature: replaced(news_columns(3000, 3)[feature], value)})
    assert not found.passed
    anomalies = [f for f in found.findings if f.kind == "anomaly"]
    assert [(f.where, f.feature, f.stops) for f in anomalies] == [("test", feature, True)]
    assert allowed in anomalies[0].allowed
    assert anomalies[0].seen


@pytest.mark.parametrize(
    ("feature", "column"),
    [(TEXT, [1]), (LABEL, ["World"]), (NUM_WORDS, [38.5]), (HAS_MARKUP, [1]), (ROW, ["one"])],
)
def test_a_value_of_another_type(check: Check, feature: str, column: list[Any]) -> None:
    found = check(train={feature: column * 3000})
    assert not found.passed
    assert feature in {f.feature for f in found.findings if f.stops}


def test_a_feature_that_nobody_asked_for(check: Check) -> None:
    found = check(train={"colour": ["red"] * 3000})
    assert [(f.feature, f.allowed) for f in found.findings] == [("colour", "only the features that the schema names")]
    assert not found.passed


SHIFTED = {
    # One class has 45 % of the rows, all others 18 %.
    LABEL: np.random.default_rng(7).choice(4, 3000, p=[0.45, 0.19, 0.18, 0.18]).tolist(),
    # A feed with longer descriptions.
    NUM_WORDS: np.clip(np.random.default_rng(7).lognormal(3.6, 0.27, 3000) * 1.4, 8, 250).astype(int).tolist(),
    # A feed that unescapes.
    HAS_MARKUP: np.random.default_rng(7).choice(["yes", "no"], 3000, p=[0.2, 0.8]).tolist(),
    # A tenth in another alphabet, each as long as the one that it replaces.
    TEXT: ["חדשות " * 10] * 300,
}
NOTICED_IN = {TEXT: "character_pairs"}


def shifted(feature: str, columns: dict[str, list[Any]]) -> list[Any]:
    return SHIFTED[feature] + columns[feature][len(SHIFTED[feature]) :]


@pytest.mark.parametrize("feature", SHIFTED)
def test_skew_between_train_and_test_stops(check: Check, news_columns: Any, feature: str) -> None:
    found = check(test={feature: shifted(feature, news_columns(3000, 3))})
    assert [(f.kind, f.feature, f.stops) for f in found.findings] == [("skew", NOTICED_IN.get(feature, feature), True)]
    assert not found.passed
    with pytest.raises(AgnewsError) as caught:
        require_clean(found)
    assert "train against test" in str(caught.value.found)
    assert "same source" in caught.value.fix


@pytest.mark.parametrize("feature", SHIFTED)
@pytest.mark.parametrize("fail_on_drift", [False, True])
def test_drift_is_reported_and_stops_when_asked_to(
    check: Check, news_columns: Any, feature: str, fail_on_drift: bool
) -> None:
    earlier = news_columns(3000, 4)
    found = check(baseline=earlier | {feature: shifted(feature, earlier)}, fail_on_drift=fail_on_drift)
    noticed = NOTICED_IN.get(feature, feature)
    assert [(f.kind, f.feature, f.stops) for f in found.findings] == [("drift", noticed, fail_on_drift)]
    assert found.passed is not fail_on_drift
    assert found.baseline == "1763820000"
    if fail_on_drift:
        with pytest.raises(AgnewsError, match="last push"):
            require_clean(found)
    else:
        require_clean(found)


def test_without_a_baseline_there_is_no_drift(check: Check) -> None:
    found = check()
    assert {distance.kind for distance in found.distances} == {"skew"}
    assert found.baseline is None


def test_chance_stops_no_run_on_a_handful_of_rows(check: Check, news_columns: Any) -> None:
    found = check(rows=40, test={LABEL: [0] * 40})
    assert [(f.kind, f.feature, f.stops) for f in found.findings if f.feature == LABEL] == [("skew", LABEL, False)]
    assert "stops nothing" in found.findings[0].seen
    assert found.passed


def test_a_split_without_rows(schema: Any, news_columns: Any, counts_of: Any) -> None:
    found = check_statistics(
        {split: counts_of(news_columns(500, seed)) for seed, split in enumerate(("train", "test"))},
        schema,
        rows={"train": 500, "test": 500},
        distances=packaged_corpus().distances,
        anomalies={"train": anomalies_pb2.Anomalies(data_missing=True), "test": anomalies_pb2.Anomalies()},
    )
    assert not found.passed
    assert found.findings[0].seen == "no rows at all"


def test_what_stops_comes_first_and_the_message_has_all_of_it(check: Check, news_columns: Any) -> None:
    found = check(
        baseline=news_columns(3000, 4) | {HAS_MARKUP: ["no"] * 3000},
        test={LABEL: replaced(news_columns(3000, 3)[LABEL], 9), ROW: replaced(news_columns(3000, 3)[ROW], -5)},
    )
    stops = [finding.stops for finding in found.findings]
    assert stops == sorted(stops, reverse=True)
    assert False in stops
    with pytest.raises(AgnewsError) as caught:
        require_clean(found)
    message = str(caught.value)
    for part in ("`label` (test)", "`row` (test)", "0 to 3", "1 or more", "description of the corpus"):
        assert part in message
    assert "has_markup" not in message


def test_whoever_asks_for_a_prediction_needs_no_label(schema: Any, news_columns: Any, statistics_of: Any) -> None:
    asked = news_columns(500, 1)
    del asked[LABEL]
    statistics = statistics_of(asked)
    assert not tfdv.validate_statistics(statistics, schema, environment="SERVING").anomaly_info
    assert set(tfdv.validate_statistics(statistics, schema, environment="TRAINING").anomaly_info) == {LABEL}
