"""Processes that train together find each other, with patience and with words, before TensorFlow looks for them.

TensorFlow waits without a word and without an end for a process that does not come. So the chief listens at its own
address first, and the others ring there; once all have come, each is told the token of this start, and the address is
free for TensorFlow.

The chief names what the others are to read by that token: what a killed chief has left is taken by nobody.
"""

from __future__ import annotations

import json
import logging
import selectors
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address

from agnews.components.training import stop_signal
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.progress import Progress, report_progress

_LOGGER = logging.getLogger(__name__)

_SAID_EVERY = 10.0
_LONGEST_LINE = 1024


def split_address(address: str) -> tuple[str, int]:
    """Returns host and port of `HOST:PORT`."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


@dataclass
class _Guests:
    """Who has come: the connection by the address that its process has in TF_CONFIG."""

    expected: frozenset[str]
    present: dict[str, socket.socket] = field(default_factory=dict)
    heard: dict[socket.socket, bytes] = field(default_factory=dict)

    @property
    def missing(self) -> list[str]:
        return sorted(self.expected - set(self.present))

    def hear(self, guest: socket.socket) -> bool:
        """Reads what there is; False where the connection is of no use any more."""
        try:
            content = guest.recv(_LONGEST_LINE)
        except OSError:
            content = b""
        if not content or len(self.heard[guest]) > _LONGEST_LINE:
            self.present = {address: each for address, each in self.present.items() if each is not guest}
            del self.heard[guest]
            return False
        self.heard[guest] += content
        if b"\n" in self.heard[guest] and (address := _address_in(self.heard[guest])) in self.expected:
            self.present[address] = guest
        return True


def _address_in(line: bytes) -> str:
    try:
        said = json.loads(line)
        return str(said["address"])
    except (ValueError, KeyError, TypeError):
        return ""


def receive_workers(own: str, others: list[str], token: str, *, patience_seconds: float) -> None:
    """Waits for all other processes and tells them the token; for the chief.

    Args:
        own: This process' HOST:PORT in TF_CONFIG.
        others: Those of the others.
        token: Of this start.
        patience_seconds: How long to wait.

    Raises:
        AgnewsError: Somebody did not come, or the address cannot be listened at.
        Stopped: The process was asked to end.
    """
    guests = _Guests(frozenset(others))
    began = said = time.monotonic()
    with _listen(own) as door, selectors.DefaultSelector() as selector:
        selector.register(door, selectors.EVENT_READ)
        try:
            while guests.missing:
                stop_signal.require_wanted()
                for key, _ in selector.select(timeout=0.2):
                    _take_in(door, key.fileobj, selector, guests)  # type: ignore[arg-type]  # all are sockets
                now = time.monotonic()
                if now - began > patience_seconds:
                    raise _nobody_came(guests, patience_seconds)
                if now - said > _SAID_EVERY:
                    said = now
                    _say_who_is_missing(guests, now - began, patience_seconds)
            for guest in guests.present.values():
                guest.sendall(json.dumps({"token": token}).encode() + b"\n")
        finally:
            for guest in guests.heard:
                guest.close()
    _LOGGER.info("All %d processes are there", len(others) + 1)


def _listen(own: str) -> socket.socket:
    host, port = split_address(own)
    family, is_loopback = _kind_of(host)
    try:
        if is_loopback:
            return socket.create_server((host, port), family=family)
        if socket.has_dualstack_ipv6():
            # A kernel may know IPv6 and have no address of it.
            with suppress(OSError):
                return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        return socket.create_server(("", port), family=family)
    except OSError as error:
        raise AgnewsError(
            "The chief cannot listen at its address for the processes that train with it.",
            found=f"{own}: {error}",
            fix="Give it another port in TF_CONFIG, or end what listens there.",
            exit_code=ExitCode.FAILED,
        ) from error


def _kind_of(host: str) -> tuple[socket.AddressFamily, bool]:
    """Says of what family an address is, and whether nobody beyond this machine knows it."""
    try:
        address = ip_address(host)
    except ValueError:
        # A machine may have its own name at a loopback address, where others have it elsewhere.
        return socket.AF_INET, host == "localhost"
    return socket.AF_INET6 if address.version == 6 else socket.AF_INET, address.is_loopback


def _take_in(door: socket.socket, ready: socket.socket, selector: selectors.BaseSelector, guests: _Guests) -> None:
    if ready is door:
        guest, _ = door.accept()
        guest.setblocking(False)
        guests.heard[guest] = b""
        selector.register(guest, selectors.EVENT_READ)
    elif not guests.hear(ready):
        selector.unregister(ready)
        ready.close()


def _say_who_is_missing(guests: _Guests, waited: float, patience: float) -> None:
    _LOGGER.info(
        "Waiting for %d of %d processes: %s (%.0f of %.0f seconds)",
        *(len(guests.missing), len(guests.expected) + 1, ", ".join(guests.missing), waited, patience),
    )
    report_progress(
        Progress(node="Trainer", done=len(guests.present) + 1, total=len(guests.expected) + 1, unit="processes")
    )


def _nobody_came(guests: _Guests, patience: float) -> AgnewsError:
    return AgnewsError(
        f"{len(guests.missing)} of {len(guests.expected) + 1} processes of this training did not come within "
        f"{patience:.0f} seconds.",
        found=f"nobody has called from {', '.join(guests.missing)}",
        fix="Look at the log of that process, at whether its machine reaches the chief's address, and at whether all "
        "were given the same TF_CONFIG; then start all of them again.",
        exit_code=ExitCode.FAILED,
    )


def ring_chief(chief: str, own: str, *, patience_seconds: float) -> str:
    """Waits until the chief and all others are there; for every process but the chief.

    Args:
        chief: HOST:PORT of the chief in TF_CONFIG.
        own: That of this process.
        patience_seconds: How long to try.

    Returns:
        The token of this start.

    Raises:
        AgnewsError: There is no chief, or it did not get everybody together.
        Stopped: The process was asked to end.
    """
    began = said = time.monotonic()
    problem = "nobody answers"
    while (left := began + patience_seconds - time.monotonic()) > 0:
        stop_signal.require_wanted()
        if time.monotonic() - said > _SAID_EVERY:
            said = time.monotonic()
            _LOGGER.info("Waiting for the chief at %s: %s (%.0f seconds left)", chief, problem, left)
        try:
            with socket.create_connection(split_address(chief), timeout=min(5.0, left)) as line:
                line.sendall(json.dumps({"address": own}).encode() + b"\n")
                problem = "it is there, and waits for others"
                if token := _wait_for_token(line, began + patience_seconds):
                    return token
        except OSError as error:
            problem = str(error)
        time.sleep(0.5)
    raise AgnewsError(
        f"No chief has begun a training within {patience_seconds:.0f} seconds.",
        found=f"{chief}: {problem}",
        fix="Start the chief, and give all processes the same TF_CONFIG but for `task`.",
        exit_code=ExitCode.FAILED,
    )


def _wait_for_token(line: socket.socket, deadline: float) -> str:
    """Returns the empty string where the chief went away."""
    line.settimeout(0.5)
    heard = b""
    while time.monotonic() < deadline:
        stop_signal.require_wanted()
        try:
            content = line.recv(_LONGEST_LINE)
        except TimeoutError:
            continue
        heard += content
        if not content or len(heard) > _LONGEST_LINE:
            return ""
        if heard.endswith(b"\n"):
            try:
                token = str(json.loads(heard)["token"])
            except (ValueError, KeyError, TypeError):
                return ""
            return token if token.isalnum() else ""
    return ""
