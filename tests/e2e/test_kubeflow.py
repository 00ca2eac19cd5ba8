"""The compiled pipeline, run by the orchestrator of Kubeflow Pipelines itself (`kfp.local`).

KFP reads the spec, decides about the order, makes each ExecutorInput, fills the placeholders and reads the outputs.
Steps are subprocesses with the very command of the spec and nothing else of this environment. With
AGNEWS_TEST_IMAGE=REF, as `make test-docker` sets it, they are containers of that image, and nothing of KFP's handling
of containers is replaced.

The tests build on each other, in this order.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import agnews
from agnews.components.engines.find_export import find_exports
from agnews.components.model_store import ModelStore
from agnews.components.serving_model.load_predictor import load_predictor
from agnews.kubeflow.log_lines import NODE, find_lines
from agnews.pipeline.code_version import code_versions
from agnews.pipeline.load_config import load_config
from agnews.pipeline.load_deployment import load_deployment
from agnews.schemas.deployment import Deployment
from agnews.schemas.evaluation import Evaluation
from agnews.schemas.execution_config import NotifyConfig
from agnews.schemas.nodes import NODES as ALL_NODES
from agnews.schemas.run_config import RunConfig
from agnews.schemas.run_report import RunReport

# A whole run a test, and each of its steps loads TensorFlow.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

NODES = [name for name, row in ALL_NODES.items() if not row.is_optional]
IMAGE = os.environ.get("AGNEWS_TEST_IMAGE")
IMPORTED = "import time:"
PACKAGES = {
    *("tensorflow", "tensorflow_text", "tensorflow_transform", "tensorflow_data_validation"),
    *("tensorflow_model_analysis", "tfx.components", "apache_beam"),
}
# Not pandas: Arrow loads it for any list that it is given.
HEAVY = PACKAGES | {"tf_keras", "keras", "scipy", "sklearn", "openvino", "kfp"}
LOADED = {
    "NewsExampleGen": {"tensorflow", "apache_beam"},
    "StatisticsGen": {"tensorflow", "apache_beam", "tensorflow_data_validation"},
    "ExampleValidator": PACKAGES,
    "LinearBaseline": {"tensorflow", "tensorflow_text"},
    "Transform": {"tensorflow", "tensorflow_text", "tensorflow_transform", "apache_beam"},
    "TokenGate": {"tensorflow", "tensorflow_text", "tensorflow_transform"},
    "Trainer": PACKAGES,
    "Evaluator": {"tensorflow", "tensorflow_text", "tensorflow_model_analysis", "apache_beam"},
}
"""What a step loads of the packages, by its node; all others read and write documents, and load nothing heavy."""


@dataclass
class Cluster:
    """KFP's orchestrator with a store of models.

    Attributes:
        root: Its artifacts and the models; containers see this folder and no other.
        logs: What steps print.
        seconds: Wall time of each step of the latest run.
    """

    root: Path
    logs: Path
    seconds: dict[str, float] = field(default_factory=dict)

    def told(self) -> dict[str, dict[str, Any]]:
        """What people were told since the last time, by event."""
        files = sorted((self.root / "told").glob("*.json"))
        found = [json.loads(file.read_text()) for file in files]
        for file in files:
            file.unlink()
        return {message["event"]: message for message in found}

    @property
    def store(self) -> ModelStore:
        return ModelStore(str(self.root / "models"), "agnews")

    def run(
        self,
        config: RunConfig,
        *,
        deployment: Deployment | None = None,
        tell: bool = False,
        data: str = "sample",
        push: str = "models",
        **parameters: Any,
    ) -> Path:
        """Compiles and runs; returns the folder of the run."""
        from kfp import components

        from agnews.kubeflow.compiler.compile_pipeline import CompileRequest, compile_pipeline

        request = CompileRequest(
            config=config,
            deployment=(deployment or load_deployment("cpu")).model_copy(
                update={"scratch_uri": str(self.root / "scratch")}
            ),
            image=IMAGE or "registry.example/agnews:conformance",
            code=code_versions(),
            data_uri=data,
            push_uri=str(self.root / push),
            notify=self._notify() if tell else NotifyConfig(),
        )
        before, self.seconds = set(self.root.glob("agnews-*")), {}
        components.load_component_from_text(compile_pipeline(request))(**parameters)
        (run,) = set(self.root.glob("agnews-*")) - before
        return run

    def _notify(self) -> NotifyConfig:
        (self.root / "told").mkdir(exist_ok=True)
        os.chown(self.root / "told", os.getuid() or 10001, -1)
        keep = "import sys, uuid; open(f'{sys.argv[1]}/{uuid.uuid4()}.json', 'w').write(sys.stdin.read())"
        channel = {"kind": "command", "command": ["python", "-c", keep, str(self.root / "told")]}
        events = ["failed", "held_back", "pushed", "nothing_new", "drift"]
        return NotifyConfig.model_validate({"channels": [channel], "on": events})

    def states(self, step: str) -> dict[str, str]:
        """What became of the nodes of a fused step in the latest run."""
        lines = find_lines((self.logs / f"{step}.log").read_text(), NODE)
        return {line["node"]: line["state"] for line in lines}

    def loaded(self, step: str) -> set[str]:
        """The heavy packages that the process of a step has loaded in the latest run that had it."""
        lines = (self.logs / f"{step}.log").read_text().splitlines()
        names = {line.rpartition("|")[2].strip() for line in lines if line.startswith(IMPORTED)}
        # Python leaves out a package that was asked for by `importlib`, and lists what lies in it. What stands for
        # TensorFlow has parts of its own.
        parts = {package: "tensorflow.python" if package == "tensorflow" else package for package in HEAVY}
        return {package for package, part in parts.items() if any(f"{name}.".startswith(f"{part}.") for name in names)}


def place(run: Path, node: str) -> tuple[Path, str]:
    """Folder of the step that ran a node, and what the names of its outputs begin with there."""
    if (run / node).is_dir():
        return run / node, ""
    (output,) = {path.parent for path in run.glob(f"*/{node}-*")}
    return output, f"{node}-"


def document(run: Path, node: str, path: str) -> dict[str, Any]:
    folder, prefix = place(run, node)
    content: dict[str, Any] = json.loads((folder / f"{prefix}{path}").read_text())
    return content


def outputs(run: Path, node: str) -> dict[str, Any]:
    """What KFP was told of the node's outputs, by key."""
    folder, prefix = place(run, node)
    told = json.loads((folder / "executor_output.json").read_text())["artifacts"]
    return {key.removeprefix(prefix): entry["artifacts"][0] for key, entry in told.items() if key.startswith(prefix)}


