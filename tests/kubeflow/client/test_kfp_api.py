"""The API, over HTTP, against a server that can fail in every way."""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agnews.kubeflow.client.compiled_pipeline import CompiledPipeline
from agnews.kubeflow.client.connection import Connection
from agnews.kubeflow.client.kfp_api import KfpApi
from agnews.kubeflow.client.retry import Retry
from agnews.kubeflow.client.server_error import ServerError
from agnews.kubeflow.client.submit_pipeline import NO_COMMIT, submit_pipeline
from agnews.schemas.errors import AgnewsError, ExitCode

DATA = {"data_uri": "s3://news/2026"}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def _submit(api: KfpApi, text: str, **options: Any) -> Any:
    return submit_pipeline(api, text, **{"commit": COMMIT, "parameters": DATA, **options})


def test_a_submit_that_is_repeated_makes_one_version_and_one_experiment(
    server: Any, connect: Callable[..., KfpApi], pipeline_text: str
) -> None:
    submissions = [_submit(connect(), pipeline_text) for _ in range(10)]
    assert len(server.pipelines) == len(server.versions) == len(server.experiments) == 1
    assert len(server.runs) == 10
    assert len({submission.version.version_id for submission in submissions}) == 1
    (version,) = server.versions.values()
    assert version["name"] == CompiledPipeline.read(pipeline_text).digest[:12]
    assert set(version["pipeline_spec"]) == {"pipeline_spec", "platform_spec"}


@pytest.mark.parametrize(
    ("tag", "commit", "tags"),
    [("2.17.0", COMMIT, {"commit": COMMIT}), ("2.16.1", COMMIT, None), ("2.17.0", NO_COMMIT, None)],
)
def test_a_version_is_found_by_its_commit_where_the_server_has_tags(
    server: Any, connect: Callable[..., KfpApi], pipeline_text: str, tag: str, commit: str, tags: dict[str, str] | None
) -> None:
    server.tag = tag
    _submit(connect(), pipeline_text, commit=commit)
    (version,) = server.versions.values()
    assert version.get("tags") == tags
    assert version["description"].startswith(f"commit {commit}, ")


def test_another_pipeline_becomes_another_version_and_a_comment_does_not(
    server: Any, connect: Callable[..., KfpApi], pipeline_text: str
) -> None:
    for text in (pipeline_text, "# a comment\n" + pipeline_text, pipeline_text.replace("0.001", "0.002")):
        _submit(connect(), text)
    assert len(server.versions) == 2


def test_the_run_gets_its_parameters_and_the_link_leads_to_it(
    server: Any, connect: Callable[..., KfpApi], pipeline_text: str
) -> None:
    api = connect(ui_host="https://kubeflow.example/pipeline/")
    submission = _submit(api, pipeline_text, parameters={**DATA, "epochs": 2}, run_name="mine", service_account="gpu")
    (run,) = server.runs.values()
    assert run["runtime_config"]["parameters"] == {"data_uri": "s3://news/2026", "epochs": 2}
    assert (run["display_name"], run["service_account"]) == ("mine", "gpu")
    assert submission.link == f"https://kubeflow.example/pipeline/#/runs/details/{run['run_id']}"


@pytest.mark.parametrize("path", ["/pipelines$", "/upload_version$", "/experiments$", "/runs$"])
@pytest.mark.parametrize("kind", ["drop after", "drop before", "status"])
def test_a_creation_that_was_cut_is_looked_for_before_it_is_repeated(
    server: Any, connect: Callable[..., KfpApi], fault: Any, pipeline_text: str, path: str, kind: str
) -> None:
    server.faults = [fault(kind, "POST", path, times=2)]
    _submit(connect(), pipeline_text)
    assert [len(x) for x in (server.pipelines, server.versions, server.experiments, server.runs)] == [1, 1, 1, 1]
    # What the server has done is found, and not asked for again.
    assert server.calls("POST", path) == (1 if kind == "drop after" else 3)


def test_two_people_who_upload_the_same_version_at_the_same_time_get_the_same_one(
    server: Any, connect: Callable[..., KfpApi], pipeline_text: str
) -> None:
    api = connect()
    first = _submit(api, pipeline_text).version
    again = api.upload_version(first.pipeline_id, first.name, pipeline_text, "the other was faster")
    assert again.version_id == first.version_id
    assert len(server.versions) == 1


