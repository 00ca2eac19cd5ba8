"""The whole road of a Trainer on a cluster: rows out, a JobSet over HTTP, real processes that train, the model back."""

from __future__ import annotations

import json
import signal
import threading
import time
from pathlib import Path

import pytest
from pod_twin.cluster import FakeCluster

from agnews.kubeflow.worker_pods.pod_contract import PodContract
from agnews.kubeflow.worker_pods.train_on_pods import train_on_pods
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.trainer_task import TrainerTask

pytestmark = [
    pytest.mark.integration,
    # The kill is a part of the test.
    pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning"),
]

MODEL = {"hidden_dim": 16, "num_heads": 2, "intermediate_dim": 32}
POD = {
    "restartPolicy": "Never",
    "containers": [{"name": "trainer", "image": "i", "resources": {}, "env": [], "volumeMounts": []}],
}
CONTRACT = PodContract(
    prefix="toy", workers=2, kind="jobset", max_restarts=2, start_minutes=5.0, grace_seconds=30, pod=POD
)


def task(transformed: Path, root: Path) -> TrainerTask:
    settings = {
        "corpus": packaged_corpus().canonical(),
        "text": {"vocabulary": str(transformed / "vocab.txt"), "lowercase": True, "max_length": 16},
        "model": MODEL,
        "training": {"epochs": 3, "batch_size": 16, "learning_rate": 0.02, "average_decay": 0.9},
        "devices": {"accelerator": "cpu"},
        "code_version": "1",
        "scratch_uri": str(root / "shared"),
    }
    return TrainerTask(
        train_files=(str(transformed / "examples" / "Split-train" / "*"),),
        eval_files=(str(transformed / "examples" / "Split-eval" / "*"),),
        transform_uri=str(transformed / "graph"),
        model_uri=str(root / "out" / "model" / "Format-Serving"),
        record_uri=str(root / "out" / "record"),
        settings=settings,
    )


def require_whole(root: Path) -> None:
    document = json.loads((root / "out" / "record" / "training.json").read_text())
    assert document["devices"]["taken"]["workers"] == 2
    assert document["devices"]["taken"]["global_batch_size"] == 16
    assert (root / "out" / "model" / "Format-Serving" / "saved_model.pb").is_file()
    assert (root / "out" / "model" / "Format-Serving" / "assets.extra" / "model.json").is_file()
    assert not [path for path in (root / "shared").rglob("*") if path.is_file()], "nothing is left behind"


def test_two_pods_train_and_the_model_is_that_of_the_step(
    toy_transform: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeCluster(tmp_path) as twin:
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(twin.kubeconfig()))
        train_on_pods(task(toy_transform, tmp_path), CONTRACT)
        assert len(twin.made) == 1
    require_whole(tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("index", [0, 1], ids=["chief", "worker"])
def test_a_pod_that_is_killed_is_started_again_with_the_other(
    toy_transform: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: int
) -> None:
    with FakeCluster(tmp_path) as twin:
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(twin.kubeconfig()))

        def kill() -> None:
            while not any("All 2 processes are there" in pod.log.read_text() for pod in list(twin.pods)):
                time.sleep(0.2)
            process = twin.pods[index].process
            assert process is not None
            process.send_signal(signal.SIGKILL)

        thread = threading.Thread(target=kill, daemon=True)
        thread.start()
        train_on_pods(task(toy_transform, tmp_path), CONTRACT)
        thread.join()
        (made,) = twin.made
    require_whole(tmp_path)
    assert made["kind"] == "JobSet"
