"""`agnews submit`, as a shell sees it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from agnews.kubeflow.client.compiled_pipeline import CompiledPipeline
from agnews.pipeline.cli.main import app
from agnews.schemas.errors import AgnewsError, ExitCode

Agnews = Callable[..., Result]


@pytest.fixture
def agnews(server: Any, monkeypatch: pytest.MonkeyPatch) -> Agnews:
    monkeypatch.setenv("AGNEWS_KFP_HOST", server.host)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def _submit(agnews: Agnews, file: Path, *more: object) -> Result:
    return agnews("submit", file, "--param", "data_uri=s3://news", *more)


def test_without_a_file_the_pipeline_is_compiled_first(server: Any, agnews: Agnews, tmp_path: Path) -> None:
    options = ["--image", "registry.example/agnews:1", "--set", "training.epochs=2", "--model", "transformer"]
    parameters = ["--param", "data_uri=/data/news", "--param", "push_uri=/data/models"]
    for _ in range(2):
        assert agnews("submit", *options, *parameters).exit_code == 0
    assert agnews("compile", "--out", tmp_path / "pipeline.yaml", *options).exit_code == 0
    (version,) = server.versions.values()
    compiled = CompiledPipeline.read((tmp_path / "pipeline.yaml").read_text())
    assert version["name"].endswith(compiled.digest[:12])
    assert len(server.runs) == 2


def test_a_compiled_pipeline_takes_no_settings(server: Any, agnews: Agnews, pipeline_file: Path) -> None:
    error = _submit(agnews, pipeline_file, "--set", "training.epochs=2", "--image", "x:1").exception
    assert "--image, --set" in str(error)
    assert "have no image" in str(agnews("submit").exception)
    assert server.calls("POST") == 0


def test_a_submit_prints_run_version_and_link(server: Any, agnews: Agnews, pipeline_file: Path) -> None:
    result = _submit(agnews, pipeline_file, "--param", "epochs=2", "--param", 'names=["a"]', "--param", "force=true")
    (run,) = server.runs.values()
    assert result.exit_code == 0
    assert f"{server.host}/#/runs/details/{run['run_id']}" in result.stdout
    assert run["runtime_config"]["parameters"] == {"data_uri": "s3://news", "epochs": 2, "names": ["a"], "force": True}


def test_ctrl_c_ends_the_waiting_and_not_the_run(
    server: Any, agnews: Agnews, pipeline_file: Path, monkeypatch: Any
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("agnews.kubeflow.cli.follow_run.watch_run", interrupt)
    result = _submit(agnews, pipeline_file, "--wait")
    (run,) = server.runs.values()
    assert result.exit_code == ExitCode.INTERRUPTED
    assert f"agnews runs stop {run['run_id']}" in result.stdout
    assert run["state"] == "PENDING"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (["data_ur=x"], "Did you mean data_uri"),
        (["data_uri=x", "epochs=many"], "must be of the type NUMBER_INTEGER"),
        (["data_uri=x", "epochs=2.5"], "must be of the type NUMBER_INTEGER"),
        (["data_uri=x", "force=1"], "must be of the type BOOLEAN"),
        (["data_uri=x", "rate=true"], "must be of the type NUMBER_DOUBLE"),
        (["data_uri=x", "more=[]"], "must be of the type STRUCT"),
        (["data_uri"], "must be NAME=VALUE"),
        ([], "needs values that were not given"),
    ],
)
def test_wrong_parameters_are_refused_before_anything_is_sent(
    server: Any, agnews: Agnews, pipeline_file: Path, parameters: list[str], message: str
) -> None:
    result = agnews("submit", pipeline_file, *(word for pair in parameters for word in ("--param", pair)))
    assert isinstance(result.exception, AgnewsError)
    assert message in str(result.exception)
    assert server.calls("POST") == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("schemaVersion: 2.1.0", "schemaVersion: 2.0.0"), "schemaVersion must be 2.1.0"),
        (("schemaVersion: 2.1.0\n", ""), "schemaVersion must be 2.1.0"),
        (("pipelineInfo:", "pipelineSpec: {schemaVersion: 2.0.0}\npipelineInfo:"), "This is a PipelineJob"),
        (("pipelineInfo:", "apiVersion: argoproj.io/v1alpha1\npipelineInfo:"), "This is an Argo workflow"),
        (("deploymentSpec:", "deployment:"), "no deploymentSpec"),
        (("platforms:", "platform:"), "must hold `platforms`"),
        (("root:", "root: ]"), "is no YAML"),
    ],
)
def test_what_the_server_would_not_take_is_not_sent(
    server: Any, agnews: Agnews, pipeline_file: Path, change: tuple[str, str], message: str
) -> None:
    # From the end: the platform document has keys of the same names.
    head, tail = pipeline_file.read_text().split(change[0], 1)
    pipeline_file.write_text(head + change[1] + tail)
    result = _submit(agnews, pipeline_file)
    assert message in str(result.exception)
    assert server.calls("POST") == 0


def test_a_token_is_no_option_and_a_credential_does_not_cross_the_network_in_the_clear(
    agnews: Agnews, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("secret")
    assert agnews("runs", "list", "--token", "secret").exit_code == 2
    result = agnews("runs", "list", "--host", "http://kubeflow.example", "--token-file", tmp_path / "token")
    assert "unencrypted" in str(result.exception)
    assert "secret" not in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "localhost:8888"], "must start with http"),
        (["--host", "https://ann:pw@kubeflow.example"], "must not hold a user name"),
        (["--auth", "magic"], "--authentication"),
        (["--auth", "bearer"], "The token for --auth bearer is missing"),
        (["--auth", "service-account"], "A file with a secret cannot be read"),
        (["--ca-file", "/nowhere"], "certificate authority does not exist"),
    ],
)
def test_wrong_connections(agnews: Agnews, arguments: list[str], message: str) -> None:
    assert message in str(agnews("runs", "list", *arguments).exception)


def test_errors_end_with_their_exit_code(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from agnews.pipeline.cli.main import main; main()", "runs", "list"]
    environment = {"AGNEWS_KFP_HOST": "http://127.0.0.1:9", "AGNEWS_KFP_ATTEMPTS": "1", "PATH": "/usr/bin:/bin"}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)
    assert ended.returncode == ExitCode.UNAVAILABLE
    assert "cannot be reached" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_help_imports_no_library_of_the_cluster() -> None:
    script = (
        "import sys; from agnews.pipeline.cli.main import app\n"
        "heavy = {'tensorflow', 'tfx', 'kfp', 'kfp_server_api', 'apscheduler', 'pydantic', 'kubernetes'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