def test_a_version_that_was_deleted_is_told_at_once(
    server: Any, connect: Callable[..., KfpApi], pipeline_text: str, pauses: list[float]
) -> None:
    api = connect()
    run = _submit(api, pipeline_text).run
    server.versions.clear()
    with pytest.raises(ServerError, match=r"(?s)what that needs was deleted.*PipelineVersion .* not found") as raised:
        api.create_run(run, mark="again")
    # The server answers 500, as for a fault that may pass.
    assert (raised.value.status, raised.value.exit_code) == (500, ExitCode.USAGE)
    assert server.calls("POST", "/runs$") == 2
    assert pauses == []


@pytest.mark.parametrize("name", ["100%", "a+b", "a b", "%25", 'ünï "q" \\ x'])
def test_names_are_found_whatever_they_hold(
    server: Any, connect: Callable[..., KfpApi], pipeline_text: str, name: str
) -> None:
    for _ in range(2):
        _submit(connect(), pipeline_text, experiment=name)
    (experiment,) = server.experiments.values()
    assert experiment["display_name"] == name
    assert connect().find_experiment(name) == experiment["experiment_id"]


@pytest.mark.parametrize("options", [{"experiment": ""}, {"run_name": "x" * 300}])
def test_what_the_server_refuses_with_500_is_not_repeated(
    server: Any,
    connect: Callable[..., KfpApi],
    pipeline_text: str,
    options: dict[str, str],
    pauses: list[float],
) -> None:
    with pytest.raises(ServerError, match="The server refused to") as raised:
        _submit(connect(), pipeline_text, **options)
    assert raised.value.exit_code == ExitCode.USAGE
    assert (server.runs, pauses) == ({}, [])


def test_pauses_double_up_to_a_limit(
    server: Any, connect: Callable[..., KfpApi], fault: Any, pauses: list[float]
) -> None:
    api = connect()
    server.faults = [fault("status", path="/runs", status=502)]
    with pytest.raises(ServerError) as raised:
        api.list_runs(limit=5)
    assert server.calls("GET", "/runs$") == 4
    assert pauses == [0.5, 1.0, 2.0]
    assert raised.value.exit_code == ExitCode.UNAVAILABLE
    assert "try later" in str(raised.value)


def test_what_passes_is_not_noticed(server: Any, connect: Callable[..., KfpApi], fault: Any) -> None:
    server.faults = [fault("status", status=500, times=1), fault("drop before", times=1), fault("drop after", times=1)]
    assert connect().list_runs(limit=5) == []


def test_a_slow_server_is_a_time_out(server: Any, connect: Callable[..., KfpApi], fault: Any) -> None:
    api = connect(read_timeout=0.05)
    server.faults = [fault("slow", seconds=0.3, times=4)]
    with pytest.raises(ServerError, match=r"(?s)did not answer.*Read timed out") as raised:
        api.list_runs(limit=1)
    assert "AGNEWS_KFP_READ_TIMEOUT=0.05" in raised.value.fix


def test_a_creation_that_is_slower_than_the_time_out_happens_once(
    server: Any, connect: Callable[..., KfpApi], fault: Any, pipeline_text: str
) -> None:
    server.faults = [fault("slow", "POST", "/runs$", seconds=0.3, times=1)]
    pipeline = connect(read_timeout=0.15)
    # The pause before the look is as long as the server is slow.
    api = KfpApi(pipeline.connection, Retry(attempts=3, first=0.4, chance=lambda: 1.0))
    _submit(api, pipeline_text)
    assert len(server.runs) == 1


def test_no_server_at_all(retry: Retry) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        host = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(ServerError, match="cannot be reached") as raised:
            KfpApi.connect(Connection.read({"host": host}, {}), retry)
    assert "Connection refused" in str(raised.value.found)
    assert "0x" not in str(raised.value)
    assert "port-forward" in raised.value.fix
    assert raised.value.exit_code == ExitCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("prepare", "message", "fix"),
    [
        ({"token": "right"}, "does not know who we are", "--token-file"),
        ({"cookie": "session=right"}, "does not know who we are", "--token-file"),
        ({"forbidden": "healthz"}, "does not allow us to tell its version", "--namespace"),
        ({"healthz": False}, "does not speak the API v2beta1", "8888"),
        ({"tag": "1.8.5"}, "does not speak the API v2beta1", "8888"),
        ({"multi_user": True}, "several users", "--namespace"),
    ],
)
def test_each_refusal_has_a_message_of_its_own(
    server: Any, connect: Callable[..., KfpApi], prepare: dict[str, object], message: str, fix: str
) -> None:
    vars(server).update(prepare)
    with pytest.raises(ServerError, match=message) as raised:
        connect()
    assert fix in raised.value.fix
    assert len(server.requests) == 1, "a refusal is not asked for twice"


