"""What a study is bound to."""

from __future__ import annotations

import pytest

from agnews.pipeline import code_version
from agnews.pipeline.load_config import load_config
from agnews.pipeline.tuning.tune import _facts
from agnews.schemas.nodes import NODES


@pytest.mark.parametrize(
    "module",
    [
        "agnews.components.transformation.transform_rows",
        "agnews.components.news_example_gen.executor",
        "agnews.components.training.train_classifier",
    ],
)
def test_a_study_is_another_one_after_a_change_of_code_that_makes_rows_or_trains(
    monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    config, source = load_config("transformer"), code_version._normalised_source
    before = _facts(config, "digest")
    assert code_version.code_versions()["Transform"] in str(before), f"that of {NODES['Transform'].code}"
    monkeypatch.setattr(
        code_version, "_normalised_source", lambda name: source(name) + ("\nx = 1" if name == module else "")
    )
    assert _facts(config, "digest") != before


def test_code_that_only_judges_leaves_a_study_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    config, source = load_config("transformer"), code_version._normalised_source
    before = _facts(config, "digest")
    monkeypatch.setattr(
        code_version,
        "_normalised_source",
        lambda name: source(name) + ("\nx = 1" if name == "agnews.components.evaluator.judge" else ""),
    )
    assert _facts(config, "digest") == before
