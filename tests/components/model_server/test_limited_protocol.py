"""What the server does with connections before there is a request: raw sockets, and a client that asks for HTTP/2."""

from __future__ import annotations

import gzip
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agnews.components.model_server import limited_protocol
from agnews.components.model_server.json_response import Limits

StartServer = Callable[..., AbstractContextManager[Any]]
PATH = "/v1/models/agnews:predict"
BODY = b'{"instances": ["The coach praised his team"]}'
HEAD = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\n".encode()


@pytest.fixture
def start(toy_store: Any, toy_models: dict[str, Path], start_server: StartServer) -> Callable[..., Any]:
    toy_store.push(toy_models["sure"])
    return lambda **limits: start_server(toy_store.store, limits=Limits(**limits))


@pytest.fixture(scope="module")
def server(shared_server: Any) -> Iterator[Any]:
    return shared_server


def connect(server: Any) -> socket.socket:
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=10)


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(partial(connection.recv, 100_000), b""))


def read_answer(connection: socket.socket) -> tuple[int, dict[str, Any]]:
    file = connection.makefile("rb")
    status = int(file.readline().split()[1])
    length = 0
    while (line := file.readline().strip()) != b"":
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return status, json.loads(file.read(length))


def is_sports(answer: tuple[int, dict[str, Any]]) -> bool:
    return answer[0] == 200 and answer[1]["predictions"][0]["label"] == "Sports"


@pytest.mark.parametrize("upgrade", ["h2c", "websocket", "TLS/1.0, foo/2", "anything"])
@pytest.mark.parametrize("pause", [False, True], ids=["one packet", "two packets"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_wish_for_another_protocol_is_ignored_and_the_body_read(
    server: Any, upgrade: str, pause: bool, chunked: bool
) -> None:
    headers = f"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: {upgrade}\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n"
    if chunked:
        body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (BODY[:7], BODY[7:])) + b"0\r\n\r\n"
        headers += "Transfer-Encoding: chunked\r\n\r\n"
    else:
        body = BODY
        headers += f"Content-Length: {len(BODY)}\r\n\r\n"
    with connect(server) as connection:
        for _ in range(2):
            connection.sendall(HEAD + headers.encode() + (b"" if pause else body))
            if pause:
                time.sleep(0.05)
                connection.sendall(body)
            assert is_sports(read_answer(connection)), "the connection goes on as it was"


def test_a_wish_for_another_protocol_does_not_hide_that_the_connection_ends(server: Any) -> None:
    headers = f"Connection: Upgrade, close\r\nUpgrade: h2c\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
    with connect(server) as connection:
        connection.sendall(HEAD + headers + BODY)
        assert read_all(connection).startswith(b"HTTP/1.1 200 ")


def test_a_request_behind_one_that_wished_for_another_protocol_is_answered_too(server: Any) -> None:
    length = f"Content-Length: {len(BODY)}\r\n\r\n".encode()
    with connect(server) as connection:
        connection.sendall(HEAD + b"Connection: upgrade\r\nUpgrade: h2c\r\n" + length + BODY + HEAD + length + BODY)
        file = connection.makefile("rb")
        seen = b""
        while seen.count(b'"Sports"') < 2:
            seen += file.read1()
    assert seen.count(b"HTTP/1.1 200 ") == 2


JAVA = """
import java.net.URI;
import java.net.http.*;
public class Ask {
  public static void main(String[] arguments) throws Exception {
    var request = HttpRequest.newBuilder(URI.create(arguments[0]))
        .POST(HttpRequest.BodyPublishers.ofString(arguments[1])).build();
    var client = HttpClient.newHttpClient();
    for (int number = 0; number < 2; number++) {
      var answer = client.send(request, HttpResponse.BodyHandlers.ofString());
      System.out.println(answer.statusCode() + " " + answer.body());
    }
  }
}
"""


@pytest.mark.integration
@pytest.mark.skipif(shutil.which("java") is None, reason="no java: apt-get install default-jdk-headless")
def test_the_client_of_the_jdk_is_answered(server: Any, tmp_path: Path) -> None:
    (tmp_path / "Ask.java").write_text(JAVA)
    command = ["java", str(tmp_path / "Ask.java"), f"{server.url}{PATH}", BODY.decode()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert line.startswith("200 ")
        assert '"Sports"' in line


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl: apt-get install curl")
def test_curl_that_asks_for_http_2_is_answered(server: Any) -> None:
    command = ["curl", "-sS", "--http2", "-d", BODY.decode(), f"{server.url}{PATH}"]
    assert b'"Sports"' in subprocess.run(command, capture_output=True, check=True, timeout=30).stdout


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 10_000 + b"\r\n", 431),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20_000 + b"\r\n\r\n", 431),
        # Never ends.
        (b"GET /" + b"a" * 300_000, 414),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 300_000, 431),
    ],
)
@pytest.mark.parametrize("piece", [1 << 20, 1000], ids=["at once", "in pieces"])
def test_a_head_that_is_too_long_is_refused_before_it_is_in_memory(
    server: Any, head: bytes, status: int, piece: int
) -> None:
    with connect(server) as connection:
        sent = 0
        try:
            for start in range(0, len(head), piece):
                sent += connection.send(head[start : start + piece])
        except OSError:
            assert sent < len(head)
        answer = read_all(connection)
    assert answer.split()[1] == str(status).encode()
    assert b"connection: close" in answer
    assert b"32,768 bytes" in answer


