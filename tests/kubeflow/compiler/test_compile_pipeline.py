"""The compiled pipeline: the golden file, and what would go wrong on a cluster without anybody noticing."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from agnews.kubeflow.client.compiled_pipeline import CompiledPipeline
from agnews.kubeflow.compiler.compile_pipeline import model_choices
from agnews.pipeline.beam.choose_pipeline import config_of_environment
from agnews.pipeline.load_config import load_config
from agnews.schemas.errors import AgnewsError
from agnews.schemas.execution_config import BeamConfig, NotifyConfig
from agnews.schemas.learning_config import MODEL_CONFIGS
from agnews.schemas.nodes import NODES
from agnews.schemas.run_config import RunConfig


@pytest.fixture(scope="module")
def record_pipeline() -> Any:
    """tests/golden/record_pipeline.py."""
    script = Path(__file__).parents[2] / "golden" / "record_pipeline.py"
    spec = importlib.util.spec_from_file_location("record_pipeline", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def request_(record_pipeline: Any) -> Any:
    """What it compiles, with a step for each node."""
    return record_pipeline.golden_request()


def compiled(request: Any) -> str:
    from agnews.kubeflow.compiler.compile_pipeline import compile_pipeline

    return compile_pipeline(request)


@pytest.mark.parametrize("fuse", ["none", "light"])
def test_the_golden_file_is_what_is_compiled_twice(record_pipeline: Any, repository: Path, fuse: str) -> None:
    """After a change that is meant: python tests/golden/record_pipeline.py, and review the difference."""
    golden = (repository / "tests" / "golden" / record_pipeline.TARGETS[fuse]).read_text(encoding="utf-8")
    request = record_pipeline.golden_request(fuse)
    assert compiled(request) == golden
    assert compiled(request) == golden


def test_a_pipeline_that_tells_of_its_end_is_the_same_one_within_a_group(
    record_pipeline: Any, repository: Path
) -> None:
    texts = [compiled(record_pipeline.golden_request("light", notify)) for notify in (None, record_pipeline.NOTIFY)]
    golden = (repository / "tests" / "golden" / record_pipeline.TELLING).read_text(encoding="utf-8")
    assert record_pipeline.telling_parts(*texts) == golden
    read = [CompiledPipeline.read(text) for text in texts]
    assert read[0].parameters == read[1].parameters


def _pods(spec: Mapping[str, Any], dag: Mapping[str, Any]) -> int:
    """Each task has a driver, and one that is no group a pod of its own."""
    count = 0
    for task in dag["tasks"].values():
        inner = spec["components"][task["componentRef"]["name"]].get("dag")
        count += 1 + (_pods(spec, inner) if inner else 1)
    return count


def test_a_run_takes_twelve_pods_and_fifteen_where_it_tells_of_its_end(record_pipeline: Any) -> None:
    for notify, most in ((None, 12), (record_pipeline.NOTIFY, 15)):
        (spec, *_) = yaml.safe_load_all(compiled(record_pipeline.golden_request("light", notify)))
        assert 1 + _pods(spec, spec["root"]["dag"]) == most


def test_the_step_that_tells_is_an_exit_handler_as_kfp_compiles_one(record_pipeline: Any, tmp_path: Path) -> None:
    from kfp import compiler, dsl

    @dsl.container_component
    def work():  # type: ignore[no-untyped-def]
        return dsl.ContainerSpec(image="x")

    @dsl.container_component
    def tell():  # type: ignore[no-untyped-def]
        return dsl.ContainerSpec(image="x")

    @dsl.pipeline
    def pipeline():  # type: ignore[no-untyped-def]
        with dsl.ExitHandler(tell()):
            work()

    path = tmp_path / "reference.yaml"
    compiler.Compiler().compile(pipeline, str(path))
    (reference,) = yaml.safe_load_all(path.read_text())
    theirs = reference["root"]["dag"]["tasks"]["tell"]
    (spec, platform) = yaml.safe_load_all(compiled(record_pipeline.golden_request("light", record_pipeline.NOTIFY)))
    ours = spec["root"]["dag"]["tasks"]["notify"]
    assert ours["triggerPolicy"] == theirs["triggerPolicy"]
    (group,) = theirs["dependentTasks"]
    assert "dag" in reference["components"][reference["root"]["dag"]["tasks"][group]["componentRef"]["name"]]
    (watched,) = ours["dependentTasks"]
    assert "dag" in spec["components"][spec["root"]["dag"]["tasks"][watched]["componentRef"]["name"]]
    # By reference: the names of the secrets are there, and no key but those of the table.
    secrets = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-notify"]["secretAsEnv"]
    assert [each["keyToEnv"][0]["envVar"] for each in secrets] == ["SLACK_WEBHOOK", "WEBHOOK_KEY"]


@pytest.mark.parametrize(
    ("channel", "found"),
    [
        ({"kind": "slack", "url": {"env": "NOT_THERE"}}, "the variable NOT_THERE, of channel 1"),
        ({"kind": "slack", "url": {"file": "/run/secrets/slack"}}, "the file /run/secrets/slack"),
    ],
)
def test_a_channel_whose_secret_the_step_would_not_have_is_refused(
    record_pipeline: Any, channel: dict[str, Any], found: str
) -> None:
    notify = NotifyConfig.model_validate({"channels": [channel]})
    with pytest.raises(AgnewsError, match=r"nodes\.Notify") as caught:
        compiled(record_pipeline.golden_request("light", notify))
    assert found in str(caught.value)


def test_it_is_what_submit_reads(request_: Any) -> None:
    pipeline = CompiledPipeline.read(compiled(request_))
    assert pipeline.name == "agnews"
    assert {name: (each.kind, each.required, each.default) for name, each in pipeline.parameters.items()} == {
        "corpus_uri": ("STRING", False, ""),
        "data_uri": ("STRING", True, None),
        "push_uri": ("STRING", False, "/mnt/models"),
        "model": ("STRING", False, "bert_finetune"),
        "epochs": ("NUMBER_INTEGER", False, 0),
        "force_promotion": ("BOOLEAN", False, False),
        "no_push": ("BOOLEAN", False, False),
    }


def test_it_is_what_kfp_loads(request_: Any) -> None:
    from kfp import components

    loaded = components.load_component_from_text(compiled(request_))
    assert loaded.pipeline_spec.schema_version == "2.1.0"
    assert loaded.platform_spec.platforms.keys() == {"kubernetes"}


def _properties(config: RunConfig, letter: str) -> dict[tuple[str, str], Any]:
    from agnews.pipeline.code_version import code_versions
    from agnews.pipeline.pipeline import PipelineContext, create_pipeline

    around = PipelineContext(
        pipeline_root=letter,
        push_uri=letter,
        data_digest=letter,
        scratch_uri=letter,
        production=letter,
        anchor=letter,
        fingerprint=letter,
        no_push=letter == "b",
        code=dict.fromkeys(code_versions(), ""),
        corpus=dict.fromkeys(code_versions(), letter),
    )
    nodes = create_pipeline(config, around).components
    return {(node.id, name): value for node in nodes for name, value in node.exec_properties.items()}


def test_all_that_a_run_may_change_is_decided_when_it_runs() -> None:
    """A property that was compiled in although a parameter decides about it would be wrong without anybody noticing."""
    chosen = load_config("transformer", ["data.source=a"])
    other = model_choices(chosen)["linear"]
    changed: dict[str, Mapping[str, Any]] = {
        "data": {"source": "b"},
        "training": {"epochs": 77},
        "evaluation": {"force_promotion": True},
    }
    other = other.model_copy(
        update={name: getattr(other, name).model_copy(update=keys) for name, keys in changed.items()}
    )
    here, there = _properties(chosen, "a"), _properties(other, "b")
    different = {key for key in here if here[key] != there[key]}
    decided = {(node, name) for node, row in NODES.items() for name in row.run_time}
    # That max_unknown_share is the same for both is a matter of these two configurations.
    assert different | {("TokenGate", "max_unknown_share")} == decided


def test_other_kinds_of_models_keep_their_own_settings() -> None:
    chosen = load_config("transformer", ["data.window=7", "training.learning_rate=0.5", "evaluation.alpha=0.01"])
    choices = model_choices(chosen)
    assert choices.keys() == {"transformer", "linear", "bert_frozen", "bert_finetune", "ensemble"}
    assert choices["transformer"] == chosen
    own = load_config("bert_finetune")
    finetune = choices["bert_finetune"]
    assert (finetune.model, finetune.text, finetune.training) == (own.model, own.text, own.training)
    assert (finetune.data, finetune.evaluation) == (chosen.data, chosen.evaluation)


@pytest.mark.parametrize(
    ("label", "classes", "left_out"),
    [('{column: topics, separator: "|"}', 3, {"ensemble"}), ("topics", 2000, {"ensemble", "transformer"})],
)
def test_kinds_that_cannot_learn_the_corpus_are_left_out(
    label: str, classes: int, left_out: set[str], tmp_path: Path
) -> None:
    names = ", ".join(f"class-{number}" for number in range(classes))
    description = tmp_path / "corpus.yaml"
    description.write_text(f"format: 1\nname: some\nclasses: [{names}]\nlabel: {label}\n")
    choices = model_choices(load_config("bert_frozen", corpus=str(description)))
    assert set(MODEL_CONFIGS) - set(choices) == left_out


def test_a_warm_start_is_the_same_for_all_kinds(request_: Any) -> None:
    warm = load_config("transformer", ["training.warm_start=true"])
    assert all(choice.training.warm_start for choice in model_choices(warm).values())
    (spec, *_) = yaml.safe_load_all(compiled(replace(request_, config=warm)))
    trainer = spec["components"]["comp-learn-and-push"]["dag"]["tasks"]["trainer"]
    assert trainer["inputs"]["artifacts"]["base_model"]["taskOutputArtifact"]["producerTask"] == "baseline-model"


def test_compiling_asks_for_no_encoder_which_only_the_cluster_may_have(request_: Any) -> None:
    config = load_config("bert_finetune", ["model.encoder=/mnt/encoders/that/is/not/here"])
    (spec, *_) = yaml.safe_load_all(compiled(replace(request_, config=config)))
    configs = spec["root"]["dag"]["tasks"]["plan"]["inputs"]["parameters"]["configs"]["runtimeValue"]["constant"]
    assert configs["bert_finetune"]["model"]["encoder"] == "/mnt/encoders/that/is/not/here"


def test_what_was_compiled_is_the_configuration_that_runs(request_: Any) -> None:
    """Numbers become floats on the way through KFP, and nulls are left out."""
    import json

    from google.protobuf import json_format, struct_pb2

    (spec, *_) = yaml.safe_load_all(compiled(request_))
    constant = spec["root"]["dag"]["tasks"]["plan"]["inputs"]["parameters"]["configs"]["runtimeValue"]["constant"]
    handed_over = json.loads(json_format.MessageToJson(json_format.ParseDict(constant, struct_pb2.Struct())))
    for kind, choice in model_choices(request_.config).items():
        assert RunConfig.model_validate(handed_over[kind]) == choice


def test_the_seconds_of_a_compilation_are_few(request_: Any) -> None:
    """Besides imports; `agnews compile` takes 20 seconds at most with them."""
    import time

    start = time.process_time()
    compiled(request_)
    assert time.process_time() - start < 5


def test_kfp_still_cannot_evaluate_the_conditions_that_it_compiles() -> None:
    """When this fails, `_evaluate` in tests/e2e/test_kubeflow.py is no longer needed."""
    from kfp.local import io
    from kfp.local.orchestrator.enhanced_dag_orchestrator import ConditionEvaluator

    store = io.IOStore()
    store.put_task_output("plan", "proceed", True)
    compiled_by_kfp = "inputs.parameter_values['pipelinechannel--plan-proceed'] == true"
    assert not ConditionEvaluator.evaluate_condition(compiled_by_kfp, store)


def test_steps_with_beam_jobs_are_told_what_runs_them_where_no_cache_looks(request_: Any) -> None:
    beam = BeamConfig(runner="flink", job_endpoint="jobs:8099")
    told, plain = (next(yaml.safe_load_all(compiled(replace(request_, beam=each)))) for each in (beam, BeamConfig()))
    with_variable = set()
    for name, executor in told["deploymentSpec"]["executors"].items():
        before = plain["deploymentSpec"]["executors"][name]["container"]
        added = [each for each in executor["container"].pop("env", []) if each not in before.get("env", [])]
        before.pop("env", None)
        assert executor["container"] == before
        if added:
            with_variable.add(name)
            (variable,) = added
            assert config_of_environment({variable["name"]: variable["value"]}) == beam
    assert with_variable == {"exec-news-example-gen", "exec-statistics-gen", "exec-transform", "exec-evaluator"}