def test_a_page_that_is_no_answer_of_the_api(server: Any, connect: Callable[..., KfpApi], fault: Any) -> None:
    server.faults = [fault("status", status=200, body="<html>Kubeflow Central Dashboard</html>")]
    with pytest.raises(ServerError, match="does not speak the API v2beta1"):
        connect()


@pytest.mark.parametrize(
    "body",
    [
        '{"runs": 5}',
        '{"runs": [5]}',
        '{"runs": [{"created_at": "yesterday"}]}',
        '{"runs": [{"runtime_config": {"parameters": [1]}}]}',
        '{"runs": "\xff"}',
        "[" * 3_000,
        '{"runs": [], "next_page_token": "again"}',
    ],
)
def test_an_answer_of_another_form_is_told_in_words(
    body: str, server: Any, connect: Callable[..., KfpApi], fault: Any
) -> None:
    api = connect()
    server.faults = [fault("status", path="/runs", status=200, body=body)]
    with pytest.raises(ServerError, match="does not speak the API v2beta1"):
        api.list_runs(limit=500)
    assert server.calls("GET", "/runs$") <= 4


def test_an_error_page_in_another_encoding(server: Any, connect: Callable[..., KfpApi], fault: Any) -> None:
    server.faults = [fault("status", status=403, body="<html>Acc\xe8s refus\xe9</html>")]
    with pytest.raises(ServerError, match="does not allow us"):
        connect()


def test_what_is_not_there(connect: Callable[..., KfpApi]) -> None:
    with pytest.raises(ServerError, match="asked to show the run, and has nothing of that name") as raised:
        connect().get_run("nowhere")
    assert raised.value.status == 404


def test_what_the_server_says_to_a_wrong_request_is_passed_on(
    connect: Callable[..., KfpApi], pipeline_text: str
) -> None:
    api = connect()
    submission = _submit(api, pipeline_text)
    with pytest.raises(ServerError, match="Run name is empty"):
        api.create_run(submission.run.__class__(**{**vars(submission.run), "name": ""}), mark="m")


def test_lists_of_many_pages(server: Any, connect: Callable[..., KfpApi], pipeline_text: str) -> None:
    api = connect()
    for _ in range(3):
        _submit(api, pipeline_text)
    (template, *_) = server.runs.values()
    for number in range(230):
        server.runs[f"r{number}"] = {**template, "run_id": f"r{number}", "created_at": server.now()}
    assert [run.run_id for run in api.list_runs(limit=205)] == [f"r{number}" for number in reversed(range(25, 230))]
    assert server.calls("GET", "/runs$") == 3


def test_a_token_that_rotates_is_read_anew(server: Any, connect: Callable[..., KfpApi], tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    server.token = "first"
    api = connect(authentication="service-account", service_account_file=file)
    server.token = "second"
    file.write_text("second\n")
    assert api.list_runs(limit=1) == []


def test_a_cookie_opens_the_door(server: Any, connect: Callable[..., KfpApi], tmp_path: Path) -> None:
    file = tmp_path / "cookie"
    file.write_text("authservice_session=abc")
    server.cookie = "authservice_session=abc"
    assert connect(cookie_file=file).list_runs(limit=1) == []


def test_no_secret_shows_anywhere(
    server: Any,
    connect: Callable[..., KfpApi],
    pipeline_text: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "s3cr3t-t0ken"
    file = tmp_path / "token"
    file.write_text(secret)
    server.token = secret
    api = connect(token_file=file)
    _submit(api, pipeline_text)
    server.token = "another"
    with pytest.raises(AgnewsError) as raised:
        api.list_runs(limit=1)
    from_environment = Connection.read({}, {"AGNEWS_KFP_TOKEN": secret})
    assert from_environment.headers() == {"authorization": f"Bearer {secret}"}
    shown = [caplog.text, *capfd.readouterr(), str(raised.value), repr(api.connection), repr(from_environment)]
    shown += [str(from_environment), repr(vars(api)), str(server.runs), str(server.versions)]
    assert [text for text in shown if secret in text] == []


def test_one_module_alone_knows_the_client_of_kubeflow_pipelines(repository: Path) -> None:
    folder = repository / "kubeflow"
    knowing = [path.name for path in folder.rglob("*.py") if re.search(r"kfp_server_api|kfp\.client", path.read_text())]
    assert knowing == ["kfp_api.py"]
