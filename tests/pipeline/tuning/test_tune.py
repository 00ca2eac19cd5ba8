"""What a study is bound to."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from agnews.components.corpus_files import corpus_state
from agnews.components.tuning.read_search_space import DEFAULT_SPACES
from agnews.pipeline import code_version
from agnews.pipeline.load_config import load_config
from agnews.pipeline.local.run_locally import RunRequest
from agnews.pipeline.paths import prepare_root
from agnews.pipeline.tuning.fit_space import fit_space
from agnews.pipeline.tuning.train_trial import LAST_NODE
from agnews.pipeline.tuning.tune import TuneRequest, _facts, tune
from agnews.schemas.errors import AgnewsError
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


def test_the_data_is_read_once_and_planned_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    read = corpus_state.sha256_of
    monkeypatch.setattr(corpus_state, "sha256_of", lambda path: reads.append(path) or read(path))
    monkeypatch.setattr("agnews.pipeline.local.run_locally._run_nodes", raiser(AgnewsError("No node here.")))
    for name in ("train.csv", "test.csv"):
        (tmp_path / name).write_text('"3","Oil climbs","Markets open."\n')
    config = load_config("transformer", [f"data.source={tmp_path}"])
    fitted, start = fit_space(DEFAULT_SPACES["transformer"], config)
    paths = prepare_root(tmp_path / "root")
    run = RunRequest(config, paths, "run-1", "agnews tune", to_node=LAST_NODE)
    request = TuneRequest(run, fitted, start, tmp_path / "study.sqlite", 1, 1, None, tmp_path / "best.yaml")
    with pytest.raises(AgnewsError, match="No node here"):
        tune(request, Console(file=io.StringIO()))
    assert sorted(Path(path).name for path in reads) == ["test.csv", "train.csv"]


def raiser(error: Exception) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise error

    return fail


def test_code_that_only_judges_leaves_a_study_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    config, source = load_config("transformer"), code_version._normalised_source
    before = _facts(config, "digest")
    monkeypatch.setattr(
        code_version,
        "_normalised_source",
        lambda name: source(name) + ("\nx = 1" if name == "agnews.components.evaluator.judge" else ""),
    )
    assert _facts(config, "digest") == before