def test_a_head_just_below_the_limit_is_taken_behind_a_large_body_too(server: Any) -> None:
    length = f"Content-Length: {len(BODY)}\r\n\r\n".encode()
    long = HEAD + b"X: " + b"a" * 32_000 + b"\r\n" + length + BODY
    large = HEAD + b"Content-Length: 100000\r\n\r\n" + BODY.ljust(100_000)
    with connect(server) as connection:
        connection.sendall(large + long[:20_000])
        assert is_sports(read_answer(connection))
        connection.sendall(long[20_000:])
        assert is_sports(read_answer(connection))


def test_what_is_no_http_is_refused_in_json(server: Any) -> None:
    with connect(server) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert "error" in json.loads(body)


def test_a_head_that_trickles_ends_and_others_are_answered_meanwhile(start: Callable[..., Any]) -> None:
    with start(deadline_seconds=0.4) as server, connect(server) as slow:
        stop = threading.Event()

        def trickle() -> None:
            for byte in HEAD:
                if stop.wait(0.05):
                    return
                try:
                    slow.send(bytes([byte]))
                except OSError:
                    return

        thread = threading.Thread(target=trickle)
        thread.start()
        started = time.monotonic()
        assert server.predict("coach").status_code == 200
        answer = read_all(slow)
        stop.set()
        thread.join()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - started < 3.0


