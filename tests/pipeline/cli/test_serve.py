"""`agnews serve` as a process: what it says, what it takes, and how it ends."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from agnews.schemas.corpus_document import packaged_corpus

AGNEWS = Path(sys.executable).with_name("agnews")
ALL_ADDRESSES = "0.0.0.0"  # noqa: S104 - what the warning is about
SECRET = "correct-horse-battery-staple"
AUTHORIZED = {"Authorization": f"Bearer {SECRET}"}


def agnews(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [str(AGNEWS), "serve", *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "300"}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)


class Process:
    """A server of its own, with what it has said so far."""

    def __init__(self, *arguments: str | Path) -> None:
        command = [str(AGNEWS), "serve", "--port", "0", *map(str, arguments)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.pid = self._process.pid
        self.said = ""
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said += line

    def wait_for(self, pattern: str, seconds: float = 120.0) -> re.Match[str]:
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.said)):
            assert time.monotonic() < end, self.said
            assert self._process.poll() is None, self.said
            time.sleep(0.05)
        return found

    def end(self) -> int:
        code = self._process.wait(timeout=60)
        self._thread.join()
        return code

    def kill(self) -> None:
        self._process.kill()
        self.end()


@pytest.fixture
def server(pushed_root: Path, tmp_path: Path) -> Iterator[Process]:
    (tmp_path / "token").write_text(SECRET)
    process = Process(
        "--root", pushed_root, "--host", ALL_ADDRESSES, "--token-file", tmp_path / "token", "--drain", "1"
    )
    try:
        yield process
    finally:
        process.kill()


@pytest.mark.integration
def test_from_the_greeting_to_the_last_answer_after_sigterm(server: Process, pushed_root: Path) -> None:
    url = server.wait_for(r"http://127\.0\.0\.1:\d+")[0]
    server.wait_for("stop with Ctrl-C")
    (version,) = (path.parent.name for path in (pushed_root / "models").glob("agnews/*/saved_model.pb"))
    for word in ("World · Sports · Business · Sci/Tech", version, "90.00 %", "Authorization: Bearer", ":predict"):
        assert word in server.said
    typed = shlex.split(next(line for line in server.said.splitlines() if "curl" in line))
    (tried,) = json.loads(typed[typed.index("-d") + 1])["instances"]
    start = tried.removesuffix("...").strip()
    assert any(text.startswith(start) for text in packaged_corpus().example_texts), "a text of the corpus"
    assert SECRET not in server.said
    assert "WARNING" not in server.said, "TensorFlow's chatter is for nobody"
    assert "warning" not in server.said, "there is a token"

    with httpx.Client(base_url=url, timeout=30.0) as client:
        body = {"instances": ["the coach"] * 4}
        assert client.post("/v1/models/agnews:predict", json=body).status_code == 401
        answer = client.post("/v1/models/agnews:predict", json=body, headers=AUTHORIZED)
        assert [each["label"] for each in answer.json()["predictions"]] == ["Sports"] * 4
        assert client.get("/readyz").status_code == 200

        host, port = url.removeprefix("http://").split(":")
        content = b'{"instances": ["stocks"]}'
        head = f"POST /v1/models/agnews:predict HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {SECRET}\r\n"
        with socket.create_connection((host, int(port)), timeout=30) as half:
            # Begun before the signal, and not finished until the server takes no more connections.
            half.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content[:10])
            time.sleep(0.2)
            os.kill(server.pid, signal.SIGTERM)
            told = [client.get("/readyz") for _ in range(20) if not time.sleep(0.02)]
            assert told[-1].status_code == 503
            assert told[-1].json()["status"] == "stopping"
            # While load balancers find that out, everybody is still answered.
            assert client.post("/v1/models/agnews:predict", json=body, headers=AUTHORIZED).status_code == 200
            _wait_until_refused(host, int(port))
            half.sendall(content[10:])
            answer_at_last = b"".join(iter(partial(half.recv, 100_000), b""))
    assert answer_at_last.startswith(b"HTTP/1.1 200 ")
    assert b'"Business"' in answer_at_last
    assert server.end() == 0
    assert server.said.splitlines()[-1].endswith("stopped")
    assert list((pushed_root / "models" / "agnews" / ".serving").iterdir()) == []


def _wait_until_refused(host: str, port: int) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            socket.create_connection((host, port), timeout=1).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.05)
    raise AssertionError("the port is still open")


@pytest.fixture
def root_of_two(pushed_root: Path, tmp_path: Path) -> tuple[Path, Callable[[], str]]:
    """A root of its own, and what pushes another version to it."""
    from agnews.components.model_store import ModelStore
    from agnews.components.model_store.publish import publish

    shutil.copytree(pushed_root, tmp_path / "root")
    store = ModelStore(str(tmp_path / "root" / "models"), "agnews")

    def push() -> str:
        before = store.production()
        assert before is not None
        # Another model by its digest; the store keeps one that is in production already.
        (tmp_path / "root" / "saved" / "assets" / "note").write_text(before.version)
        done = publish(
            store,
            model=str(tmp_path / "root" / "saved"),
            extra_files={},
            judged_against=before.version,
            fingerprint="",
            run_id="",
            accuracy=0.91,
            classes=before.classes,
        )
        assert done.record.version != before.version
        return done.record.version

    return tmp_path / "root", push


@pytest.mark.integration
@pytest.mark.parametrize("log", ["nobody reads it any more", "the disk is full"])
def test_a_log_that_cannot_be_written_does_not_keep_a_new_version_away(
    root_of_two: tuple[Path, Callable[[], str]], log: str
) -> None:
    root, push = root_of_two
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    reader, writer = os.pipe()
    if log == "the disk is full":
        os.close(writer)
        writer = os.open("/dev/full", os.O_WRONLY)
    command = [str(AGNEWS), "serve", "--root", str(root), "--port", str(port), "--poll", "0.1"]
    process = subprocess.Popen(command, stdout=writer, stderr=writer)
    os.close(writer)
    os.close(reader)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30.0) as client:
            _wait_for_version(client, process, "")
            version = push()
            _wait_for_version(client, process, version)
            assert client.get("/healthz").status_code == 200
            lost = re.search(r"^agnews_log_lines_lost (\d+)", client.get("/metrics").text, re.MULTILINE)
            assert lost is not None
            assert int(lost[1]) >= 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def _wait_for_version(client: httpx.Client, process: subprocess.Popen[bytes], version: str) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert process.poll() is None, f"it ended with {process.returncode}"
        try:
            if client.get("/readyz").json()["version"] == version or not version:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"version {version} was not served in time")


def test_without_a_model_it_says_what_to_run(tmp_path: Path) -> None:
    done = agnews("--root", tmp_path)
    assert done.returncode == 2
    assert "No model was pushed yet" in done.stderr
    assert "agnews run" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_that_is_named_twice_is_an_error_before_anything_is_served(pushed_root: Path) -> None:
    done = agnews("--root", pushed_root, "--model", pushed_root, "--version", "1")
    assert done.returncode == 2
    assert "A model is named twice." in done.stderr


def test_a_port_that_is_taken_is_named_before_anything_slow_happens(pushed_root: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        started = time.monotonic()
        done = agnews("--root", pushed_root, "--port", str(port))
    assert done.returncode == 2
    assert f"Port {port} on 127.0.0.1 cannot be used" in done.stderr
    assert "--port" in done.stderr
    assert time.monotonic() - started < 10


def test_other_machines_are_let_in_with_a_token_or_if_it_is_said_that_they_need_none(pushed_root: Path) -> None:
    done = agnews("--root", pushed_root, "--host", ALL_ADDRESSES)
    assert done.returncode == 2
    assert "--token-file" in done.stderr
    assert "--no-token" in done.stderr
    with socket.create_server((ALL_ADDRESSES, 0)) as taken:
        # The warning comes before the port is refused, so nothing has to start for it.
        port = taken.getsockname()[1]
        done = agnews("--root", pushed_root, "--host", ALL_ADDRESSES, "--port", str(port), "--no-token")
    assert "Everybody who reaches 0.0.0.0 can use this server" in done.stderr
    assert f"Port {port}" in done.stderr


@pytest.mark.parametrize("origin", ["*", "https://news.example/", "news.example", "https://a@b.example", "HTTPS://A.B"])
def test_an_origin_that_no_browser_sends_is_refused(pushed_root: Path, origin: str) -> None:
    done = agnews("--root", pushed_root, "--cors-origin", origin)
    assert done.returncode == 2
    assert "https://news.example" in done.stderr


def test_a_bad_token_file_stops_it(pushed_root: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("short")
    done = agnews("--root", pushed_root, "--token-file", tmp_path / "token")
    assert done.returncode == 2
    assert "16 or more" in done.stderr


def test_a_host_that_is_not_ours_is_named(pushed_root: Path) -> None:
    done = agnews("--root", pushed_root, "--host", "192.0.2.1")
    assert done.returncode == 2
    assert "192.0.2.1" in done.stderr


@pytest.mark.integration
def test_the_same_model_answers_over_grpc(pushed_root: Path, tmp_path: Path) -> None:
    grpc = pytest.importorskip("grpc")
    predict_pb2 = pytest.importorskip("tensorflow_serving.apis.predict_pb2")
    from tensorflow_serving.apis import prediction_service_pb2_grpc

    (tmp_path / "token").write_text(SECRET)
    server = Process("--root", pushed_root, "--token-file", tmp_path / "token", "--grpc-port", "0")
    try:
        address = server.wait_for(r"gRPC (127\.0\.0\.1:\d+)")[1]
        request = predict_pb2.PredictRequest()
        request.model_spec.name = "agnews"
        request.inputs["text"].dtype = 7
        request.inputs["text"].tensor_shape.dim.add(size=1)
        request.inputs["text"].string_val.append(b"the coach")
        with grpc.insecure_channel(address) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            with pytest.raises(grpc.RpcError) as refused:
                stub.Predict(request, 30, wait_for_ready=True)
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
            answer = stub.Predict(request, 30, metadata=(("authorization", f"Bearer {SECRET}"),))
        assert list(answer.outputs["label"].string_val) == [b"Sports"]
        os.kill(server.pid, signal.SIGTERM)
        assert server.end() == 0
    finally:
        server.kill()
