"""From an execution file to what Beam is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from agnews.components.available_cores import available_cores
from agnews.pipeline.beam.beam_arguments import LOCAL_ARGUMENTS, beam_arguments, pool_address
from agnews.pipeline.beam.choose_pipeline import PAYS_FROM_BYTES, config_of_environment, decide_runner, pipeline_maker
from agnews.pipeline.load_execution import load_execution
from agnews.schemas.errors import AgnewsError
from agnews.schemas.execution_config import BeamConfig


def test_without_a_word_steps_take_their_own_runner() -> None:
    assert beam_arguments(BeamConfig()) == LOCAL_ARGUMENTS
    assert pipeline_maker(BeamConfig(), "Transform") is None


def test_what_is_said_reaches_beam() -> None:
    flink = BeamConfig(
        runner="flink",
        job_endpoint="jobs:8099",
        flink_master="master:8081",
        parallelism=4,
        temp_location="/mnt/beam",
        options=("--job_name=x",),
    )
    assert beam_arguments(flink) == (
        "--runner=PortableRunner",
        "--job_endpoint=jobs:8099",
        "--flink_master=master:8081",
        "--environment_type=EXTERNAL",
        "--environment_config=localhost:50000",
        "--parallelism=4",
        "--temp_location=/mnt/beam",
        "--job_name=x",
    )
    assert pool_address(flink) == "localhost:50000"
    two = beam_arguments(BeamConfig(runner="multiprocess", parallelism=2))
    assert two[-2:] == ("--direct_running_mode=multi_processing", "--direct_num_workers=2")


def test_no_program_is_fetched_that_nobody_has_looked_at() -> None:
    with pytest.raises(AgnewsError, match="job server is not named") as caught:
        beam_arguments(BeamConfig(runner="flink", flink_master="master:8081"))
    assert "job_endpoint" in caught.value.fix
    jar = "--flink_job_server_jar=/opt/jobs.jar"
    assert jar in beam_arguments(BeamConfig(runner="flink", flink_master="master:8081", options=(jar,)))


def test_processes_are_as_many_as_the_cores_that_a_container_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(16)), raising=False)
    monkeypatch.setattr(available_cores, "__defaults__", (tmp_path,))
    (tmp_path / "cpu.max").write_text("300000 100000\n")
    assert beam_arguments(BeamConfig(runner="multiprocess"))[-1] == "--direct_num_workers=3"


def test_a_step_without_rows_stays_here() -> None:
    two = BeamConfig(runner="multiprocess")
    assert pipeline_maker(two, "Evaluator") is None
    assert pipeline_maker(two, "Transform") is not None


@pytest.mark.parametrize(
    ("rows", "config", "runner"),
    [
        (PAYS_FROM_BYTES - 1, BeamConfig(runner="auto", job_endpoint="jobs:1"), "local"),
        (PAYS_FROM_BYTES, BeamConfig(runner="auto", job_endpoint="jobs:1"), "flink"),
        (PAYS_FROM_BYTES, BeamConfig(runner="auto"), "multiprocess"),
        (PAYS_FROM_BYTES, BeamConfig(), "local"),
    ],
)
def test_auto_waits_for_many_rows(rows: int, config: BeamConfig, runner: str) -> None:
    assert decide_runner(config, rows).runner == runner


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["runner=flink"], "needs job_endpoint"),
        (["runner=portable"], "needs job_endpoint"),
        (["runner=dataflow"], "needs temp_location"),
        (["runner=flnk"], "runner"),
        (["job_endpoint=http://jobs:8099"], "HOST:PORT"),
        (["environment=pods"], "external:HOST:PORT"),
        (["options=--parallelism=3"], "said by the key parallelism"),
        (["options=--environment_type=EXTERNAL"], "said by the key environment"),
        (["options=parallelism"], "no option"),
        (["runner=multiprocess", "options=--direct_num_workers=3"], "said by the key parallelism"),
        (["options=--direct_running_mode=multi_threading"], "loses rows"),
        (["parallelism=0"], "parallelism"),
        (["parallelism"], "parallelism"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(settings: list[str], said: str) -> None:
    with pytest.raises(AgnewsError) as raised:
        load_execution(None, settings)
    assert said in str(raised.value)


def test_truth_in_a_file_is_no_number(tmp_path: Path) -> None:
    file = tmp_path / "execution.yaml"
    file.write_text("beam: {runner: multiprocess, parallelism: true}\n")
    with pytest.raises(AgnewsError, match=r"beam\.parallelism: .*not true or false"):
        load_execution(file)


def test_the_command_line_comes_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "execution.yaml"
    file.write_text("beam: {runner: flink, job_endpoint: 'jobs:8099', options: [--a=1]}\n", encoding="utf-8")
    assert load_execution(file).beam.runner == "flink"
    said = load_execution(file, ["runner=local", "options=--b=2", "options=--c=3"]).beam
    assert (said.runner, said.job_endpoint, said.options) == ("local", "jobs:8099", ("--b=2", "--c=3"))


def test_a_compiled_step_is_told_by_its_environment() -> None:
    said = BeamConfig(runner="flink", job_endpoint="jobs:8099")
    told = {"AGNEWS_BEAM": said.model_dump_json(exclude_defaults=True)}
    assert config_of_environment(told) == said
    assert config_of_environment({}) == BeamConfig()
