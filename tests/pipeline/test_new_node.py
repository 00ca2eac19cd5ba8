"""What a new node takes: a folder of its own, a place in the graph, a row of `NODES`, a row of the deployment table."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from agnews.pipeline import code_version as digests
from agnews.pipeline.code_version import code_versions
from agnews.schemas.nodes import NODES, Node, Output
from agnews.schemas.smoke_report import SmokeReport

FOLDER = {
    "component.py": '''
from __future__ import annotations

from typing import Annotated, ClassVar

from tfx.types.channel import BaseChannel
from tfx.types.standard_artifacts import ModelBlessing

from agnews.components.artifact_types import StepReport
from agnews.components.declared_component import DeclaredComponent
from agnews_node.executor import Executor


class Notary(DeclaredComponent):
    """Signs what was blessed."""

    EXECUTOR = Executor
    OUTPUTS: ClassVar = {"signature": StepReport}

    blessing: Annotated[BaseChannel, ModelBlessing]
    push_uri: str
    code_version: str
''',
    "executor.py": """
from agnews.components.storage.files_at import files_at
from agnews.schemas.smoke_report import SmokeReport
from tfx.dsl.components.base.base_executor import BaseExecutor


class Executor(BaseExecutor):
    def Do(self, input_dict, output_dict, exec_properties):
        (signature,) = output_dict["signature"]
        skipped = f"signed for {exec_properties['push_uri']}"
        SmokeReport(passed=True, skipped=skipped).write(signature.uri, files_at(signature.uri).write)
""",
    "__init__.py": "",
}
ROW = Node(
    code="agnews.components.artifact_types",
    outputs=(Output("signature", document=SmokeReport),),
    run_time={"push_uri": "push_uri"},
)


@pytest.fixture
def notary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The folder, the place in the graph behind Evaluator, and the row."""
    from tfx.orchestration.pipeline import Pipeline

    from agnews.pipeline import pipeline

    folder = tmp_path / "agnews_node"
    folder.mkdir()
    for name, source in FOLDER.items():
        (folder / name).write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(NODES, "Notary", ROW)
    from agnews_node.component import Notary

    def with_notary(*, components: list[Any], **arguments: Any) -> Pipeline:
        (evaluator,) = [node for node in components if node.id == "Evaluator"]
        (pusher,) = [node for node in components if node.id == "Pusher"]
        node = Notary(
            blessing=evaluator.outputs["blessing"],
            push_uri=pusher.exec_properties["push_uri"],
            code_version=code_versions()["Notary"],
        )
        return Pipeline(components=[*components, node], **arguments)

    monkeypatch.setattr(pipeline, "Pipeline", with_notary)
    yield Notary
    for name in [name for name in sys.modules if name.startswith("agnews_node")]:
        del sys.modules[name]


def test_the_table_and_the_graph_have_the_same_nodes() -> None:
    from agnews.pipeline.load_config import load_config
    from agnews.pipeline.pipeline import PipelineContext, create_pipeline

    around = PipelineContext("", "", "", "", "", "", code_versions(), dict.fromkeys(NODES, ""))
    plain = create_pipeline(load_config("transformer", []), around).components
    assert {node.id for node in plain} == {name for name, row in NODES.items() if not row.is_optional}
    nodes = create_pipeline(load_config("transformer", ["export.formats=[openvino]"]), around).components
    assert {node.id for node in nodes} == set(NODES)
    by_input = {}
    for node in nodes:
        row = NODES[node.id]
        assert {output.key for output in row.outputs} <= set(node.outputs), node.id
        assert set(row.run_time) <= set(node.exec_properties), node.id
        by_input |= {output.report_input: (node.id, output.key) for output in row.outputs if output.report_input}
    (report,) = [node for node in nodes if node.id == "Report"]
    taken = {name: (channel.producer_component_id, channel.output_key) for name, channel in report.inputs.items()}
    assert by_input == taken


