"""What becomes of an ExecutorInput: recorded ones of KFP's local orchestrator, and those that a cluster hands over."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from agnews.kubeflow import entrypoint
from agnews.kubeflow.execution import mirror_path
from agnews.kubeflow.execution.step_contract import StepContract
from agnews.kubeflow.log_lines import REFUSED, VERDICT, find_lines
from agnews.schemas.errors import AgnewsError, ExitCode

EXAMPLES, REPORT = "tfx.types.standard_artifacts.Examples", "agnews.components.artifact_types.StepReport"
PAGE = "agnews.components.artifact_types.HtmlPage"
TOY = """
import threading, time
from pathlib import Path
from agnews.schemas.errors import AgnewsError
from tfx.dsl.components.base.base_executor import BaseExecutor


class Executor(BaseExecutor):
    seen = None

    def Do(self, input_dict, output_dict, exec_properties):
        Executor.seen = (input_dict, exec_properties, self._context.pipeline_run_id)
        if exec_properties.get("fail") == 3:
            (report,) = output_dict["report"]
            (Path(report.uri) / "report.json").write_text('{"passed": false, "findings": ["skew"]}')
            raise AgnewsError("The rows are bad.", found="skew", fix="Mend them.", exit_code=1)
        if exec_properties.get("fail") == 4:
            raise OSError(28, "No space left on device", "/tmp/x")
        if exec_properties.get("fail") == 5:
            open(input_dict["examples"][0].uri + "/Split-train/data.gz")
        if exec_properties.get("fail") == 2:
            try:
                raise AgnewsError("No good.", found="this", fix="Do that.")
            except AgnewsError as error:
                # As apache_beam.runners.common does it.
                raise AgnewsError(f"{error.args[0]} [while running 'Read']")
        if exec_properties.get("fail"):
            raise ValueError("wrapped") from AgnewsError("No good.", found="this", fix="Do that.")
        (report,) = output_dict["report"]
        Path(report.uri).mkdir(parents=True, exist_ok=True)
        (Path(report.uri) / "report.json").write_text("{}")
        report.set_int_custom_property("rows", 3)
        report.set_float_custom_property("share", 0.5)
        report.set_json_value_custom_property("table", {"rows": [{"row": [1, 2]}]})
        if "page" in output_dict:
            (page,) = output_dict["page"]
            (Path(page.uri) / "report.html").write_text("<p>")
        if exec_properties.get("links"):
            (Path(report.uri) / "folder").symlink_to(Path(__file__).parent / "elsewhere")
            (Path(report.uri) / "file").symlink_to(__file__)
            (Path(report.uri) / "up").symlink_to(Path(report.uri).parent)
            (Path(report.uri) / "nowhere").symlink_to("/nowhere/at/all")
            (Path(report.uri) / "pushed.json").write_text('{"pushed": false, "reason": "not blessed"}')
        if exec_properties.get("hang") == 2:
            import subprocess
            # Of two generations: the one between ends.
            subprocess.run(["sh", "-c", "sleep 600 & sleep 600 & exit 0"], check=True)
        elif exec_properties.get("hang"):
            threading.Thread(target=time.sleep, args=(600,)).start()
"""


@pytest.fixture(scope="module")
def recorded(repository: Path) -> dict[str, Any]:
    """ExecutorInput by node, from tests/golden/record_executor_inputs.py."""
    documents: dict[str, Any] = json.loads((repository / "tests/golden/executor_inputs.json").read_text())
    return documents


@pytest.fixture(scope="module")
def contracts(repository: Path) -> dict[str, StepContract]:
    """What the command of each step in the golden pipeline says, by node."""
    (spec, *_) = yaml.safe_load_all((repository / "tests/golden/pipeline.yaml").read_text())
    found = {}
    for executor in spec["deploymentSpec"]["executors"].values():
        arguments = executor["container"]["args"]
        if "--step" in arguments:
            contract = StepContract.model_validate_json(arguments[arguments.index("--step") + 1])
            found[contract.node] = contract
    return found


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Import path of an executor that writes down what it is given."""
    name = f"toy_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(TOY)
    monkeypatch.syspath_prepend(str(tmp_path))
    return f"{name}.Executor"


