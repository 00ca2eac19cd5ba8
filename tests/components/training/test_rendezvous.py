"""The chief hears the others at whatever address it has."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from agnews.components.training.rendezvous import receive_workers, ring_chief
from agnews.schemas.errors import AgnewsError


def _free_port(host: str) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, 0), family=family) as server:
            return int(server.getsockname()[1])
    except OSError as error:
        pytest.skip(f"this machine has no {host}: {error}")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "::1", "127.0.0.2"])
def test_a_worker_is_told_the_token_of_its_chief(host: str) -> None:
    chief, worker = f"{host}:{_free_port(host.strip('[]'))}", f"{host}:1"
    with ThreadPoolExecutor(1) as pool:
        told = pool.submit(ring_chief, chief, worker, patience_seconds=20.0)
        receive_workers(chief, [worker], "a0", patience_seconds=20.0)
        assert told.result() == "a0"


@pytest.mark.parametrize("asked", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("own", ["localhosts.invalid", "[2001:db8::1]", "192.0.2.1"])
def test_an_address_that_others_know_is_heard_at_on_all_of_them(own: str, asked: str) -> None:
    """A pod listens before its name is known, and an address may be that of what forwards to it."""
    port = _free_port(asked)
    with ThreadPoolExecutor(1) as pool:
        told = pool.submit(ring_chief, f"{asked}:{port}", "worker:1", patience_seconds=20.0)
        receive_workers(f"{own}:{port}", ["worker:1"], "a0", patience_seconds=20.0)
        assert told.result() == "a0"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_address_that_is_taken_is_named(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    _free_port(host)
    with socket.create_server((host, 0), family=family) as server:
        own = f"[{host}]:{server.getsockname()[1]}"
        with pytest.raises(AgnewsError, match="cannot listen at its address") as caught:
            receive_workers(own, ["worker:1"], "a0", patience_seconds=1.0)
    assert own in str(caught.value.found)