def test_empty_lines_do_not_keep_a_connection(start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from agnews.components.model_server import graceful_server

    monkeypatch.setattr(graceful_server, "_KEEP_ALIVE_SECONDS", 0.3)
    with start() as server, connect(server) as connection:
        connection.settimeout(0.05)
        end = time.monotonic() + 5.0
        closed = False
        while not closed and time.monotonic() < end:
            try:
                connection.send(b"\r\n")
                closed = connection.recv(1) == b""
            except TimeoutError:
                continue
            except OSError:
                closed = True
        assert closed


def test_a_client_that_does_not_read_is_cut_off(start: Callable[..., Any]) -> None:
    texts = json.dumps({"instances": ["coach"] * 1000}).encode()
    request = HEAD + f"Content-Length: {len(texts)}\r\n\r\n".encode() + texts
    with start(deadline_seconds=0.4) as server, connect(server) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.settimeout(1.0)
        try:
            for _ in range(500):
                deaf.sendall(request)
        except OSError:
            pass
        server.wait_for(lambda: 'refused_total{limit="write"} 1.0' in server.client.get("/metrics").text)
        assert server.predict("coach").status_code == 200


def test_the_one_that_is_idle_for_longest_makes_room(
    start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limited_protocol, "_SAFE_SECONDS", 0.0)
    with start(connections=3) as server, ExitStack() as stack:
        first, *_ = [stack.enter_context(connect(server)) for _ in range(3)]
        time.sleep(0.1)
        assert server.predict("coach").status_code == 200
        first.settimeout(5)
        assert first.recv(1) == b""


def test_where_nobody_is_idle_more_clients_are_refused(start: Callable[..., Any]) -> None:
    with start(connections=2) as server, ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(connect(server)).sendall(b"GET /healthz HTTP/1.1\r\n")
        time.sleep(0.1)
        with connect(server) as third:
            answer = read_all(third)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1" in answer


def test_bodies_have_a_common_budget_that_is_given_back(start: Callable[..., Any]) -> None:
    with start(inflight_bytes=100_000, body_bytes=80_000) as server:
        announced = HEAD + b"Content-Length: 70000\r\n\r\n"
        with connect(server) as slow:
            slow.sendall(announced + BODY.ljust(60_000))
            server.wait_for(lambda: server.state.bytes_in_flight == 60_000)
            answer = server.client.post(PATH, content=BODY.ljust(70_000))
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "1"
            assert server.predict("coach").status_code == 200, "what is small still has its place"
        server.wait_for(lambda: server.state.bytes_in_flight == 0)
        assert server.client.post(PATH, content=BODY.ljust(70_000)).status_code == 200
        assert 'agnews_refused_total{limit="bytes"} 1.0' in server.client.get("/metrics").text


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP"])
def test_a_body_that_is_packed_by_gzip_is_unpacked(server: Any, encoding: str) -> None:
    for content in (gzip.compress(BODY), gzip.compress(BODY[:9]) + gzip.compress(BODY[9:])):
        answer = server.client.post(PATH, content=content, headers={"Content-Encoding": encoding})
        assert answer.json()["predictions"][0]["label"] == "Sports"


def test_a_packed_body_is_limited_by_what_is_in_it(server: Any) -> None:
    bomb = gzip.compress(b" " * (200 << 20))
    assert len(bomb) < 300_000
    answer = server.client.post(PATH, content=bomb, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "content", [b"no gzip", gzip.compress(BODY, mtime=0)[:-9], gzip.compress(BODY, mtime=0) + b"x"]
)
def test_what_gzip_did_not_write_is_a_bad_request(server: Any, content: bytes) -> None:
    assert server.client.post(PATH, content=content, headers={"Content-Encoding": "gzip"}).status_code == 400


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip"])
def test_other_ways_to_pack_are_named(server: Any, encoding: str) -> None:
    answer = server.client.post(PATH, content=BODY, headers={"Content-Encoding": encoding})
    assert answer.status_code == 415
    assert "gzip" in answer.headers["accept-encoding"]


def test_the_rest_of_a_body_that_nobody_wants_does_not_keep_the_connection(start: Callable[..., Any]) -> None:
    with start(deadline_seconds=0.4) as server, connect(server) as connection:
        connection.sendall(b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n")
        assert read_answer(connection)[0] == 404
        connection.settimeout(5)
        assert connection.recv(1) == b""


def test_a_body_that_trickles_ends_and_is_counted(start: Callable[..., Any]) -> None:
    with start(deadline_seconds=0.4) as server, connect(server) as slow:
        slow.sendall(HEAD + b"Content-Length: 1000\r\n\r\n")
        started = time.monotonic()
        while time.monotonic() < started + 3.0:
            try:
                slow.sendall(b" ")
            except OSError:
                break
            time.sleep(0.05)
        assert read_all(slow).startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - started < 3.0
        assert 'agnews_refused_total{limit="body"} 1.0' in server.client.get("/metrics").text
        server.wait_for(lambda: server.state.bytes_in_flight == 0)


def test_a_late_body_does_not_cut_off_the_answer_to_the_request_before_it(
    start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    length = f"Content-Length: {len(BODY)}\r\n\r\n".encode()
    with start(deadline_seconds=0.3) as server, connect(server) as connection:
        version = server.state.host.current
        run = version.run

        def slowly(*arguments: Any) -> Any:
            time.sleep(0.8)
            return run(*arguments)

        monkeypatch.setattr(version, "run", slowly)
        connection.sendall(HEAD + length + BODY + HEAD + length + BODY[:5])
        answers = read_all(connection)
    assert answers.startswith(b"HTTP/1.1 200 ")
    assert answers.count(b'"Sports"') == 1
    assert answers.count(b"HTTP/1.1 408 ") == 1