def executor_input(scheme: str, parameters: dict[str, Any], **outputs: str) -> dict[str, Any]:
    """As the launcher on a cluster hands it over: names are numbers, types are empty, integers are floats."""
    root = f"{scheme}://bucket/v2/artifacts/agnews/run-1"
    return {
        "inputs": {
            "artifacts": {
                "examples": {
                    "artifacts": [
                        {
                            "name": "417",
                            "uri": f"{root}/news-example-gen/9/examples",
                            "type": {"instanceSchema": ""},
                            "metadata": {"display_name": "examples", "rows": 7.0, "seconds": 3.0, "nothing": None},
                        }
                    ]
                }
            },
            "parameterValues": parameters,
        },
        "outputs": {
            "artifacts": {
                name: {
                    "artifacts": [
                        {
                            "name": name,
                            "uri": f"{root}/toy/10/{name}",
                            "type": {"schemaTitle": title},
                            "metadata": {},
                        }
                    ]
                }
                for name, title in {"report": "agnews.StepReport", **outputs}.items()
            },
            "outputFile": "",
        },
    }


def contract_of(toy: str, **more: Any) -> StepContract:
    kinds = {"limit": "int", "share": "float", "corpus": "str", "force": "int"}
    return StepContract(
        node="Toy",
        executor=toy,
        inputs={"examples": EXAMPLES},
        outputs={"report": REPORT, "page": PAGE},
        parameters=kinds,
        **more,
    )


VALUES = {"limit": 8.0, "share": 1.0, "corpus": "ag_news", "force": True}


def seen_by(toy: str) -> Any:
    return sys.modules[toy.rpartition(".")[0]].Executor.seen


@pytest.mark.parametrize(("scheme", "mirror"), [("minio", "/minio/"), ("s3", "/s3/"), ("gs", "/gcs/")])
def test_remote_artifacts_are_read_and_written_in_the_launchers_mirror(
    tmp_path: Path, toy: str, monkeypatch: pytest.MonkeyPatch, scheme: str, mirror: str
) -> None:
    from agnews.kubeflow.execution.run_step import run_step

    assert mirror_path.mirror_path(f"{scheme}://bucket/a") == f"{mirror}bucket/a"
    monkeypatch.setitem(mirror_path._MIRRORS, f"{scheme}://", f"{tmp_path}{mirror}")
    document = executor_input(scheme, VALUES, page="system.HTML")
    document["outputs"]["outputFile"] = str(tmp_path / "out" / "executor_output.json")
    here = Path(f"{tmp_path}{mirror}bucket/v2/artifacts/agnews/run-1")
    folder = here / "news-example-gen" / "9" / "examples"
    for split in ("train", "eval"):
        (folder / f"Split-{split}").mkdir(parents=True)
        (folder / f"Split-{split}" / "data.gz").write_bytes(b"rows")
    # What some tools leave in place of folders.
    (folder / "Split-test").touch()
    (folder / "Split-train_$folder$").touch()

    run_step(document, contract_of(toy))

    (inputs, properties, _) = seen_by(toy)
    (examples,) = inputs["examples"]
    assert examples.type_name == "Examples"
    assert examples.uri == str(folder)
    assert json.loads(examples.split_names) == ["eval", "train"]
    assert examples.get_int_custom_property("rows") == 7
    assert examples.get_float_custom_property("seconds") == 3.0
    assert not (folder / "Split-test").exists()
    assert properties == {"limit": 8, "share": 1.0, "corpus": "ag_news", "force": 1}
    assert [type(value) for value in properties.values()] == [int, float, str, int]
    written = json.loads((tmp_path / "out" / "executor_output.json").read_text())["artifacts"]
    remote = f"{scheme}://bucket/v2/artifacts/agnews/run-1/toy/10"
    (report,) = written["report"]["artifacts"]
    assert report["uri"] == f"{remote}/report"
    assert report["metadata"].pop("seconds") >= 0
    assert report["metadata"].pop("tfx_version")
    assert report["metadata"] == {"rows": 3, "share": 0.5, "table": {"rows": [{"row": [1.0, 2.0]}]}}
    assert (here / "toy" / "10" / "report" / "report.json").read_text() == "{}"
    # The user interface opens files, not folders.
    assert written["page"]["artifacts"][0]["uri"] == f"{remote}/page/report.html"


