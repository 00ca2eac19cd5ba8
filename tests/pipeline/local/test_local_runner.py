"""The local runner on a chain of three toy nodes, with TFX's real launcher and metadata store."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tfx import v1 as tfx
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from agnews.components.artifact_types import StepReport
from agnews.pipeline.local.local_runner import LocalRunner
from agnews.pipeline.local.output_keeper import OutputKeeper
from agnews.pipeline.observer import NodeResult
from agnews.schemas.errors import AgnewsError

pytestmark = pytest.mark.integration

RUNS: list[str] = []
FAIL_AT: set[str] = set()


class _Executor(base_executor.BaseExecutor):
    def Do(self, input_dict: Any, output_dict: Any, exec_properties: dict[str, Any]) -> None:  # noqa: N802
        name = exec_properties["name"]
        RUNS.append(name)
        assert all(len(artifacts) == 1 for artifacts in input_dict.values())
        folder = Path(output_dict["out"][0].uri)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "value").write_text(exec_properties["value"])
        if exec_properties["value"].startswith("push to "):
            place = exec_properties["value"].removeprefix("push to ")
            Path(place).mkdir(exist_ok=True)
            output_dict["out"][0].set_string_custom_property("pushed_destination", place)
        if exec_properties["value"] == "refuse":
            (Path(output_dict["report"][0].uri) / "report.json").write_text(f'{{"node": "{name}"}}')
            raise AgnewsError("No.")
        if name in FAIL_AT:
            FAIL_AT.discard(name)
            raise KeyboardInterrupt


class _FirstSpec(ComponentSpec):
    PARAMETERS = {"name": ExecutionParameter(type=str), "value": ExecutionParameter(type=str)}  # noqa: RUF012
    INPUTS: dict[str, ChannelParameter] = {}  # noqa: RUF012
    OUTPUTS = {  # noqa: RUF012
        "out": ChannelParameter(type=standard_artifacts.Model),
        "report": ChannelParameter(type=StepReport),
    }


class _NextSpec(_FirstSpec):
    INPUTS = {"before": ChannelParameter(type=standard_artifacts.Model)}  # noqa: RUF012


class _First(base_component.BaseComponent):
    SPEC_CLASS = _FirstSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(_Executor)


class _Next(_First):
    SPEC_CLASS = _NextSpec


class _Record:
    def __init__(self) -> None:
        self.skipped: list[str] = []
        self.results: list[NodeResult] = []

    def planned(self, nodes: Sequence[str], skipped: Sequence[str]) -> None:
        self.skipped = list(skipped)

    def started(self, node: str) -> None:
        pass

    def finished(self, result: NodeResult) -> None:
        self.results.append(result)

    @property
    def states(self) -> dict[str, str]:
        return {result.node: result.state for result in self.results}


def _pipeline(root: Path, **values: str) -> tfx.dsl.Pipeline:
    def of(name: str) -> dict[str, Any]:
        return {
            "name": name,
            "value": values.get(name, "1"),
            "out": tfx.dsl.Channel(type=standard_artifacts.Model),
            "report": tfx.dsl.Channel(type=StepReport),
        }

    first = _First(_FirstSpec(**of("a"))).with_id("a")
    second = _Next(_NextSpec(before=first.outputs["out"], **of("b"))).with_id("b")
    third = _Next(_NextSpec(before=second.outputs["out"], **of("c"))).with_id("c")
    return tfx.dsl.Pipeline(
        pipeline_name="toy",
        pipeline_root=str(root / "artifacts"),
        components=[first, second, third],
        enable_cache=True,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(str(root / "db")),
    )


def _run(
    root: Path, run_id: str, *, from_node: str | None = None, to_node: str | None = None, **values: str
) -> _Record:
    record = _Record()
    runner = LocalRunner(record, run_id, keep=root / "failed", from_node=from_node, to_node=to_node)
    runner.run(_pipeline(root, **values))
    return record


@pytest.fixture(autouse=True)
def _fresh() -> None:
    RUNS.clear()
    FAIL_AT.clear()


def test_an_identical_run_is_all_cached_and_a_change_reruns_from_there(tmp_path: Path) -> None:
    assert _run(tmp_path, "run-1").states == {"a": "done", "b": "done", "c": "done"}
    second = _run(tmp_path, "run-2")
    assert second.states == {"a": "cached", "b": "cached", "c": "cached"}
    assert all((Path(result.outputs["out"]) / "value").is_file() for result in second.results)
    assert _run(tmp_path, "run-3", b="2").states == {"a": "cached", "b": "done", "c": "done"}
    assert RUNS == ["a", "b", "c", "b", "c"]


def test_from_runs_a_node_and_what_follows_although_nothing_changed(tmp_path: Path) -> None:
    _run(tmp_path, "run-1")
    assert _run(tmp_path, "run-2", from_node="b").states == {"a": "cached", "b": "done", "c": "done"}


def test_to_leaves_out_what_follows(tmp_path: Path) -> None:
    record = _run(tmp_path, "run-1", to_node="b")
    assert record.states == {"a": "done", "b": "done"}
    assert record.skipped == ["c"]


def test_an_unknown_node_is_answered_with_the_names(tmp_path: Path) -> None:
    with pytest.raises(AgnewsError, match="Nodes: a, b, c"):
        _run(tmp_path, "run-1", from_node="z")
    assert RUNS == []


def test_a_cached_result_whose_files_are_gone_is_made_again(tmp_path: Path) -> None:
    first = _run(tmp_path, "run-1")
    shutil.rmtree(first.results[1].outputs["out"])
    assert _run(tmp_path, "run-2").states == {"a": "cached", "b": "done", "c": "done"}


def test_a_cached_push_whose_destination_is_gone_is_made_again_and_what_follows_reads_that_one(tmp_path: Path) -> None:
    place = tmp_path / "pushed"
    _run(tmp_path, "run-1", b=f"push to {place}")
    place.rmdir()
    assert _run(tmp_path, "run-2", b=f"push to {place}").states == {"a": "cached", "b": "done", "c": "done"}
    assert place.is_dir()
    assert set(_run(tmp_path, "run-3", b=f"push to {place}").states.values()) == {"cached"}


def test_a_cut_run_goes_on_at_the_step_that_was_cut(tmp_path: Path) -> None:
    FAIL_AT.add("b")
    with pytest.raises(KeyboardInterrupt):
        _run(tmp_path, "run-1")
    left = list((tmp_path / "artifacts" / "b" / "out").iterdir())
    assert len(left) == 1, "the interrupted step leaves its unfinished output"
    assert _run(tmp_path, "run-2").states == {"a": "cached", "b": "done", "c": "done"}
    assert not left[0].exists(), "and the next run removes it"
    assert RUNS == ["a", "b", "b", "c"]


@pytest.mark.parametrize("damage", ["gone", "shorter", "more"])
def test_a_cached_result_that_is_not_as_its_step_left_it_is_made_again(tmp_path: Path, damage: str) -> None:
    first = _run(tmp_path, "run-1", b="value")
    folder = Path(first.results[1].outputs["out"])
    if damage == "more":
        (folder / "shard").write_text("of another run")
    else:
        (folder / "value").write_text("val")
        if damage == "gone":
            (folder / "value").unlink()
    assert _run(tmp_path, "run-2", b="value").states == {"a": "cached", "b": "done", "c": "done"}
    assert set(_run(tmp_path, "run-3", b="value").states.values()) == {"cached"}


def test_outputs_do_not_mix_with_those_of_an_execution_of_the_same_number(tmp_path: Path) -> None:
    """As after metadata.sqlite was restored from a backup, or deleted."""
    first = _run(tmp_path, "run-1")
    folder = Path(first.results[0].outputs["out"])
    (folder / "old-shard").write_text("rows of before")
    (tmp_path / "db").unlink()
    second = _run(tmp_path, "run-2")
    assert second.results[0].outputs["out"] == str(folder)
    assert [path.name for path in folder.iterdir()] == ["value"]


def test_outputs_of_a_build_that_recorded_no_files_are_taken_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(OutputKeeper, "run_executor", lambda self, execution: self._operator.run_executor(execution))
        first = _run(tmp_path, "run-1")
    (Path(first.results[0].outputs["out"]) / "more").touch()
    assert set(_run(tmp_path, "run-2").states.values()) == {"cached"}


def test_the_report_of_a_step_that_refuses_is_kept(tmp_path: Path) -> None:
    record = _Record()
    runner = LocalRunner(record, "run-1", keep=tmp_path / "failed")
    with pytest.raises(AgnewsError, match="No"):
        runner.run(_pipeline(tmp_path, b="refuse"))
    assert record.states == {"a": "done", "b": "failed"}
    assert record.results[1].outputs == {}
    (folder,) = record.results[1].left.values()
    assert (Path(folder) / "report.json").read_text() == '{"node": "b"}'


def test_a_report_that_cannot_be_kept_does_not_hide_why_the_step_failed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "full").touch()
    record = _Record()
    with pytest.raises(AgnewsError, match="No"):
        LocalRunner(record, "run-1", keep=tmp_path / "full" / "failed").run(_pipeline(tmp_path, b="refuse"))
    assert record.results[1].left == {}
    assert "Not a directory" in caplog.text