def test_another_precision_trains_nothing_again() -> None:
    from agnews.pipeline.load_config import load_config
    from agnews.pipeline.pipeline import PipelineContext, create_pipeline

    around = PipelineContext("", "", "", "", "", "", code_versions(), dict.fromkeys(NODES, ""))
    told = []
    for settings in ([], ["export.formats=[openvino]"], ["export.formats=[openvino]", "export.precision=float32"]):
        nodes = {node.id: node for node in create_pipeline(load_config("transformer", settings), around).components}
        told.append({name: node.exec_properties for name, node in nodes.items() if name not in ("Exporter",)})
        model = nodes["Pusher"].inputs["model"].producer_component_id
        assert {nodes[name].inputs["model"].producer_component_id for name in ("Evaluator", "SmokeTest")} == {model}
        assert model == ("Exporter" if settings else "Trainer")
    assert told[0] == told[1] == told[2]


def test_a_new_row_changes_the_code_version_of_no_node_but_the_report(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = code_versions()
    source = (repository / "schemas" / "nodes.py").read_text()
    head = "NODES: dict[str, Node] = {\n"
    assert source.count(head) == 1
    edited = tmp_path / "nodes.py"
    edited.write_text(
        source.replace("NODES: dict[str, Node] = {\n", 'NODES: dict[str, Node] = {\n    "Notary": Node(),\n')
    )
    original = digests._file
    monkeypatch.setattr(
        digests, "_file", lambda module: edited if module == "agnews.schemas.nodes" else original(module)
    )
    monkeypatch.setitem(NODES, "Notary", ROW)
    caches = (digests._tree, digests._imports, digests._normalised_source)
    try:
        for cache in caches:
            cache.cache_clear()
        after = code_versions()
    finally:
        for cache in caches:
            cache.cache_clear()
    assert set(after) - set(before) == {"Notary"}
    assert {node for node in before if before[node] != after[node]} == {"Report"}


def test_it_compiles_with_a_row_of_the_deployment_table(notary: Any) -> None:
    from agnews.kubeflow.compiler.compile_pipeline import CompileRequest, compile_pipeline
    from agnews.pipeline.load_config import load_config
    from agnews.pipeline.load_deployment import load_deployment

    table = load_deployment("cpu").model_dump(exclude_unset=True)
    table["nodes"]["Notary"] = {"memory_limit": "5Gi"}
    deployment = type(load_deployment("cpu")).model_validate(table)
    request = CompileRequest(load_config("transformer", []), deployment, "registry.example/agnews:1", code_versions())
    (spec, *_) = yaml.safe_load_all(compile_pipeline(request))
    tasks = spec["components"]["comp-learn-and-push"]["dag"]["tasks"]
    assert tasks["notary"]["inputs"]["parameters"]["push_uri"] == {"componentInputParameter": "push_uri"}
    assert "evaluator" in str(tasks["notary"]["inputs"]["artifacts"])
    container = spec["deploymentSpec"]["executors"]["exec-notary"]["container"]
    assert container["resources"]["resourceMemoryLimit"] == "5Gi"


@pytest.mark.integration
def test_it_runs_on_this_machine_and_says_what_it_found(notary: Any, tmp_path: Path) -> None:
    from tfx.dsl.components.common.importer import Importer
    from tfx.orchestration.metadata import sqlite_metadata_connection_config
    from tfx.orchestration.pipeline import Pipeline
    from tfx.types.standard_artifacts import ModelBlessing

    from agnews.pipeline.local.local_runner import LocalRunner
    from agnews.pipeline.observer import NodeResult
    from agnews.pipeline.reports.describe_node import describe_node

    results: dict[str, NodeResult] = {}

    class Observer:
        def planned(self, nodes: Sequence[str], skipped: Sequence[str]) -> None: ...

        def started(self, node: str) -> None: ...

        def finished(self, result: NodeResult) -> None:
            results[result.node] = result

    (tmp_path / "blessing").mkdir()
    blessing = Importer(source_uri=str(tmp_path / "blessing"), artifact_type=ModelBlessing).with_id("Blessing")
    node = notary(blessing=blessing.outputs["result"], push_uri="here", code_version="1")
    LocalRunner(Observer(), "run", keep=tmp_path / "kept").run(
        Pipeline(
            pipeline_name="agnews",
            pipeline_root=str(tmp_path / "artifacts"),
            components=[blessing, node],
            metadata_connection_config=sqlite_metadata_connection_config(str(tmp_path / "metadata.sqlite")),
        )
    )
    assert results["Notary"].state == "done"
    assert describe_node(results["Notary"]) == "signed for here"