def test_artifacts_have_the_types_of_our_specs_whatever_kfp_calls_them(
    recorded: dict[str, Any], contracts: dict[str, StepContract]
) -> None:
    from agnews.kubeflow.execution.read_artifact import read_artifact

    handed_over = set()
    for node, contract in contracts.items():
        assert recorded[node]["inputs"].get("artifacts", {}).keys() == contract.inputs.keys()
        assert recorded[node]["outputs"].get("artifacts", {}).keys() == contract.outputs.keys()
        for name, path in contract.inputs.items():
            (runtime,) = recorded[node]["inputs"]["artifacts"][name]["artifacts"]
            handed_over.add(runtime["type"]["schemaTitle"])
            artifact = read_artifact(runtime, path)
            assert f"{type(artifact).__module__}.{type(artifact).__qualname__}" == path
            assert artifact.uri == runtime["uri"]
    # Of the types that were compiled KFP keeps its own alone.
    assert handed_over == {"system.Artifact"}


def test_properties_of_an_output_reach_the_next_step(
    recorded: dict[str, Any], contracts: dict[str, StepContract]
) -> None:
    from agnews.kubeflow.execution.read_artifact import read_artifact

    (runtime,) = recorded["StatisticsGen"]["inputs"]["artifacts"]["examples"]["artifacts"]
    examples = read_artifact(runtime, contracts["StatisticsGen"].inputs["examples"])
    assert json.loads(examples.split_names) == ["train", "eval", "test"]
    assert examples.get_string_custom_property("payload_format") == "FORMAT_TF_EXAMPLE"
    assert examples.get_float_custom_property("seconds") == 2.0
    (runtime,) = recorded["Evaluator"]["inputs"]["artifacts"]["baseline"]["artifacts"]
    baseline = read_artifact(runtime, contracts["Evaluator"].inputs["baseline"])
    assert baseline.get_int_custom_property("has_baseline") == 0
    # Without one TFX takes the artifact for that of a version that put models elsewhere.
    assert baseline.get_string_custom_property("tfx_version")


def test_parameters_are_those_of_the_nodes_and_of_their_types(
    recorded: dict[str, Any], contracts: dict[str, StepContract]
) -> None:
    from agnews.kubeflow.execution.step_contract import read_properties

    types = {"bool": int, "int": int, "float": float, "str": str}
    for node, contract in contracts.items():
        properties = read_properties(recorded[node]["inputs"].get("parameterValues", {}), contract)
        assert {name: type(value) for name, value in properties.items()} == {
            name: types[kind] for name, kind in contract.parameters.items()
        }
    trainer = read_properties(recorded["Trainer"]["inputs"]["parameterValues"], contracts["Trainer"])
    assert json.loads(trainer["custom_config"]) == {"training": {"epochs": 2}}


@pytest.mark.parametrize("value", ["seven", 2.5, None])
def test_a_parameter_of_another_type_is_an_error(toy: str, value: Any) -> None:
    from agnews.kubeflow.execution.step_contract import read_properties

    with pytest.raises(AgnewsError, match="limit is not of the type int"):
        read_properties({**VALUES, "limit": value}, contract_of(toy))


def test_a_missing_parameter_is_an_error(toy: str) -> None:
    from agnews.kubeflow.execution.step_contract import read_properties

    with pytest.raises(AgnewsError, match="Toy was not given all of its parameters"):
        read_properties({"limit": 8}, contract_of(toy))


@pytest.fixture
def arguments(tmp_path: Path, toy: str) -> Any:
    """Command line of a step with local artifacts."""

    def made(**parameters: Any) -> list[str]:
        document = executor_input("file", VALUES | parameters)
        for side in ("inputs", "outputs"):
            for entry in document[side]["artifacts"].values():
                entry["artifacts"][0]["uri"] = str(tmp_path / entry["artifacts"][0]["name"])
        document["outputs"]["outputFile"] = str(tmp_path / "executor_output.json")
        kinds = {"limit": "int", "fail": "int", "hang": "int", "links": "int", "run_id": "str"}
        contract = contract_of(toy).model_copy(
            update={"parameters": {name: kind for name, kind in kinds.items() if name in VALUES | parameters}}
        )
        contract = contract.model_copy(update={"run_id": "run_id" if "run_id" in parameters else None})
        return ["--step", contract.model_dump_json(), "--executor-input", json.dumps(document)]

    return made


