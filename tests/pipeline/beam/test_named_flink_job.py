"""A job whose job server is gone is ended by Flink itself, by its name, and no other one with it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from agnews.pipeline.beam.named_flink_job import NamedFlinkJob
from agnews.schemas.execution_config import BeamConfig

JOBS: list[dict[str, str]] = []
ASKED: list[str] = []


@pytest.fixture
def master() -> Iterator[str]:
    """What answers like Flink's REST interface about jobs."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/jobs/overview" else 404)
            self.end_headers()
            self.wfile.write(json.dumps({"jobs": JOBS}).encode())

        def do_PATCH(self) -> None:
            ASKED.append(self.path)
            self.send_response(202)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args: object) -> None:
            pass

    JOBS.clear()
    ASKED.clear()
    server = HTTPServer(("localhost", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"localhost:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_what_runs_under_its_name_is_cancelled_and_nothing_else(master: str) -> None:
    job = NamedFlinkJob.of(BeamConfig(runner="flink", flink_master=master, job_endpoint="localhost:1"), "agnews batch")
    assert job is not None
    assert job.name.startswith("agnews-batch-")
    JOBS.extend(
        [
            {"jid": "1", "name": job.name, "state": "FINISHED"},
            {"jid": "2", "name": job.name, "state": "RESTARTING"},
            {"jid": "3", "name": "agnews-transform-0123", "state": "RUNNING"},
        ]
    )
    job.cancel()
    assert ASKED == ["/jobs/2?mode=cancel"]


def test_a_cluster_that_does_not_answer_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    NamedFlinkJob("agnews-transform-0", "localhost:1").cancel()
    assert "localhost:1 was not asked to cancel agnews-transform-0" in caplog.text


@pytest.mark.parametrize(
    "given", [{"runner": "multiprocess"}, {"runner": "flink", "flink_master": "m:1", "options": ("--job_name=news",)}]
)
def test_a_name_of_the_users_stays(given: dict[str, object]) -> None:
    assert NamedFlinkJob.of(BeamConfig.model_validate(given), "Transform") is None
