"""What Kubeflow Pipelines' own compiler writes is understood."""

# No `from __future__ import annotations` here: kfp reads types, not their names.

from pathlib import Path

from kfp import compiler, dsl

from agnews.kubeflow.client.compiled_pipeline import CompiledPipeline, check_parameters


def test_what_kfp_compiles_is_read(tmp_path: Path) -> None:
    @dsl.container_component
    def train(data_uri: str, epochs: int) -> dsl.ContainerSpec:
        return dsl.ContainerSpec(image="registry.example/agnews:1", args=[data_uri, epochs])

    @dsl.pipeline(name="news")
    def pipeline(data_uri: str, epochs: int = 4, rate: float = 0.1, force: bool = False, names: list = ["a"]):  # noqa: B006
        train(data_uri=data_uri, epochs=epochs)

    path = tmp_path / "pipeline.yaml"
    compiler.Compiler().compile(pipeline, str(path))
    compiled = CompiledPipeline.read(path.read_text())
    assert compiled.name == "news"
    assert {name: (parameter.kind, parameter.required) for name, parameter in compiled.parameters.items()} == {
        "data_uri": ("STRING", True),
        "epochs": ("NUMBER_INTEGER", False),
        "rate": ("NUMBER_DOUBLE", False),
        "force": ("BOOLEAN", False),
        "names": ("LIST", False),
    }
    assert check_parameters(compiled.parameters, {"data_uri": "x", "rate": 1}) == {"data_uri": "x", "rate": 1}
    # A rebuilt pipeline is the same version.
    compiler.Compiler().compile(pipeline, str(path))
    assert CompiledPipeline.read(path.read_text()).digest == compiled.digest
