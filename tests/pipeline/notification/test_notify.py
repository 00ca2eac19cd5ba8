"""Messages arrive at real servers, signed and retried, and whatever fails there fails nothing here."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from agnews.pipeline.notification.message import Message
from agnews.pipeline.notification.notify import notify
from agnews.schemas.execution_config import NotifyConfig

MESSAGE = Message(
    event="held_back",
    model="agnews",
    run_id="20261129T010203-abcd",
    title="agnews: not blessed",
    detail="The model was not pushed.",
    reasons=("worse beyond noise", "übel"),
)


@dataclass
class Listener:
    """A web server that keeps what it gets and answers as it is told."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    seconds: float = 0.0
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def listener() -> Iterator[Listener]:
    found = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.requests.append((dict(self.headers), body))
            time.sleep(found.seconds)
            status = found.answers.pop(0) if found.answers else 200
            self.send_response(status)
            if status == 302:
                self.send_header("Location", f"{found.url}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            found.requests.append((dict(self.headers), b"GET"))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def config(*channels: dict[str, Any], **keys: Any) -> NotifyConfig:
    return NotifyConfig.model_validate({"channels": channels, **keys})


def test_a_webhook_gets_json_whose_signature_can_be_checked(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_KEY", "the-key\n")
    told = notify(config({"kind": "webhook", "url": listener.url, "secret": {"env": "HOOK_KEY"}}), [MESSAGE])

    assert [each.problem for each in told] == [""]
    ((headers, body),) = listener.requests
    expected = hmac.new(b"the-key", headers["X-Agnews-Timestamp"].encode() + b"." + body, hashlib.sha256).hexdigest()
    assert headers["X-Agnews-Signature"] == f"sha256={expected}"
    assert abs(time.time() - int(headers["X-Agnews-Timestamp"])) < 60
    document = json.loads(body)
    assert (document["event"], document["run_id"], document["format"]) == ("held_back", "20261129T010203-abcd", 1)
    assert document["reasons"] == ["worse beyond noise", "übel"]


def test_a_server_that_is_busy_is_asked_again_with_the_same_delivery(listener: Listener) -> None:
    listener.answers = [503, 429, 200]
    waits: list[float] = []

    (told,) = notify(config({"kind": "webhook", "url": listener.url}), [MESSAGE], wait=waits.append)

    assert (told.problem, told.tries, waits) == ("", 3, [1.0, 2.0])
    assert len({headers["X-Agnews-Delivery"] for headers, _ in listener.requests}) == 1


@pytest.mark.parametrize(("status", "tries"), [(404, 1), (302, 1), (500, 3)])
def test_what_is_not_taken_is_said_and_raises_nothing(listener: Listener, status: int, tries: int) -> None:
    listener.answers = [status] * 9

    (told,) = notify(config({"kind": "webhook", "url": listener.url}, retries=2), [MESSAGE], wait=lambda _: None)

    assert (told.tries, told.problem) == (tries, f"the answer was {status}")
    assert len(listener.requests) == tries


def test_an_answer_that_trickles_holds_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def trickle() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                for letter in b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100:
                    connection.sendall(bytes([letter]))
                    time.sleep(0.1)

        threading.Thread(target=trickle, daemon=True).start()
        channel = {"kind": "webhook", "url": f"http://127.0.0.1:{server.getsockname()[1]}"}
        started = time.monotonic()
        (delivery,) = notify(config(channel, timeout_seconds=0.5, deadline_seconds=0.5), [MESSAGE])
        assert time.monotonic() - started < 4
        assert "within 0.5 seconds" in delivery.problem


def test_a_run_waits_no_longer_than_the_deadline(listener: Listener) -> None:
    listener.seconds = 30.0
    start = time.monotonic()

    (told,) = notify(
        config({"kind": "webhook", "url": listener.url}, timeout_seconds=0.2, deadline_seconds=0.5), [MESSAGE]
    )
    listener.seconds = 0.0

    assert told.problem
    assert time.monotonic() - start < 5.0


def test_nobody_there_a_secret_that_is_missing_and_a_program_that_fails_are_said_by_name(tmp_path: Path) -> None:
    channels = [
        {"kind": "webhook", "url": "http://127.0.0.1:9"},
        {"kind": "slack", "url": {"env": "AGNEWS_NO_SUCH_VARIABLE"}},
        {"kind": "slack", "url": {"file": str(tmp_path / "nothing")}},
        {"kind": "command", "command": [sys.executable, "-c", "import sys; sys.exit('no such luck')"]},
        {"kind": "command", "command": [str(tmp_path / "nothing")]},
        {"kind": "email", "host": "127.0.0.1", "port": 9, "sender": "a@b.example", "to": ["c@d.example"]},
    ]

    problems = [each.problem for each in notify(config(*channels, retries=0), [MESSAGE])]

    for problem, words in zip(
        problems,
        (
            "cannot be reached",
            "AGNEWS_NO_SUCH_VARIABLE",
            "cannot be read",
            "no such luck",
            "No such file",
            "cannot be reached",
        ),
        strict=True,
    ):
        assert words in problem


def test_slack_gets_its_form_from_an_address_that_is_shown_nowhere(
    listener: Listener, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "url").write_text(f"{listener.url}/services/T000/very-secret\n")
    channel = {"kind": "slack", "url": {"file": str(tmp_path / "url")}}

    notify(config(channel), [MESSAGE])
    listener.answers = [404]
    (told,) = notify(config(channel), [MESSAGE])

    assert json.loads(listener.requests[0][1])["text"].splitlines()[:2] == [
        "agnews: not blessed",
        "The model was not pushed.",
    ]
    assert told.problem
    assert "very-secret" not in told.problem + caplog.text


def test_a_command_gets_the_json_and_no_shell_reads_it(tmp_path: Path) -> None:
    script = "import sys; open(sys.argv[1], 'wb').write(sys.stdin.buffer.read())"
    target = tmp_path / "a; touch b"

    notify(config({"kind": "command", "command": [sys.executable, "-c", script, str(target)]}), [MESSAGE])

    assert json.loads(target.read_bytes())["title"] == "agnews: not blessed"
    assert not (tmp_path / "b").exists()


def test_an_e_mail_arrives_with_user_and_password_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ssl

    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import AuthResult

    mails: list[Any] = []

    class Handler:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
            mails.append(envelope)
            return "250 taken"

    def login(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"agnews", b"pass-word"), handled=False)

    certificate, key = _certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(
        Handler(),
        hostname="127.0.0.1",
        port=port,
        tls_context=context,
        require_starttls=True,
        authenticator=login,
        auth_required=True,
    )
    controller.start()
    try:
        mail = {"kind": "email", "host": "localhost", "port": port, "sender": "a@b.example", "to": ["c@d.example"]}
        for password, taken in (("pass-word", True), ("another", False)):
            (tmp_path / "password").write_text(password)
            secret = {"user": "agnews", "password": {"file": str(tmp_path / "password")}}
            (told,) = notify(config({**mail, **secret}, retries=0), [MESSAGE])
            assert (told.problem == "") is taken, told.problem
        assert "535" in told.problem
    finally:
        controller.stop()
    (envelope,) = mails
    assert envelope.rcpt_tos == ["c@d.example"]
    assert b"Subject: agnews: not blessed" in envelope.content
    assert b"X-Agnews-Event: held_back" in envelope.content


def _certificate(folder: Path) -> tuple[Path, Path]:
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


def test_events_that_nobody_asked_for_are_not_told(listener: Listener) -> None:
    hook = {"kind": "webhook", "url": listener.url}

    assert notify(config(hook, on=["failed"]), [MESSAGE]) == []
    assert len(notify(config(hook, on=["failed"]), [MESSAGE.model_copy(update={"test": True})])) == 1


@pytest.mark.parametrize(
    ("channel", "words"),
    [
        ({"kind": "webhook", "url": "https://user:password@example.org"}, "holds credentials"),
        ({"kind": "webhook", "url": "ftp://example.org"}, "https://"),
        ({"kind": "slack", "url": "https://hooks.example.org/secret"}, "url"),
        ({"kind": "slack", "url": {"env": "A", "file": "b"}}, "either env"),
        (
            {
                "kind": "email",
                "host": "h",
                "sender": "a@b",
                "to": ["c@d"],
                "security": "none",
                "user": "u",
                "password": {"env": "P"},
            },
            "in the clear",
        ),
        ({"kind": "email", "host": "h", "sender": "a@b", "to": ["c@d\nBcc: e@f"]}, "no address"),
    ],
)
def test_what_would_leak_a_secret_is_refused(channel: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        config(channel)