def plan_of(run: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((run / "plan" / "executor_output.json").read_text())["parameterValues"]
    return values


def push_outcome(run: Path) -> dict[str, Any]:
    return document(run, "pusher", "pushed_model/pushed.json")


def evaluation(run: Path) -> Evaluation:
    return Evaluation.model_validate(document(run, "evaluator", "evaluation/evaluation.json"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    from kfp import local
    from kfp.local import config, docker_task_handler
    from kfp.local.orchestrator import enhanced_dag_orchestrator

    folder = tmp_path_factory.mktemp("cluster")
    made = Cluster(root=folder / "root", logs=folder / "logs")
    for path in (made.root, made.logs):
        path.mkdir()
    # Root's containers run as the image's own user, anybody else's as that one; none of them has a network.
    user = os.getuid() or 10001
    os.chown(made.root, user, -1)
    with pytest.MonkeyPatch.context() as patch:
        if IMAGE is None:
            patch.setattr(docker_task_handler.DockerTaskHandler, "run", lambda handler: _run_step(handler, made))
        patch.setattr(enhanced_dag_orchestrator.ConditionEvaluator, "evaluate_condition", staticmethod(_evaluate))
        patch.setattr(config.LocalExecutionConfig, "instance", None)
        local.init(local.DockerRunner(user=f"{user}:{user}", network_mode="none"), pipeline_root=str(made.root))
        yield made


def _run_step(handler: Any, cluster: Cluster) -> Any:
    from kfp.local import status

    command: list[str] = handler.full_command
    assert command[:3] == ["python", "-m", "agnews.kubeflow.entrypoint"]
    name = "notify" if "--notify" in command else "plan"
    if not {"--plan", "--notify"} & set(command):
        contract = json.loads(command[4])
        name = contract.get("name") or contract["node"]
    # What an image sets, and no variable of this process.
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(cluster.logs)}
    # Python writes a line for each module that it loads.
    environment["PYTHONPROFILEIMPORTTIME"] = "1"
    start = time.monotonic()
    with (cluster.logs / f"{name}.log").open("w+") as log:
        ended = subprocess.run(
            command, env=environment, cwd=cluster.logs, stdout=log, stderr=subprocess.STDOUT, check=False
        )
        cluster.seconds[name] = time.monotonic() - start
        if ended.returncode:
            log.seek(0)
            said = "".join(line for line in log if not line.startswith(IMPORTED))
            print(f"{name} ended with {ended.returncode}:\n{said[-5000:]}")  # noqa: T201
    return status.Status.FAILURE if ended.returncode else status.Status.SUCCESS


def _evaluate(condition: str, io_store: Any) -> bool:
    """Stands in for KFP 2.17's own, which never lets a step run whose condition its compiler wrote.

    The server evaluates the same text as an expression of CEL. A test of the compiler fails when KFP's has been mended.
    """
    match = re.fullmatch(r"inputs\.parameter_values\['(\w+)'\] == true", condition)
    assert match is not None, condition
    return io_store.get_task_output("plan", match[1]) is True


@pytest.fixture(scope="module")
def config(quick: tuple[str, ...]) -> RunConfig:
    return load_config("transformer", [*quick, "data.source=sample"])


@pytest.fixture(scope="module")
def first(cluster: Cluster, config: RunConfig) -> Path:
    return cluster.run(config, epochs=2)


def test_a_first_run_ends_with_a_tested_and_pushed_model(cluster: Cluster, first: Path) -> None:
    assert {path.name for path in first.iterdir()} == {"plan", "data", "transform", "trainer", "decide"}
    verdict = evaluation(first).verdict
    assert verdict.blessed
    assert verdict.paired_test is None
    record = cluster.store.production()
    assert record is not None
    assert push_outcome(first)["version"] == record.version
    assert (Path(cluster.store.folder(record.version)) / "saved_model.pb").is_file()
    plan = plan_of(first)
    assert (plan["proceed"], plan["production"]) == (True, "")
    assert record.fingerprint == plan["fingerprint"]
    assert record.run_id


def test_its_figures_are_those_of_a_local_run(first: Path, run: Callable[..., RunReport]) -> None:
    local_run = run("data.source=sample", "training.epochs=2")
    metrics = evaluation(first).metrics
    assert local_run.metrics is not None
    ours, theirs = metrics.model_dump(), local_run.metrics.model_dump()
    assert ours.pop("per_class") == theirs.pop("per_class")
    assert ours.pop("confusion_matrix") == theirs.pop("confusion_matrix")
    assert ours.pop("confusions") == theirs.pop("confusions")
    for here, there in zip(ours.pop("figures"), theirs.pop("figures"), strict=True):
        assert here == pytest.approx(there, abs=1e-6)
    assert ours == pytest.approx(theirs, abs=1e-6)
    training = document(first, "trainer", "model_run/training.json")
    names = ("loss", "accuracy", "val_loss", "val_accuracy")
    for here, there in zip(training["curve"], local_run.training_curve, strict=True):
        assert [here[name] for name in names] == pytest.approx([there[name] for name in names], abs=1e-6)


def test_what_steps_know_of_their_outputs_reaches_the_next(first: Path) -> None:
    examples = outputs(first, "news-example-gen")["examples"]
    assert json.loads(examples["metadata"]["split_names"]) == ["train", "eval", "test"]
    assert examples["metadata"]["seconds"] > 0
    assert outputs(first, "report")["page"]["uri"].endswith("page/report.html")
    report = RunReport.model_validate(document(first, "report", "report/report.json"))
    assert report.nodes["Trainer"].seconds == pytest.approx(
        outputs(first, "trainer")["model_run"]["metadata"]["seconds"], abs=0.01
    )


def test_a_run_ends_early_and_successfully_where_nothing_is_new(
    cluster: Cluster, config: RunConfig, first: Path
) -> None:
    record = cluster.store.production()
    again = cluster.run(config, tell=True, epochs=2)
    assert {path.name for path in again.iterdir()} <= {"plan", "notify"}
    assert list(told := cluster.told()) == ["nothing_new"]
    assert plan_of(again)["proceed"] is False
    assert record is not None
    page = (again / "plan" / "summary" / "plan.md").read_text()
    assert page.startswith(f"# Nothing is new since version {record.version} was pushed")
    assert cluster.store.production() == record
    assert told["nothing_new"]["detail"].startswith(f"Nothing is new since version {record.version}")


def test_a_run_tells_that_it_failed(cluster: Cluster, config: RunConfig, first: Path) -> None:
    table = load_deployment("cpu")
    once = table.model_copy(update={"defaults": table.defaults.model_copy(update={"retries": 0})})
    # KFP's local orchestrator raises where a run fails; the step that tells has run by then.
    with pytest.raises(RuntimeError):
        cluster.run(config, deployment=once, tell=True, data_uri="/nowhere/at/all")
    assert list(told := cluster.told()) == ["failed"]
    assert told["failed"]["run_id"]


@pytest.fixture(scope="module")
def second(cluster: Cluster, config: RunConfig, first: Path) -> Path:
    return cluster.run(config, epochs=3)


def test_a_second_run_is_judged_against_the_first(cluster: Cluster, first: Path, second: Path) -> None:
    pushed = push_outcome(first)["version"]
    # The model in production is another one now, so it is fetched; the rows are those of the first run.
    assert cluster.states("data") == {
        **dict.fromkeys(["NewsExampleGen", "StatisticsGen", "ImportSchemaGen", "ExampleValidator"], "cached"),
        "LinearBaseline": "cached",
        **dict.fromkeys(["BaselineModel", "DataGate"], "done"),
    }
    assert set(cluster.states("transform").values()) == {"cached"}
    verdict = evaluation(second).verdict
    assert verdict.paired_test is not None
    assert verdict.paired_test.baseline == pushed
    assert verdict.blessed
    record = cluster.store.production()
    assert record is not None
    assert record.judged_against == pushed
    assert record.version == push_outcome(second)["version"] != pushed


@pytest.fixture(scope="module")
def third(cluster: Cluster, config: RunConfig, second: Path) -> Path:
    """A run with a step for each node, whose model is worse."""
    worse = config.model_copy(update={"training": config.training.model_copy(update={"learning_rate": 1e-7})})
    table = load_deployment("cpu").model_copy(update={"fuse": "none"})
    return cluster.run(worse, deployment=table, tell=True, epochs=1)


def test_a_worse_model_is_not_pushed(cluster: Cluster, second: Path, third: Path) -> None:
    assert len({path.name for path in third.iterdir()} - {"notify"}) == 1 + len(NODES)
    told = cluster.told()
    assert "held_back" in told
    assert "failed" not in told
    assert told["held_back"]["accuracy"] == pytest.approx(evaluation(third).metrics.accuracy)
    assert told["held_back"]["reasons"]
    verdict = evaluation(third).verdict
    assert not verdict.blessed
    assert "not_worse" in verdict.failed_rules
    assert not push_outcome(third)["pushed"]
    record = cluster.store.production()
    assert record is not None
    assert record.version == push_outcome(second)["version"]


@pytest.mark.skipif(IMAGE is not None, reason="Containers write no list of the modules that they load.")
def test_a_step_loads_what_it_needs(cluster: Cluster, third: Path) -> None:
    loaded = {step: cluster.loaded(step) for step in ("plan", "notify", *NODES)}
    assert {step: names & PACKAGES for step, names in loaded.items() if step in LOADED} == LOADED
    assert {step: names for step, names in loaded.items() if step not in LOADED and names} == {}


def test_in_one_step_a_changed_rule_judges_again_and_trains_nothing(
    cluster: Cluster, config: RunConfig, first: Path
) -> None:
    table = load_deployment("cpu")
    rows = {node: row for node, row in table.nodes.items() if node != "Trainer"}
    whole = table.model_copy(update={"fuse": "all", "nodes": rows})
    production = cluster.store.production()

    def judge_by(**rules: float) -> Path:
        evaluation_config = config.evaluation.model_copy(update=rules)
        return cluster.run(config.model_copy(update={"evaluation": evaluation_config}), deployment=whole, epochs=1)

    # Neither is pushed, however well a model of one epoch does: a push would change what BaselineModel fetches.
    fourth = judge_by(min_accuracy=0.999999)
    assert {path.name for path in fourth.iterdir()} == {"plan", "run"}
    assert cluster.states("run")["Trainer"] == "done"
    fifth = judge_by(min_accuracy=0.999999, min_class_recall=0.999999)
    assert cluster.store.production() == production
    behind = ("Evaluator", "SmokeTest", "Pusher", "Report")
    assert cluster.states("run") == {node: "done" if node in behind else "cached" for node in NODES}
    assert "min_class_recall" in evaluation(fifth).verdict.failed_rules
    # The model is this run's own, to the byte.
    assert _bytes_below(place(fifth, "trainer")[0] / "trainer-model") == _bytes_below(
        place(fourth, "trainer")[0] / "trainer-model"
    )


@pytest.mark.long
@pytest.mark.skipif(IMAGE is not None, reason="The image has no engines.")
@pytest.mark.parametrize(
    ("model", "settings", "formats", "precision"),
    [
        ("transformer", (), ("openvino", "onnxruntime"), "int8"),
        ("transformer", (), ("openvino",), "float32"),
        ("bert_frozen", ("model.num_layers=2", "training.epochs=3"), ("openvino",), "int8"),
    ],
)
def test_exports_are_made_judged_and_pushed(
    cluster: Cluster, model: str, settings: tuple[str, ...], formats: tuple[str, ...], precision: str
) -> None:
    for name in ("openvino", "nncf", "onnxruntime"):
        pytest.importorskip(name, reason="the extras openvino and onnx are not installed")
    wanted = ",".join("onnx" if name == "onnxruntime" else name for name in formats)
    few = ["data.source=sample", "data.limit=600", "evaluation.min_accuracy=0.5", "evaluation.min_class_recall=0.3"]
    config = load_config(model, [*few, *settings, f"export.formats=[{wanted}]", f"export.precision={precision}"])
    store = ModelStore(str(cluster.root / f"models-{model}-{precision}"), "agnews")
    run = cluster.run(config, push_uri=str(cluster.root / f"models-{model}-{precision}"))
    # The node shares the step of those that decide, so there is no pod more.
    assert {path.name for path in run.iterdir()} == {"plan", "data", "transform", "trainer", "decide"}
    assert cluster.states("decide")["Exporter"] == "done"
    outcomes = {outcome.name: outcome for outcome in evaluation(run).exports}
    assert outcomes.keys() == {f"{name}-{precision}" for name in formats}
    assert all(outcome.passed for outcome in outcomes.values()), outcomes
    record = store.production()
    assert record is not None
    assert record.version == push_outcome(run)["version"]
    folder = store.folder(record.version)
    texts = np.array([f"Shares of company {number} rise as markets open".encode() for number in range(40)], object)
    of_tensorflow = load_predictor(folder, record.classes, digest=record.model_digest, export=None)
    for found in find_exports(folder):
        engine = load_predictor(folder, record.classes, digest=record.model_digest, export=found)
        np.testing.assert_allclose(
            engine.probabilities(texts),
            of_tensorflow.probabilities(texts),
            atol=1e-3 if precision == "float32" else 0.1,
        )
    assert {found.export.name for found in find_exports(folder)} == outcomes.keys()


def _bytes_below(folder: Path) -> dict[str, bytes]:
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found
    return found


@pytest.mark.long
def test_texts_of_several_classes_go_the_same_way(cluster: Cluster, quick: tuple[str, ...]) -> None:
    folder = cluster.root / "sets"
    folder.mkdir()
    words = ("card", "transfer", "loan")
    for name, rows in (("train.csv", range(900)), ("test.csv", range(900, 1200))):
        has = {row: [word for at, word in enumerate(words) if (row >> at) & 1] for row in rows}
        # Each text by a number of its own, as long in one file as in the other: the gate compares them.
        lines = [
            f"please see to {' and '.join(each) or 'nothing'} {1000 + 7 * row % 1200},{'|'.join(each)}\n"
            for row, each in has.items()
        ]
        (folder / name).write_text("text,topics\n" + "".join(lines))
    (folder / "corpus.yaml").write_text(
        "format: 1\nname: sets\nclasses: [card, transfer, loan]\n"
        'label: {column: topics, separator: "|", may_be_empty: true}\n'
        "floors: {min_examples: 300}\n"
    )
    config = load_config("transformer", [*quick, "training.epochs=6"], corpus=str(folder / "corpus.yaml"))

    run = cluster.run(config, data=str(folder), push="sets-models")

    found = evaluation(run)
    assert found.verdict.blessed, found.verdict
    assert found.thresholds is not None
    assert len(found.thresholds) == 3
    assert {figure.name: figure.value for figure in found.metrics.figures}["micro_f1"] > 0.95
    store = ModelStore(str(cluster.root / "sets-models"), "agnews")
    (answer,) = agnews.load(store.uri).predict(["please see to card and loan"])
    assert answer.labels == ("card", "loan")
