"""Whatever road a secret comes in by, nothing that is printed, logged, raised, reported or compiled holds it."""

from __future__ import annotations

import logging
import string
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from agnews.components.encoders.fetch_encoder import fetch_encoder
from agnews.components.model_registry.mlflow_registry import tell_mlflow
from agnews.components.model_server.access_token import read_access_token
from agnews.components.storage.read_secret import read_secret, show_command
from agnews.components.storage.s3_files import connect_s3
from agnews.kubeflow.client.connection import Connection
from agnews.pipeline.cli.main import app
from agnews.schemas.errors import AgnewsError
from agnews.schemas.hide_credentials import hide_credentials

# The core is what must not show: unmistakable, and whole whatever surrounds it.
CORES = st.text(string.ascii_letters + string.digits + "-_", min_size=16, max_size=40)
AROUND = st.sampled_from(
    ["{}", "{}\n", " {}\r\n", "{}\nsecond line", "first\n{}", "{}\x00", "{}\x7f", "{} two words", "{}é", "\ufeff{}"]
)
QUOTED = st.sampled_from(["{}", "user:{}", ":{}", "{}:x", "u%40:{}", "u:{}/x", "u:x/{}"])

Act = Callable[[], object]
Environment = Mapping[str, str]


def _cli(*arguments: str) -> Act:
    def act() -> object:
        done = CliRunner().invoke(app, list(arguments))
        print(done.output)  # noqa: T201 - for capsys
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return None

    return act


def _in_environment(text: str, tmp_path: Path) -> list[tuple[Environment, Act]]:
    file = tmp_path / "secret"
    file.write_text(text, encoding="utf-8")
    no_nul = text.replace("\x00", "\x01")
    return [
        (
            {"HF_TOKEN": no_nul, "HF_ENDPOINT": "http://127.0.0.1:9"},
            lambda: fetch_encoder("a/b", cache_dir=tmp_path, attempts=1),
        ),
        (
            {"HF_TOKEN": no_nul, "HF_ENDPOINT": "http://example.org"},
            lambda: fetch_encoder("a/b", cache_dir=tmp_path, attempts=1),
        ),
        ({"AGNEWS_SERVE_TOKEN": no_nul}, lambda: read_access_token(None)),
        ({}, lambda: read_access_token(file)),
        ({"X_TOKEN": no_nul}, lambda: read_secret("X_TOKEN")),
        ({}, lambda: read_secret("X_TOKEN", file=file)),
        ({}, lambda: Connection.read({}, {"AGNEWS_KFP_TOKEN": no_nul}).headers()),
        ({}, lambda: Connection.read({}, {"AGNEWS_KFP_COOKIE": no_nul}).headers()),
        ({}, lambda: Connection.read({"token_file": file, "host": "http://example.org"}, {}).headers()),
        ({}, lambda: Connection.read({"cookie_file": file}, {"AGNEWS_KFP_TOKEN": no_nul}).headers()),
    ]


def _in_addresses(userinfo: str, tmp_path: Path) -> list[tuple[Environment, Act]]:
    address = f"https://{userinfo}@example.org/x"
    root = str(tmp_path / "root")
    return [
        ({"HF_ENDPOINT": address}, lambda: fetch_encoder("a/b", cache_dir=tmp_path, attempts=1)),
        (
            {"HF_ENDPOINT": f"ftp://{userinfo}@example.org"},
            lambda: fetch_encoder("a/b", cache_dir=tmp_path, attempts=1),
        ),
        ({}, lambda: fetch_encoder(address, cache_dir=tmp_path, attempts=1)),
        ({}, lambda: connect_s3({"AWS_ENDPOINT_URL": address})),
        ({}, lambda: Connection.read({"host": address}, {})),
        ({}, lambda: Connection.read({}, {"AGNEWS_KFP_HOST": f"ftp://{userinfo}@example.org"})),
        ({}, _cli("run", "--root", root, "--data", f"s3://{userinfo}@bucket/news")),
        ({}, _cli("run", "--root", root, "--set", f"data.source=s3://{userinfo}@bucket/news")),
        ({}, _cli("run", "--root", root, "--model", "bert_frozen", "--set", f"model.encoder={address}")),
        ({}, _cli("tune", "--root", root, "--data", f"s3://{userinfo}@bucket/news")),
        ({}, _cli("predict", "--models", f"s3://{userinfo}@bucket/models", "text")),
        ({}, _cli("predict", "--model", f"https://{userinfo}@example.org/model", "text")),
        ({}, _cli("serve", "--models", f"s3://{userinfo}@bucket/models")),
        ({}, _cli("batch", "--input", "x.csv", "--output", str(tmp_path / "o"), "--models", f"s3://{userinfo}@b/m")),
        ({}, lambda: print(show_command(["/bin/agnews", "run", "--data", address]))),  # noqa: T201
    ]


