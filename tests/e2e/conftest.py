"""One root folder that the tests of a module run the whole pipeline in, one after the other, in this process."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from agnews.pipeline.load_config import load_config
from agnews.pipeline.local.live_view import LiveView
from agnews.pipeline.paths import new_run_id, prepare_root
from agnews.schemas.execution_config import NotifyConfig
from agnews.schemas.run_report import RunReport

QUICK = (
    "model.hidden_dim=32",
    "model.num_heads=2",
    "training.epochs=3",
    "training.batch_size=32",
    "training.learning_rate=3e-3",
    "evaluation.min_accuracy=0.6",
    "evaluation.min_class_recall=0.4",
)

Run = Callable[..., RunReport]


@pytest.fixture(scope="session")
def quick() -> tuple[str, ...]:
    """Settings that make a run short; the model is still a real one."""
    return QUICK


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root folder of the runs of a module."""
    return tmp_path_factory.mktemp("root")


@pytest.fixture(scope="module")
def run(root: Path) -> Run:
    """Runs the pipeline with a small model: `run("KEY=VALUE", ..., from_node=, to_node=, notifications=)`."""

    def run(
        *settings: str,
        from_node: str | None = None,
        to_node: str | None = None,
        notifications: NotifyConfig | None = None,
    ) -> RunReport:
        from agnews.pipeline.local.run_locally import RunRequest, run_locally
        from agnews.pipeline.reports.describe_node import describe_node

        request = RunRequest(
            config=load_config("transformer", [*QUICK, *settings]),
            paths=prepare_root(root),
            run_id=new_run_id(),
            command="agnews run",
            from_node=from_node,
            to_node=to_node,
            notifications=notifications or NotifyConfig(),
        )
        with LiveView(Console(file=io.StringIO()), "", describe_node) as view:
            report = run_locally(request, view)
        assert RunReport.model_validate_json(request.paths.report(request.run_id).read_text()) == report
        assert request.run_id in request.paths.page(request.run_id).read_text()
        return report

    return run
