"""What a person does with a server, from the first submit to cleaning up: on the twin, and on a live one.

`make test-cluster AGNEWS_KFP_HOST=URL` runs the same on any server, with its settings (`AGNEWS_KFP_*`) as for `agnews`.
The tests make a pipeline, an experiment and schedules of names that nobody else has, and delete them at the end, their
runs too; what runs left in the server's object store stays there, as after any run. Further variables:

* `AGNEWS_TEST_IMAGE`: an image that the cluster can pull. Without it no step runs, and what needs one is skipped.
* `AGNEWS_TEST_PROFILE`: deployment table, `cpu` otherwise.
* `AGNEWS_TEST_PUSH_URI`: where models are pushed to; otherwise a folder that goes with the container of the step.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import kfp_server_api as kfp
import pytest
import yaml
from twin.listen import listening
from twin.server import Twin
from typer.testing import CliRunner, Result

from agnews.kubeflow.client.connection import Connection
from agnews.kubeflow.client.kfp_api import KfpApi
from agnews.kubeflow.client.run_record import RunRecord
from agnews.kubeflow.client.run_tasks import TaskState, read_spec_tasks, tasks_of
from agnews.pipeline.cli.main import app
from agnews.schemas.errors import AgnewsError, ExitCode

LIVE = {name: value for name, value in os.environ.items() if name.startswith("AGNEWS_KFP_")}
IMAGE = os.environ.get("AGNEWS_TEST_IMAGE", "")
PROFILE = os.environ.get("AGNEWS_TEST_PROFILE", "cpu")
PUSH_URI = os.environ.get("AGNEWS_TEST_PUSH_URI", "/tmp/agnews-test-cluster")
# A small model: it is the server that is looked at.
_QUICK = (
    "training.epochs=2",
    "training.batch_size=64",
    "model.hidden_dim=16",
    "model.num_heads=2",
    "model.intermediate_dim=32",
    "model.num_layers=1",
)
_PUSHED = 'AGNEWS-VERDICT {"node": "Pusher", "pushed": true, "reason": "version 1 is in production", "version": "1"}\n'


@dataclass
class Server:
    """A server, and what was made there.

    Attributes:
        name: Of the pipeline; those of the experiment and of schedules begin with it.
        pipeline: The compiled pipeline.
        interval: Seconds between two looks.
        twin: The server itself, where it is one of ours.
        runs: All that were started.
    """

    name: str
    pipeline: Path
    environment: dict[str, str]
    interval: float
    twin: Twin | None = None
    runs: list[str] = field(default_factory=list)

    def __call__(self, *arguments: object) -> Result:
        words = [str(argument) for argument in arguments]
        result = CliRunner().invoke(app, words, env={**self.environment})
        if result.exception is not None and not isinstance(result.exception, AgnewsError | SystemExit):
            raise result.exception
        return result

    def submit(self, *more: object) -> tuple[str, Result]:
        given = ("--param", "data_uri=sample", "--param", f"push_uri={PUSH_URI}", "--experiment", self.experiment)
        result = self("submit", self.pipeline, *given, "--interval", self.interval, *more)
        words = result.stdout.split()
        assert "run" in words, f"{result.stdout} {result.exception}"
        self.runs.append(words[words.index("run") + 1])
        return self.runs[-1], result

    @property
    def experiment(self) -> str:
        """A name that a server which decodes twice, or not at all, does not find again."""
        return f"{self.name} 100%+"

    @property
    def steps(self) -> list[str]:
        """What the command line calls the steps of the pipeline, in their order."""
        return [task.title for task in tasks_of(RunRecord("", ""), read_spec_tasks(self.spec))]

    @property
    def spec(self) -> dict[str, Any]:
        spec: dict[str, Any] = next(yaml.safe_load_all(self.pipeline.read_text()))
        return spec

    @property
    def api(self) -> KfpApi:
        return KfpApi.connect(Connection.read({}, self.environment))

    def wait(self, run_id: str, until: Callable[[RunRecord], bool], minutes: float = 15) -> RunRecord:
        end = time.monotonic() + minutes * 60
        while not until(run := self.api.get_run(run_id)):
            assert time.monotonic() < end, f"{run.outcome} after {minutes} minutes"
            time.sleep(self.interval)
        return run

    def schedules(self) -> list[Any]:
        return [record for record in self.api.list_recurring_runs() if record.name.startswith(self.name)]


@pytest.fixture(
    scope="module",
    params=["twin", pytest.param("live", marks=[pytest.mark.cluster, pytest.mark.timeout(7200)])],
)
def agnews(
    request: pytest.FixtureRequest,
    repository: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    """The command line, pointed at a server; all that was made there is deleted at the end."""
    name = f"agnews-test-{uuid.uuid4().hex[:8]}"
    file = tmp_path_factory.mktemp("compiled") / "pipeline.yaml"
    if request.param == "twin":
        text = (repository / "tests/golden/pipeline_fused.yaml").read_text()
        file.write_text(text.replace("name: agnews\n", f"name: {name}\n", 1))
        with listening(Twin(plays=True)) as twin:
            twin.says["decide"] = _PUSHED
            server = Server(name, file, {"AGNEWS_KFP_HOST": twin.host}, 0.0, twin)
            yield server
            _clean(server)
            assert [twin.runs, twin.recurring, twin.versions, twin.pipelines, twin.experiments] == [{}] * 5
            assert twin.broken_rules == []
        return
    if "AGNEWS_KFP_HOST" not in LIVE:
        pytest.skip("no server was named: make test-cluster AGNEWS_KFP_HOST=http://localhost:8888")
    server = Server(name, file, LIVE, 5.0)
    settings = [word for setting in _QUICK for word in ("--set", setting)]
    image = IMAGE or "registry.invalid/agnews:none"
    compiled = server("compile", "--out", file, "--image", image, "--profile", PROFILE, *settings)
    assert compiled.exit_code == 0, compiled.exception
    file.write_text(file.read_text().replace("\n  name: agnews\n", f"\n  name: {name}\n", 1))
    try:
        yield server
    finally:
        _clean(server)


@pytest.fixture
def steps(agnews: Server) -> None:
    """For tests in which steps have to run."""
    if agnews.twin is None and not IMAGE:
        pytest.skip("no image was named: AGNEWS_TEST_IMAGE=REF, one that the cluster can pull")


def _clean(server: Server) -> None:
    """Deletes all that was made."""
    api = server.api
    for record in server.schedules():
        api.delete_recurring_run(record.recurring_run_id)
    experiment = api.find_experiment(server.experiment)
    pipeline = api.find_pipeline(server.name)
    runs = api.list_runs(limit=1000, experiment_id=experiment) if experiment else []
    for run in runs:
        if not run.finished:
            with contextlib.suppress(AgnewsError):
                api.stop_run(run.run_id)
    client = api._client
    for run in runs:
        kfp.RunServiceApi(client).run_service_delete_run(run.run_id)
    pipelines = kfp.PipelineServiceApi(client)
    if pipeline:
        listed = pipelines.pipeline_service_list_pipeline_versions(pipeline, page_size=100)
        for version in listed.pipeline_versions or ():
            pipelines.pipeline_service_delete_pipeline_version(pipeline, version.pipeline_version_id)
        pipelines.pipeline_service_delete_pipeline(pipeline)
    if experiment:
        kfp.ExperimentServiceApi(client).experiment_service_delete_experiment(experiment)
    assert (api.find_experiment(server.experiment), api.find_pipeline(server.name), server.schedules()) == (
        None,
        None,
        [],
    )


def _file(tmp_path: Path, server: Server, *entries: str) -> Path:
    path = tmp_path / "schedules.yaml"
    given = f"parameters: {{data_uri: sample, push_uri: {PUSH_URI}}}"
    lines = [f"  - {{time_zone: UTC, experiment: '{server.experiment}', {given}, {entry}}}" for entry in entries]
    path.write_text("\n".join(["server_time_zone: UTC", "schedules:", *lines, ""]))
    return path


def test_a_submit_is_one_version_and_a_run_each_time(agnews: Server) -> None:
    first, said = agnews.submit("--run-name", "first")
    assert said.exit_code == ExitCode.OK, said.exception
    second, _ = agnews.submit()
    assert first != second
    pipeline = agnews.api.find_pipeline(agnews.name)
    listed = kfp.PipelineServiceApi(agnews.api._client).pipeline_service_list_pipeline_versions(pipeline)
    assert len(listed.pipeline_versions) == 1
    lines = agnews("runs", "list", "--experiment", agnews.experiment).stdout.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == [second, first]
    assert "first" in lines[2]
    shown = agnews("runs", "show", first)
    assert shown.exit_code == ExitCode.OK
    assert "Plan" in shown.stdout
    assert "data_uri = sample" in shown.stdout
    error = agnews("runs", "retry", second).exception
    assert isinstance(error, AgnewsError)
    assert "has not ended" in str(error)


def test_a_stopped_run_ends_with_130_and_is_told_again_without_an_error(agnews: Server) -> None:
    run_id, _ = agnews.submit()
    assert agnews("runs", "stop", run_id).exit_code == ExitCode.OK
    run = agnews.wait(run_id, lambda run: run.finished)
    assert (run.outcome, run.exit_code) == ("STOPPED", ExitCode.INTERRUPTED)
    shown = agnews("runs", "show", run_id)
    assert shown.exit_code == ExitCode.INTERRUPTED
    again = agnews("runs", "stop", run_id)
    assert (again.exit_code, "has ended already: STOPPED" in again.stdout) == (ExitCode.OK, True)


def test_what_is_not_there_is_told_and_ends_with_2(agnews: Server) -> None:
    unknown = "11111111-2222-3333-4444-555555555555"
    run_id = agnews.runs[0]
    for words in (["show", unknown], ["stop", unknown], ["retry", unknown], ["logs", unknown, "Trainer"]):
        error = agnews("runs", *words).exception
        assert isinstance(error, AgnewsError)
        assert error.exit_code == ExitCode.USAGE, words
        assert "nothing of that name" in str(error)
    assert "Did you mean Trainer" in str(agnews("runs", "logs", run_id, "Trainr").exception)
    assert "has no schedule" in str(agnews("schedule", "pause", agnews.name).exception)
    assert "has no version" in str(agnews("schedule", "plan", "--version", f"{agnews.name}/none").exception)


def test_a_schedule_settles_is_paused_replaced_and_deleted(agnews: Server, tmp_path: Path) -> None:
    weekly = f"name: {agnews.name}-weekly, cron: '0 3 29 2 *'"
    every = f"name: {agnews.name}-every, every: 6h, end: 2099-01-01, max_concurrency: 2"
    file = _file(tmp_path, agnews, weekly, every)
    planned = agnews("schedule", "plan", agnews.pipeline, "--file", file)
    assert planned.stdout.count("create") == 2
    assert "02-29 03:00 UTC" in planned.stdout
    assert agnews.schedules() == []
    applied = agnews("schedule", "apply", agnews.pipeline, "--file", file)
    assert (applied.exit_code, "2 changes" in applied.stdout) == (ExitCode.OK, True), applied.exception
    for words in ((agnews.pipeline,), ()):
        again = agnews("schedule", "apply", *words, "--file", file)
        assert (again.exit_code, "no change" in again.stdout) == (ExitCode.OK, True), again.output
    assert len(agnews.schedules()) == 2
    listed = agnews("schedule", "list").stdout
    assert f"{agnews.name}-weekly" in listed
    agnews("schedule", "pause", f"{agnews.name}-weekly")
    assert "paused on the server" in agnews("schedule", "plan", "--file", file).stdout
    before = {record.name: record.recurring_run_id for record in agnews.schedules()}
    file = _file(tmp_path, agnews, weekly.replace("0 3", "0 4"), every)
    assert "replace" in agnews("schedule", "apply", "--file", file).stdout
    after = {record.name: record for record in agnews.schedules()}
    assert after[f"{agnews.name}-weekly"].recurring_run_id != before[f"{agnews.name}-weekly"]
    assert after[f"{agnews.name}-weekly"].enabled is False
    assert after[f"{agnews.name}-every"].recurring_run_id == before[f"{agnews.name}-every"]
    agnews("schedule", "resume", f"{agnews.name}-weekly")
    assert "no change" in agnews("schedule", "apply", "--file", file).stdout
    agnews("schedule", "delete", f"{agnews.name}-weekly")
    assert [record.name for record in agnews.schedules()] == [f"{agnews.name}-every"]
    pruned = agnews("schedule", "apply", "--prune", "--file", _file(tmp_path, agnews, weekly), agnews.pipeline)
    assert pruned.exit_code == ExitCode.OK
    assert [record.name for record in agnews.schedules()] == [f"{agnews.name}-weekly"]
    agnews("schedule", "delete", f"{agnews.name}-weekly")
    assert agnews.schedules() == []


def test_an_account_of_ones_own_is_kept_or_explained(agnews: Server, tmp_path: Path) -> None:
    entry = f"name: {agnews.name}-account, cron: '0 3 29 2 *', service_account: default"
    applied = agnews("schedule", "apply", agnews.pipeline, "--file", _file(tmp_path, agnews, entry))
    if applied.exit_code != ExitCode.OK:
        # Servers up to 2.16.1 take their own.
        assert "made another schedule" in str(applied.exception)
        assert agnews.schedules() == []
        return
    assert agnews.schedules()[0].service_account == "default"
    assert "no change" in agnews("schedule", "apply", "--file", tmp_path / "schedules.yaml").stdout
    agnews("schedule", "delete", f"{agnews.name}-account")


def test_a_run_survives_the_replacement_of_its_schedule_and_starts_no_second_one(
    agnews: Server, tmp_path: Path
) -> None:
    start = (datetime.now(UTC) - timedelta(hours=36)).strftime("%Y-%m-%dT%H:%M:%SZ")
    entry = f"name: {agnews.name}-daily, every: 1d, start: '{start}', catch_up: true"
    file = _file(tmp_path, agnews, entry)
    assert "starts 1 at once" in agnews("schedule", "plan", agnews.pipeline, "--file", file).stdout
    agnews("schedule", "apply", agnews.pipeline, "--file", file)
    (record,) = agnews.schedules()

    def started() -> list[RunRecord]:
        return agnews.api.list_runs(limit=10, recurring_run_id=record.recurring_run_id)

    end = time.monotonic() + 300
    while not started():
        assert time.monotonic() < end, "the server has started nothing"
        time.sleep(agnews.interval)
    (run,) = started()
    agnews.wait(run.run_id, lambda run: run.state == "RUNNING")
    replaced = agnews("schedule", "apply", "--file", _file(tmp_path, agnews, f"{entry}, max_concurrency: 2"))
    assert replaced.exit_code == ExitCode.OK, replaced.exception
    if not agnews.api.keeps_runs:
        assert "until its run has ended" in replaced.stdout
        return
    (fresh,) = agnews.schedules()
    assert fresh.recurring_run_id != record.recurring_run_id
    # A run whose workflow went along with its schedule could not be stopped: it would be CANCELING for ever.
    assert agnews("runs", "stop", run.run_id).exit_code == ExitCode.OK
    assert agnews.wait(run.run_id, lambda run: run.finished).outcome == "STOPPED"
    assert agnews.api.list_runs(limit=10, recurring_run_id=fresh.recurring_run_id) == []
    agnews("schedule", "delete", f"{agnews.name}-daily")


@pytest.mark.usefixtures("steps")
def test_a_whole_run_pushes_a_model(agnews: Server) -> None:
    run_id, result = agnews.submit("--wait", "--retries", 1, "--param", "force_promotion=true")
    assert result.exit_code == ExitCode.OK, f"{result.stdout} {result.exception}"
    assert "  pushed: " in result.stdout
    for step in agnews.steps:
        assert f" {step} done" in result.stdout
    shown = agnews("runs", "show", run_id)
    assert shown.exit_code == ExitCode.OK
    assert "SUCCEEDED" in shown.stdout
    assert "pushed: " in shown.stdout
    for step in ("plan", *agnews.steps):
        assert agnews("runs", "logs", run_id, step).stdout.strip()
    assert "tries: 1" in str(agnews("runs", "logs", run_id, "Trainer", "--try", 7).exception)
    assert "has succeeded" in str(agnews("runs", "retry", run_id).exception)
    assert "has ended already: SUCCEEDED" in agnews("runs", "stop", run_id).stdout


@pytest.mark.usefixtures("steps")
def test_a_run_that_was_stopped_goes_on_where_it_was_cut(agnews: Server) -> None:
    run_id, _ = agnews.submit("--param", "force_promotion=true", "--param", "epochs=1")

    def past_plan(run: RunRecord) -> bool:
        assert not run.finished
        tasks = tasks_of(run, read_spec_tasks(agnews.spec))
        return any(task.state is TaskState.RUNNING and task.pods for task in tasks[1:])

    agnews.wait(run_id, past_plan)
    agnews("runs", "stop", run_id)
    agnews.wait(run_id, lambda run: run.settled)
    result = agnews("runs", "retry", run_id, "--wait", "--interval", agnews.interval)
    assert result.exit_code == ExitCode.OK, f"{result.stdout} {result.exception}"
    assert "goes on" in result.stdout
    assert "run SUCCEEDED" in result.stdout
    run = agnews.api.get_run(run_id)
    assert (run.state, run.exit_code) == ("SUCCEEDED", ExitCode.OK)
    assert "FAILED" in run.history