def _in_more_addresses(userinfo: str, tmp_path: Path) -> list[tuple[Environment, Act]]:
    """Roads that take longer."""
    address, root = f"https://{userinfo}@example.org/x", str(tmp_path / "root")
    return [
        ({}, _cli("serve", "--root", root, "--log-requests", f"s3://{userinfo}@bucket/log")),
        ({}, _cli("batch", "--input", f"s3://{userinfo}@bucket/x.csv", "--output", "o", "--root", root)),
        *[({}, _cli("models", *what, "--store", f"s3://{userinfo}@bucket/m")) for what in (["list"], ["show", "1"])],
        ({}, _cli("models", "rollback", "--store", f"gs://{userinfo}@bucket/m")),
        ({}, _cli("feedback", "queue", "--log", f"s3://{userinfo}@bucket/log")),
        ({}, _cli("feedback", "erase", "--text", "a", "--log", root, "--data", f"s3://{userinfo}@bucket/d")),
        ({}, _cli("corpus", "init", f"s3://{userinfo}@bucket/train.csv")),
        ({}, _cli("run", "--root", f"s3://{userinfo}@bucket/root")),
        ({}, _cli("report", "show", "latest", "--root", f"s3://{userinfo}@bucket/root")),
        ({}, _cli("beam", "doctor", "--beam", f"temp_location=s3://{userinfo}@bucket/t")),
        ({}, _cli("beam", "doctor", "--beam", f"options=--s3_secret_access_key={userinfo}")),
        ({"MLFLOW_TRACKING_URI": address}, lambda: tell_mlflow(_unreachable, otherwise="It is not told")),
    ]


def _unreachable(client: Any) -> None:
    """Fails as MLflow does."""
    raise OSError(f"API request to {client.tracking_uri}/api/2.0/mlflow/runs/create failed")


def _require_hidden(
    core: str,
    roads: list[tuple[Environment, Act]],
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    kept = tmp_path / "root"
    for number, (environment, act) in enumerate(roads):
        told = ""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            try:
                # A header is where a secret belongs; what is kept of it is not shown.
                told = "" if isinstance(result := act(), dict) else repr(result)
            except Exception as error:  # noqa: BLE001 - every kind of it is looked at
                if not isinstance(error, AgnewsError):
                    pytest.fail(f"road {number}: {type(error).__name__}")
                told = "".join(traceback.format_exception(error))
        out, err = capsys.readouterr()
        written = "".join(path.read_text(errors="replace") for path in kept.rglob("*") if path.is_file())
        for place, text in {
            "raised or given": told,
            "printed": out + err,
            "logged": caplog.text,
            "kept": written,
        }.items():
            assert core not in text, f"road {number}, {place}"


_QUIET = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@_QUIET
@given(core=CORES, around=AROUND)
def test_tokens_and_cookies_show_nowhere(
    core: str,
    around: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    _require_hidden(core, _in_environment(around.format(core), tmp_path), capsys, caplog, tmp_path)


@_QUIET
@given(core=CORES, quoted=QUOTED)
def test_credentials_in_addresses_show_nowhere(
    core: str,
    quoted: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    _require_hidden(core, _in_addresses(quoted.format(core), tmp_path), capsys, caplog, tmp_path)


@pytest.mark.parametrize("quoted", ["user:{}", "u:{}/x"])
def test_credentials_in_addresses_show_nowhere_on_other_roads(
    quoted: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    core = "a-Password-of-some-length"
    _require_hidden(core, _in_more_addresses(quoted.format(core), tmp_path), capsys, caplog, tmp_path)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("s3://bucket/a@b", "s3://bucket/a@b"),
        ("https://u:p@h/x?y=1", "https://***@h/x?y=1"),
        ("https://h/x?X-Amz-Signature=abc&n=1", "https://h/x?X-Amz-Signature=***&n=1"),
        ("--data=s3://k:s@b", "--data=s3://***@b"),
        ("mail a@b.c", "mail a@b.c"),
        ("http://h:9000/a@b", "http://h:9000/a@b"),
        ("http://k:s/e@h", "http://***@h"),
        ("there is no s3:/k:s@b/x", "there is no s3:/***@b/x"),
        ("/data/s3:/k:s/e@b/x", "/data/s3:/***@b/x"),
        ("/a:b/c@d", "/a:b/c@d"),
    ],
)
def test_what_is_hidden_and_what_stays(address: str, shown: str) -> None:
    assert hide_credentials(address) == shown


def test_a_line_end_is_no_part_of_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X_TOKEN", "hf_0123456789\n")
    found = read_secret("X_TOKEN")
    assert found is not None
    assert found.get_secret_value() == "hf_0123456789"
    assert "0123456789" not in repr(found)
