"""What keeps a version that somebody is served from out of `prune`'s way."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agnews.components.model_store import ModelStore
from agnews.components.model_store.serving_leases import LEASE_TIME, ServingLease, living_leases, remove_dead_leases
from agnews.schemas.errors import AgnewsError


@pytest.fixture(params=["disk", "ram"])
def store(tmp_path: Path, request: pytest.FixtureRequest) -> ModelStore:
    uri = str(tmp_path / "models") if request.param == "disk" else f"ram://{tmp_path.name}/models"
    return ModelStore(uri, "agnews")


def test_a_server_is_known_until_it_releases_its_lease(store: ModelStore) -> None:
    assert living_leases(store.uri) == ()

    first, second = ServingLease(store.uri, "10"), ServingLease(store.uri, "9")

    assert [lease.version for lease in living_leases(store.uri)] == ["9", "10"]
    assert {(lease.host, lease.pid) for lease in living_leases(store.uri)} == {(socket.gethostname(), os.getpid())}
    second.renew("10")
    assert [lease.version for lease in living_leases(store.uri)] == ["10", "10"]
    first.release()
    first.release()
    second.release()
    assert living_leases(store.uri) == ()
    assert store.versions() == ()


def test_a_lease_lives_for_five_minutes_after_its_last_renewal(store: ModelStore) -> None:
    lease = ServingLease(store.uri, "10")
    renewed_at = living_leases(store.uri)[0].renewed_at

    assert timedelta(minutes=5) == LEASE_TIME
    assert living_leases(store.uri, renewed_at + timedelta(minutes=4, seconds=59))
    assert not living_leases(store.uri, renewed_at + timedelta(minutes=5))

    lease.renew("10")
    assert living_leases(store.uri)[0].renewed_at > renewed_at


def test_only_dead_leases_are_removed(tmp_path: Path) -> None:
    store = ModelStore(str(tmp_path), "agnews")
    ServingLease(store.uri, "11")
    (living,) = (tmp_path / "agnews" / ".serving").glob("*.json")
    old = {**json.loads(living.read_text()), "renewed_at": (datetime.now(UTC) - timedelta(minutes=6)).isoformat()}
    living.with_name("gone.json").write_text(json.dumps(old))
    # As a server of 0.1.0 writes it.
    (tmp_path / "agnews" / ".serving-gone.json").write_text(json.dumps(old))

    remove_dead_leases(store.uri)

    assert [path for path in (tmp_path / "agnews").rglob("*") if path.is_file()] == [living]


def test_leases_of_servers_of_0_1_0_count(tmp_path: Path) -> None:
    store = ModelStore(str(tmp_path), "agnews")
    ServingLease(store.uri, "11")
    (new,) = (tmp_path / "agnews" / ".serving").glob("*.json")
    content = json.loads(new.read_text())
    (tmp_path / "agnews" / ".serving-4f2a9c01be77.json").write_text(json.dumps({**content, "version": "10"}))

    assert [lease.version for lease in living_leases(store.uri)] == ["10", "11"]


def test_a_killed_server_leaves_a_lease_that_runs_out(tmp_path: Path) -> None:
    script = (
        "import os, signal\n"
        "from agnews.components.model_store import ModelStore\n"
        "from agnews.components.model_store.serving_leases import ServingLease\n"
        f"ServingLease(ModelStore({str(tmp_path)!r}, 'agnews').uri, '12')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script], check=False)
    store = ModelStore(str(tmp_path), "agnews")

    assert killed.returncode == -signal.SIGKILL
    assert [lease.version for lease in living_leases(store.uri)] == ["12"]
    assert not living_leases(store.uri, datetime.now(UTC) + LEASE_TIME)


@pytest.mark.parametrize(
    "content", ["", "{}", '{"version": "../..", "host": "h", "pid": 1, "renewed_at": "2026-01-01T00:00:00Z"}']
)
def test_a_lease_that_says_nothing_is_an_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "agnews" / ".serving").mkdir(parents=True)
    (tmp_path / "agnews" / ".serving" / "1.json").write_text(content)

    with pytest.raises(AgnewsError, match=r"\.serving/1\.json does not say which version"):
        living_leases(ModelStore(str(tmp_path), "agnews").uri)


def test_a_store_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "agnews").write_text("a file where the folder should be")

    with pytest.raises(AgnewsError, match="renewing the lease"):
        ServingLease(ModelStore(str(tmp_path), "agnews").uri, "10")
