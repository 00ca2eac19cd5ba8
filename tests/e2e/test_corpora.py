"""Corpora of ten forms, each from its files to a judged model, and no line of the package changed.

Two of them are run each time, in scripts that the vocabulary which comes along does not know; all of them by
`make test-long`. What they are is said in benchmarks/corpora.py, which measures them too.
"""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from agnews.pipeline.load_config import load_config
from agnews.pipeline.local.live_view import LiveView
from agnews.pipeline.paths import new_run_id, prepare_root
from agnews.schemas.run_report import RunReport

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

ROWS = 600
QUICK = ("hebrew_packed", "chinese")
ALL = (
    "csv_with_header",
    "quoted_without_header",
    "tab_separated",
    "german_in_cp1252",
    "json_lines",
    *QUICK,
    "folders",
    "many_classes",
    "uneven",
)


@pytest.fixture(scope="module")
def load_benchmark(repository: Path) -> Callable[[str], Any]:
    """Imports a script."""

    def load(name: str) -> Any:
        sys.path.insert(0, str(repository / "benchmarks"))
        try:
            return importlib.import_module(name)
        finally:
            sys.path.remove(str(repository / "benchmarks"))

    return load


@pytest.fixture(scope="module")
def forms(load_benchmark: Callable[[str], Any]) -> dict[str, Callable[[Path, int], None]]:
    """What writes the files, by name."""
    return {form.__name__: form for form in load_benchmark("corpora").FORMS}


def test_these_are_all_forms(forms: dict[str, Callable[[Path, int], None]]) -> None:
    assert sorted(forms) == sorted(ALL)


def describe(folder: Path) -> Path:
    """What `agnews corpus init` does, in this process."""
    from agnews.pipeline.cli.corpus_init import init

    description = folder.with_suffix(".yaml")
    init([folder], out=description)
    return description


def run(description: Path, root: Path, *settings: str) -> RunReport:
    from agnews.pipeline.local.run_locally import RunRequest, run_locally
    from agnews.pipeline.reports.describe_node import describe_node

    request = RunRequest(
        config=load_config(None, settings, corpus=str(description)),
        paths=prepare_root(root),
        run_id=new_run_id(),
        command="agnews run",
    )
    with LiveView(Console(file=io.StringIO()), "", describe_node) as view:
        return run_locally(request, view)


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.long) for name in ALL]
)
def test_two_commands_make_a_model_of_files_that_nobody_has_described(
    name: str, forms: dict[str, Callable[[Path, int], None]], tmp_path: Path
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    forms[name](folder, ROWS)
    description = describe(folder)

    report = run(description, tmp_path / "root", "model.kind=linear")

    assert report.error is None
    assert report.metrics is not None
    # Words of the class are three in ten: hardly a text is without.
    assert report.metrics.accuracy > 0.8, report.reasons
    assert report.blessed, report.reasons
    assert report.pushed_model
    assert report.documents.token_check is not None
    assert all(split.unknown_share < 0.01 for split in report.documents.token_check.splits.values())
    if name == "uneven":
        assert report.settings["training"]["class_weights"] == "sqrt"  # type: ignore[index]
        assert "smallest" in report.setting_reasons["training.class_weights"]


def test_a_transformer_learns_the_words_of_a_language_from_the_rows(
    forms: dict[str, Callable[[Path, int], None]], tmp_path: Path
) -> None:
    folder = tmp_path / "hebrew"
    folder.mkdir()
    forms["hebrew_packed"](folder, ROWS)
    description = describe(folder)
    quick = ("model.kind=transformer", "training.epochs=8", "model.hidden_dim=32", "model.num_heads=2")

    report = run(description, tmp_path / "root", *quick)

    assert report.metrics is not None
    assert report.metrics.accuracy > 0.7
    assert report.settings["text"]["vocabulary"] == "learn"  # type: ignore[index]
    assert report.documents.token_check is not None
    # Spelled with the vocabulary that comes along, a Hebrew word is a piece for each letter.
    assert report.documents.token_check.splits["test"].pieces_per_word < 2.0
    assert report.documents.token_check.splits["test"].unknown_pieces == 0
    # The vocabulary of the cached rows is found again when only the training changes.
    again = run(description, tmp_path / "root", *quick, "training.seed=8")
    assert again.nodes["Transform"].state == "cached"
    assert again.nodes["Trainer"].state == "done"


@pytest.mark.long
@pytest.mark.timeout(5400)
def test_ten_thousand_classes_go_all_the_way(load_benchmark: Callable[[str], Any], tmp_path: Path) -> None:
    """As in benchmarks/many_classes.py, with as few rows as each class needs."""
    made = load_benchmark("many_classes")
    folder = tmp_path / "parts"
    folder.mkdir()
    made.write_corpus(folder, 10_000, 30_000)
    description = describe(folder)

    report = run(description, tmp_path / "root", *made.SETTINGS, "training.epochs=8")

    assert report.error is None
    assert report.metrics is not None
    # One in ten thousand is right by chance; most classes have two rows to learn from, and eight epochs are few.
    assert report.metrics.accuracy > 0.2
    assert report.documents.data_card is not None
    assert len(report.documents.data_card.splits["eval"].rows_per_class) == 10_000
    assert min(report.documents.data_card.splits["eval"].rows_per_class.values()) >= 1
    (page,) = (tmp_path / "root").glob("runs/*/report.html")
    assert page.stat().st_size < 8 << 20
    assert report.peak_rss_mb is not None
    assert report.peak_rss_mb < 5_000
