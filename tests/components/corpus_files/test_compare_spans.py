from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from agnews.components.corpus_files.compare_spans import compare_spans
from agnews.components.corpus_files.corpus_state import CorpusState
from agnews.schemas.model_record import LearntFrom, ModelRecord


def state(spans: Mapping[str, str], test: str = "t") -> CorpusState:
    return CorpusState(
        {**{f"{name}/train.csv": digest for name, digest in spans.items()}, "test.csv": test},
        ("test.csv",),
        tuple(spans),
        ("a note",),
    )


def production(spans: Mapping[str, str] | None, test: str = "t") -> ModelRecord:
    return ModelRecord(
        version="17",
        name="agnews",
        run_id="",
        pushed_at=datetime(2026, 11, 21, tzinfo=UTC),
        model_digest="m",
        fingerprint="f",
        judged_against="",
        accuracy=0.9,
        classes=("World",),
        learnt_from=None if spans is None else LearntFrom(digest="d", test_digest=test, spans=dict(spans)),
    )


def test_a_window_that_has_rolled_on() -> None:
    learnt = production({"2026-11-19": "a", "2026-11-20": "b", "2026-11-21": "c"})
    found = compare_spans(state({"2026-11-20": "b", "2026-11-21": "C", "2026-11-22": "d"}), learnt)
    assert found is not None
    assert found.since == "17"
    assert found.new == ("2026-11-22",)
    assert found.changed == ("2026-11-21",)
    assert found.left == ("2026-11-19",)
    assert found.removed == ()
    assert found.notes == ("a note",)
    assert found.rows == {"2026-11-20": None, "2026-11-21": None, "2026-11-22": None}


def test_a_day_that_came_late_is_new_and_one_that_went_is_removed() -> None:
    learnt = production({"2026-11-18": "x", "2026-11-20": "b", "2026-11-22": "d"})
    found = compare_spans(state({"2026-11-18": "x", "2026-11-19": "a", "2026-11-22": "d"}), learnt)
    assert found is not None
    assert found.new == ("2026-11-19",)
    assert found.removed == ("2026-11-20",)
    assert found.changed == found.left == ()


@pytest.mark.parametrize(("record", "since"), [(None, None), (production(None), "17"), (production({}), "17")])
def test_without_a_record_of_spans_all_are_new(record: ModelRecord | None, since: str | None) -> None:
    found = compare_spans(state({"2026-11-21": "a", "2026-11-22": "b"}), record)
    assert found is not None
    assert (found.since, found.new) == (since, ("2026-11-21", "2026-11-22"))


def test_a_changed_test_file_is_told() -> None:
    found = compare_spans(state({"2026-11-21": "a"}, test="T"), production({"2026-11-21": "a"}))
    assert found is not None
    assert "test.csv has changed since version 17" in found.notes[-1]


def test_other_data_has_no_spans() -> None:
    assert compare_spans(CorpusState({"train.csv": "a", "test.csv": "t"}, "test.csv"), production({})) is None
