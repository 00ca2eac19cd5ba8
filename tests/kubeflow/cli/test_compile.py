"""`agnews compile`, as a shell sees it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agnews.kubeflow.client.compiled_pipeline import CompiledPipeline
from agnews.pipeline.cli.main import app
from agnews.schemas.errors import AgnewsError


def agnews_compile(out: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["compile", "--out", str(out), *arguments])


def test_a_file_that_submit_takes_is_written(tmp_path: Path) -> None:
    out = tmp_path / "new" / "pipeline.yaml"
    result = agnews_compile(
        out,
        *("--image", "registry.example/agnews:1a2b3c4", "--profile", "multigpu", "--model", "bert_frozen"),
        *("--data", "/mnt/news", "--set", "data.window=7", "--set", "evaluation.force_promotion=true"),
    )
    assert result.exit_code == 0, result.output
    pipeline = CompiledPipeline.read(out.read_text())
    defaults = {name: parameter.default for name, parameter in pipeline.parameters.items()}
    assert defaults == {
        "corpus_uri": "",
        "data_uri": "/mnt/news",
        "push_uri": None,
        "model": "bert_frozen",
        "epochs": 0,
        "force_promotion": True,
        "no_push": False,
    }
    assert pipeline.parameters["push_uri"].required
    assert "strategy: mirrored" in pipeline.text
    assert "window: 7" in pipeline.text
    assert "push_uri         required" in result.output
    output = " ".join(result.output.split())
    assert "2.17: after a deleted pod (node drained, preempted); not exit codes" in output
    assert "2.15, 2.16: after exit codes" in output
    assert "agnews:1a2b3c4 is a tag, which may be moved" in output


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "The steps have no image"),
        (("--image", "agnews:latest"), "may change under its name"),
        (("--image", "agnews:1", "--profile", "tpu"), "There is no profile of this name"),
        (("--image", "agnews:1", "--set", "training.epoch=1"), "no key training.epoch"),
        (("--image", "agnews:1", "--set", "name=news_topics"), "takes no pipeline of this name"),
        (("--image", "agnews:1", "--push-uri", "s3://me:hunter2@host/models"), "looks like a secret"),
    ],
)
def test_what_cannot_be_compiled_leaves_no_file(tmp_path: Path, arguments: tuple[str, ...], problem: str) -> None:
    result = agnews_compile(tmp_path / "pipeline.yaml", *arguments)
    assert isinstance(result.exception, AgnewsError)
    assert problem in result.exception.problem
    assert "hunter2" not in str(result.exception.found)
    assert list(tmp_path.iterdir()) == []
