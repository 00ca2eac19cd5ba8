"""When a run of dated spans need not begin. The steps themselves are replaced by one that pushes something."""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from agnews.components.corpus_files.corpus_state import read_state
from agnews.components.model_store import ModelStore
from agnews.components.model_store.publish import publish
from agnews.pipeline.load_config import load_config
from agnews.pipeline.local.live_view import LiveView
from agnews.pipeline.paths import Paths, prepare_root
from agnews.pipeline.reports.show_report import show_report
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.errors import AgnewsError
from agnews.schemas.execution_config import NotifyConfig
from agnews.schemas.model_record import LearntFrom
from agnews.schemas.run_report import RunReport

pytestmark = pytest.mark.integration


def add_span(data: Path, name: str) -> None:
    (data / name).mkdir(parents=True)
    rows = (f'"{1 + i % 4}","{name} {i}","what happened"\n' for i in range(20))
    (data / name / "train.csv").write_text("".join(rows))


@dataclass
class Bench:
    """Runs that push at once.

    Attributes:
        paths: The root.
        data: Folder of spans.
        runs: Fingerprints of the runs that came to their nodes.
        shown: What the last run printed.
    """

    paths: Paths
    data: Path
    runs: list[str] = field(default_factory=list)
    shown: str = ""

    def push(self, fingerprint: str) -> None:
        model = self.paths.root / "model"
        model.mkdir(exist_ok=True)
        (model / "saved_model.pb").write_text(fingerprint)
        store = ModelStore(str(self.paths.models), "agnews")
        state = read_state(str(self.data), packaged_corpus())
        current = store.production()
        publish(
            store,
            model=str(model),
            extra_files={},
            judged_against=current.version if current else "",
            fingerprint=fingerprint,
            run_id="",
            accuracy=0.9,
            classes=packaged_corpus().class_names,
            learnt_from=LearntFrom(digest=state.digest, test_digest=state.test_digest, spans=state.span_digests),
        )

    def run(self, *settings: str, notifications: NotifyConfig | None = None, **nodes: str) -> RunReport:
        from agnews.pipeline.local.run_locally import RunRequest, run_locally

        config = load_config("transformer", [f"data.source={self.data}", *settings])
        request = RunRequest(config, self.paths, f"run-{len(self.runs)}", "agnews run", **nodes)
        request = replace(request, notifications=notifications or NotifyConfig())
        out = io.StringIO()
        console = Console(file=out, width=200)
        with LiveView(console, "title", lambda result: "") as view:
            report = run_locally(request, view)
        show_report(report, self.paths, console)
        self.shown = out.getvalue()
        assert RunReport.model_validate_json(self.paths.report(request.run_id).read_text()) == report
        return report


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Two spans, from which the model in production has learnt."""
    data = tmp_path / "data"
    for name in ("2026-11-20", "2026-11-21"):
        add_span(data, name)
    (data / "test.csv").write_text('"1","a","b"\n')
    bench = Bench(prepare_root(tmp_path / "root"), data)

    class Runner:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def run(self, fingerprint: str) -> None:
            bench.runs.append(fingerprint)

    monkeypatch.setattr("agnews.pipeline.local.local_runner.LocalRunner", Runner)
    monkeypatch.setattr("agnews.pipeline.pipeline.create_pipeline", lambda config, around: around.fingerprint)
    bench.run()
    bench.push(bench.runs[-1])
    bench.runs.clear()
    return bench


def test_a_run_ends_at_once_where_nothing_is_new(bench: Bench) -> None:
    report = bench.run()
    assert bench.runs == []
    version = bench.paths.models / "agnews"
    (record,) = [path.name for path in version.iterdir() if path.name.isdecimal()]
    assert report.ended_early is not None
    assert report.ended_early.startswith(f"Nothing is new since version {record} was pushed")
    assert report.error is None
    assert report.blessed is None
    assert report.spans is not None
    assert (report.spans.since, report.spans.new) == (record, ())
    assert f"2 spans, 2026-11-20 to 2026-11-21; new since version {record}: none" in bench.shown
    assert report.ended_early in bench.shown
    assert f"version {record} stays in production" in bench.shown


def test_a_new_span_is_told_and_run(bench: Bench) -> None:
    add_span(bench.data, "2026-11-22")
    (bench.data / "2026-11-23").mkdir()
    report = bench.run()
    assert len(bench.runs) == 1
    assert report.ended_early is None
    assert report.spans is not None
    assert report.spans.new == ("2026-11-22",)
    assert ": 2026-11-22" in bench.shown
    assert "2026-11-23 is passed over: it has no train.csv" in bench.shown


def _change_span(bench: Bench, patch: Any) -> None:
    (bench.data / "2026-11-20" / "train.csv").write_text('"1","other","rows"\n')


def _lose_span(bench: Bench, patch: Any) -> None:
    shutil.rmtree(bench.data / "2026-11-20")


def _change_test(bench: Bench, patch: Any) -> None:
    (bench.data / "test.csv").write_text('"2","c","d"\n')


def _change_code(bench: Bench, patch: Any) -> None:
    patch.setattr("agnews.pipeline.local.run_locally.code_versions", lambda: {"Trainer": "changed"})


def _lose_version(bench: Bench, patch: Any) -> None:
    for version in (bench.paths.models / "agnews").glob("[0-9]*"):
        shutil.rmtree(version)


def _lose_store(bench: Bench, patch: Any) -> None:
    shutil.rmtree(bench.paths.models)


@pytest.mark.parametrize("change", [_change_span, _lose_span, _change_test, _change_code, _lose_version, _lose_store])
def test_whatever_the_model_in_production_does_not_know_is_a_reason_to_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, change: Callable[[Bench, Any], None]
) -> None:
    change(bench, monkeypatch)
    assert bench.run().ended_early is None
    assert len(bench.runs) == 1


@pytest.mark.parametrize("setting", ["training.epochs=1", "data.window=1", "evaluation.alpha=0.1"])
def test_another_configuration_is_a_reason_to_run(bench: Bench, setting: str) -> None:
    assert bench.run(setting).ended_early is None
    assert len(bench.runs) == 1


@pytest.mark.parametrize("nodes", [{"from_node": "Trainer"}, {"to_node": "Transform"}])
def test_whoever_names_a_node_gets_a_run(bench: Bench, nodes: dict[str, str]) -> None:
    assert bench.run(**nodes).ended_early is None
    assert len(bench.runs) == 1


def test_a_single_training_file_is_answered_from_the_cache_as_ever(bench: Bench) -> None:
    (bench.data / "2026-11-21" / "train.csv").rename(bench.data / "train.csv")
    for span in bench.data.glob("2026-*"):
        shutil.rmtree(span)
    report = bench.run()
    bench.push(bench.runs[-1])
    again = bench.run()
    assert report.spans is None
    assert again.ended_early is None
    assert len(bench.runs) == 2


def test_a_run_that_fails_leaves_a_page_that_begins_with_the_error(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Runner:
        def __init__(self, view: LiveView, *_: object, **__: object) -> None:
            self.view = view

        def run(self, _: str) -> None:
            self.view.planned(["NewsExampleGen", "Transform"], [])
            self.view.started("NewsExampleGen")
            try:
                raise AgnewsError("A class is missing.", found="no rows of Sports", fix="Add some.")
            except AgnewsError as error:
                raise RuntimeError("wrapped by Beam") from error

    monkeypatch.setattr("agnews.pipeline.local.local_runner.LocalRunner", Runner)
    with pytest.raises(RuntimeError, match="wrapped"):
        bench.run("training.epochs=1")
    paths = bench.paths
    report = RunReport.model_validate_json(paths.report("run-0").read_text())
    assert report.error == "NewsExampleGen: A class is missing.\n  found: no rows of Sports\n  fix:   Add some."
    page = paths.page("run-0").read_text()
    assert page.index("A class is missing.") < page.index('id="settings"')
    assert report.settings["name"] == "agnews"


@pytest.mark.parametrize("content", [b"no database" * 1000, b"SQLite format 3\0" + b"\0" * 5000])
def test_a_damaged_metadata_store_is_named_before_anything_runs(bench: Bench, content: bytes) -> None:
    add_span(bench.data, "2026-11-22")
    bench.paths.metadata.write_bytes(content)
    with pytest.raises(AgnewsError, match="record of earlier steps") as caught:
        bench.run()
    assert str(bench.paths.metadata) in str(caught.value.found)
    assert str(bench.paths.artifacts) in caught.value.fix
    assert bench.runs == []


def test_who_wants_to_know_is_told_once_also_of_what_failed_and_a_channel_that_fails_fails_nothing(
    bench: Bench, tmp_path: Path
) -> None:
    script = "import sys; open(sys.argv[1], 'ab').write(sys.stdin.buffer.read() + b'\\n')"
    told = tmp_path / "told"
    notifications = NotifyConfig.model_validate(
        {
            "on": ["failed", "nothing_new"],
            "retries": 0,
            "channels": [
                {"kind": "command", "command": [sys.executable, "-c", script, str(told)]},
                {"kind": "command", "command": [str(tmp_path / "no-such-program")]},
            ],
        }
    )

    assert bench.run(notifications=notifications).ended_early is not None
    assert "nobody was told by channel 2, command (nothing_new): it cannot be started" in bench.shown
    shutil.rmtree(bench.data / "2026-11-20")
    (bench.data / "test.csv").write_text("")
    with pytest.raises(AgnewsError):
        bench.run(notifications=notifications)

    first, second = map(json.loads, told.read_text().splitlines())
    assert (first["event"], second["event"]) == ("nothing_new", "failed")
    assert "test.csv" in second["detail"]
    assert Path(second["report"]).is_file()


def test_the_rows_of_folders_count_for_what_runs_their_steps(tmp_path: Path) -> None:
    from agnews.pipeline.local.run_locally import _bytes_of_rows

    for split, size in (("train", 1000), ("test", 24)):
        for label in ("ham", "spam"):
            (tmp_path / split / label).mkdir(parents=True)
            (tmp_path / split / label / "1.txt").write_text("x" * size)
    (tmp_path / "corpus.yaml").write_text(
        "format: 1\nname: mails\nclasses: [ham, spam]\nfiles: {train: train, test: test}\nread: {format: folders}\n"
    )
    config = load_config("linear", [f"data.corpus={tmp_path / 'corpus.yaml'}", f"data.source={tmp_path}"])
    assert _bytes_of_rows(config) == 2 * (1000 + 24)