def test_a_step_that_is_told_its_run_knows_it(arguments: Any, toy: str) -> None:
    assert entrypoint.main(arguments(run_id="run-1")) == ExitCode.OK
    assert seen_by(toy)[2] == "run-1"


@pytest.mark.parametrize("wrapping", [1, 2])
def test_an_error_that_can_be_mended_is_told_without_a_trace(
    arguments: Any, capfd: Any, tmp_path: Path, wrapping: int
) -> None:
    assert entrypoint.main(arguments(fail=wrapping)) == ExitCode.USAGE
    error = capfd.readouterr().err
    assert "error  No good.\nfound  this\nfix    Do that.\n" in error
    assert "Traceback" not in error
    assert not (tmp_path / "executor_output.json").exists()


def test_a_refusal_is_a_line_that_programs_read_with_the_report_of_the_gate(arguments: Any, capfd: Any) -> None:
    assert entrypoint.main(arguments(fail=3)) == ExitCode.FAILED
    (line,) = find_lines(capfd.readouterr().err, REFUSED)
    assert line == {
        "node": "Toy",
        "problem": "The rows are bad.",
        "found": "skew",
        "fix": "Mend them.",
        "exit_code": 1,
        "final": True,
        "report": {"passed": False, "findings": ["skew"]},
    }


def test_a_full_disk_and_an_input_that_is_gone_say_what_to_do(arguments: Any, capfd: Any) -> None:
    assert entrypoint.main(arguments(fail=4)) == ExitCode.FAILED
    said = capfd.readouterr().err
    assert "The disk of Toy's pod is full." in said
    assert find_lines(said, REFUSED)[0]["final"] is False
    assert entrypoint.main(arguments(fail=5)) == ExitCode.FAILED
    said = capfd.readouterr().err
    assert "The files of Toy's input `examples` are gone." in said
    assert "cache: false" in said


def test_links_in_an_output_become_what_they_lead_to(arguments: Any, tmp_path: Path, capfd: Any) -> None:
    (tmp_path / "elsewhere" / "below").mkdir(parents=True)
    (tmp_path / "elsewhere" / "below" / "rows").write_text("rows")
    assert entrypoint.main(arguments(links=1)) == ExitCode.OK
    report = tmp_path / "report"
    assert not any(path.is_symlink() for path in report.rglob("*"))
    assert (report / "folder" / "below" / "rows").read_text() == "rows"
    assert "class Executor" in (report / "file").read_text()
    assert not (report / "up").exists()
    assert not (report / "nowhere").exists()
    assert find_lines(capfd.readouterr().err, VERDICT) == [{"node": "Toy", "pushed": False, "reason": "not blessed"}]


def test_lines_are_found_behind_time_stamps_and_broken_ones_are_left_out() -> None:
    log = f'2026-11-29T01:00:00Z {VERDICT}{{"pushed": true}}\n{VERDICT}{{"pushed": fal\nnothing\n{VERDICT}3\n'
    assert find_lines(log, VERDICT) == [{"pushed": True}]


@pytest.mark.integration
@pytest.mark.parametrize("what", ["a thread", "processes that keep standard output open"])
def test_a_step_ends_with_its_outputs_although_something_hangs(arguments: Any, tmp_path: Path, what: str) -> None:
    """In a process of its own, as in a container, whose output is read to its end."""
    command = [sys.executable, "-m", "agnews.kubeflow.entrypoint", *arguments(hang=1 if what == "a thread" else 2)]
    environment = {"PYTHONPATH": str(tmp_path), "PATH": os.environ["PATH"]}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    assert json.loads((tmp_path / "executor_output.json").read_text())["artifacts"].keys() == {"report"}
