"""A step that runs several nodes: what goes from one to the next, what an earlier run answers, what its log says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agnews.kubeflow import entrypoint
from agnews.kubeflow.execution import mirror_path
from agnews.kubeflow.execution.step_contract import GroupContract, StepContract
from agnews.kubeflow.log_lines import NODE, REFUSED, find_lines, node_part
from agnews.schemas.errors import ExitCode

REPORT = "agnews.components.artifact_types.StepReport"
TOY = """
from pathlib import Path
from agnews.schemas.errors import AgnewsError
from tfx.dsl.components.base.base_executor import BaseExecutor

RUNS = []


class Executor(BaseExecutor):
    def Do(self, input_dict, output_dict, exec_properties):
        name = self._context._unique_id
        RUNS.append(name)
        read = "".join((Path(each.uri) / "text").read_text() for (each,) in input_dict.values())
        print(f"here is {name}")
        if exec_properties["word"] == "bad":
            raise AgnewsError("No good.", found=name, fix="Do that.")
        (out,) = output_dict["out"]
        (Path(out.uri) / "text").write_text(read + exec_properties["word"])
        out.set_int_custom_property("length", len(read))
"""

Run = Callable[..., int]


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    import importlib

    name = f"toy_group_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(TOY)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(mirror_path._MIRRORS, "minio://", f"{tmp_path}/minio/")
    return importlib.import_module(name)


@pytest.fixture
def run(tmp_path: Path, toy: Any) -> Run:
    """`run("1", first="a", second="b", third="c")` runs the chain First, Second, Third as the run of that name."""

    def member(node: str, source: str, *, cache: bool = True) -> StepContract:
        return StepContract(
            node=node,
            executor=f"{toy.__name__}.Executor",
            inputs={"text": REPORT},
            outputs={"out": REPORT},
            parameters={"word": "str"},
            prefix=f"{node.lower()}-",
            sources={"text": source},
            cache=cache,
        )

    group = GroupContract(
        name="chain",
        index_uri=str(tmp_path / "index"),
        members=(member("First", "start"), member("Second", "first-out"), member("Third", "second-out", cache=False)),
    )
    start = tmp_path / "minio/bucket/start"
    start.mkdir(parents=True)
    (start / "text").write_text("|")

    def made(name: str, *, start: str = "minio://bucket/start", **words: str) -> int:
        document = {
            "inputs": {
                "artifacts": {"start": {"artifacts": [{"name": "1", "uri": start, "metadata": {"seconds": 1.0}}]}},
                "parameterValues": {f"{node}-word": word for node, word in words.items()},
            },
            "outputs": {
                "artifacts": {
                    f"{node}-out": {"artifacts": [{"name": "x", "uri": f"minio://bucket/{name}/{node}"}]}
                    for node in words
                }
                | {"executor-logs": {"artifacts": [{"name": "x", "uri": f"minio://bucket/{name}/logs"}]}},
                "outputFile": str(tmp_path / name / "executor_output.json"),
            },
        }
        toy.RUNS.clear()
        arguments = ["--group", group.model_dump_json(exclude_defaults=True), "--executor-input", json.dumps(document)]
        return entrypoint.main(arguments)

    return made


def outputs(tmp_path: Path, name: str) -> dict[str, Any]:
    written = json.loads((tmp_path / name / "executor_output.json").read_text())["artifacts"]
    return {key: entry["artifacts"][0] for key, entry in written.items()}


def text(tmp_path: Path, name: str, node: str) -> str:
    return (tmp_path / "minio/bucket" / name / node / "text").read_text()


def test_each_node_reads_what_the_one_before_has_made_and_every_output_is_handed_on(
    run: Run, toy: Any, tmp_path: Path
) -> None:
    assert run("1", first="a", second="b", third="c") == ExitCode.OK
    assert toy.RUNS == ["First", "Second", "Third"]
    assert text(tmp_path, "1", "third") == "|abc"
    made = outputs(tmp_path, "1")
    assert made.keys() == {"first-out", "second-out", "third-out"}
    assert made["second-out"]["uri"] == "minio://bucket/1/second"
    assert made["second-out"]["metadata"]["length"] == 2
    assert made["second-out"]["metadata"]["seconds"] >= 0


def test_a_changed_setting_runs_its_node_and_those_behind_it(run: Run, toy: Any, tmp_path: Path) -> None:
    assert run("1", first="a", second="b", third="c") == ExitCode.OK
    assert run("2", first="a", second="X", third="c") == ExitCode.OK
    assert toy.RUNS == ["Second", "Third"]
    assert text(tmp_path, "2", "third") == "|aXc"
    # The output is this run's own, with what the earlier one said of it.
    before, after = outputs(tmp_path, "1")["first-out"], outputs(tmp_path, "2")["first-out"]
    assert after["uri"] == "minio://bucket/2/first"
    assert after["metadata"] == before["metadata"]
    assert text(tmp_path, "2", "first") == "|a"
    # A copy of a copy is as good as the first.
    assert run("3", first="a", second="X", third="c") == ExitCode.OK
    assert toy.RUNS == ["Third"]


def test_a_node_that_is_never_cached_runs_each_time(run: Run, toy: Any) -> None:
    assert run("1", first="a", second="b", third="c") == ExitCode.OK
    assert run("2", first="a", second="b", third="c") == ExitCode.OK
    assert toy.RUNS == ["Third"]


def test_another_input_runs_all_although_it_says_the_same(run: Run, toy: Any, tmp_path: Path) -> None:
    assert run("1", first="a", second="b", third="c") == ExitCode.OK
    (tmp_path / "minio/bucket/start").rename(tmp_path / "minio/bucket/again")
    assert run("2", start="minio://bucket/again", first="a", second="b", third="c") == ExitCode.OK
    assert toy.RUNS == ["First", "Second", "Third"]


@pytest.mark.parametrize("damage", ["gone", "short", "no entry"])
def test_what_cannot_be_read_any_more_is_made_again(run: Run, toy: Any, tmp_path: Path, damage: str) -> None:
    assert run("1", first="a", second="b", third="c") == ExitCode.OK
    file = tmp_path / "minio/bucket/1/first/text"
    if damage == "gone":
        file.unlink()
    elif damage == "short":
        file.write_text("")
    else:
        for entry in (tmp_path / "index").iterdir():
            entry.write_text("{}")
    assert run("2", first="a", second="b", third="c") == ExitCode.OK
    assert toy.RUNS == ["First", "Second", "Third"]
    assert text(tmp_path, "2", "third") == "|abc"


def test_an_index_that_cannot_be_written_costs_nothing_but_time(run: Run, toy: Any, tmp_path: Path) -> None:
    (tmp_path / "index").write_text("a file where a folder should be")
    assert run("1", first="a", second="b", third="c") == ExitCode.OK
    assert run("2", first="a", second="b", third="c") == ExitCode.OK
    assert toy.RUNS == ["First", "Second", "Third"]


def test_an_error_names_the_node_and_what_was_made_before_it_is_kept(
    run: Run, toy: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run("1", first="a", second="bad", third="c") == ExitCode.USAGE
    said = capfd.readouterr().err
    assert find_lines(said, REFUSED)[0]["node"] == "Second"
    states = [(line["node"], line["state"]) for line in find_lines(said, NODE)]
    assert states == [("First", "started"), ("First", "done"), ("Second", "started"), ("Second", "failed")]
    assert not (tmp_path / "1/executor_output.json").exists()
    assert run("2", first="a", second="b", third="c") == ExitCode.OK
    assert toy.RUNS == ["Second", "Third"]


def test_a_node_has_its_part_of_the_log() -> None:
    def mark(node: str, state: str) -> str:
        return f'2026-01-01T00:00:00Z {NODE}{{"node": "{node}", "state": "{state}", "seconds": 1}}\n'

    first = mark("First", "started") + "a\n" + mark("First", "done")
    second = mark("Second", "started") + "b\nkilled\n"
    assert node_part(f"before\n{first}between\n{second}", "First") == first
    assert node_part(f"before\n{first}between\n{second}", "Second") == second
    assert node_part(first, "Third") == ""
    assert node_part("a step of one node\n", "First") == "a step of one node\n"
