"""What Kubeflow Pipelines' own compiler writes is understood."""

# No `from __future__ import annotations` here: kfp reads types, not their names.

from pathlib import Path

import pytest
from kfp import compiler, dsl

from agnews.kubeflow.client.compiled_pipeline import CompiledPipeline, check_parameters
from agnews.schemas.errors import AgnewsError


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


@pytest.mark.parametrize(
    ("given", "problem", "fix"),
    [
        ({"model": "bert"}, "model must be one of those", "bert_finetune, bert_frozen, ensemble, linear, transformer"),
        ({"epochs": -1}, "epochs must not be less than 0", "epochs=3"),
        ({"data_uri": ""}, "data_uri is empty", "folder or a URI"),
        ({"push_uri": "/mnt/models "}, "push_uri begins or ends with a blank", "blanks"),
    ],
)
def test_values_that_the_first_step_would_refuse_are_refused_before(
    repository: Path, given: dict[str, object], problem: str, fix: str
) -> None:
    compiled = CompiledPipeline.read((repository / "tests/golden/pipeline.yaml").read_text())
    good = {"data_uri": "sample", "model": "transformer", "epochs": 0}
    assert check_parameters(compiled.parameters, good) == good
    with pytest.raises(AgnewsError, match=problem) as raised:
        check_parameters(compiled.parameters, {**good, **given})
    assert fix in str(raised.value.fix)
