"""The address that the server answers at, taken before anything slow happens."""

from __future__ import annotations

import ipaddress
import socket

from agnews.schemas.errors import AgnewsError


def listening_socket(host: str, port: int) -> socket.socket:
    """Binds an address.

    Args:
        host: Name or address of this machine; `0.0.0.0` or `::` takes all its addresses.
        port: Port; 0 takes a free one.

    Returns:
        The socket, bound and not listening yet.

    Raises:
        AgnewsError: The address is taken, is not this machine's, or is not ours to take.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise AgnewsError(
            "This host cannot be found.",
            found=f"{host} ({error.strerror})",
            fix="Take an address of this machine, 127.0.0.1 for example.",
        ) from error
    found = socket.socket(family, kind, protocol)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind(address)
        # Two sockets may be bound to one address for as long as none of them listens.
        found.listen(1)
    except OSError as error:
        found.close()
        raise AgnewsError(
            f"Port {port} on {host} cannot be used.",
            found=error.strerror,
            fix="Choose another one with --port (0 takes a free one), or end what uses it: "
            f"`lsof -i :{port}` shows what. --host takes an address of this machine only.",
        ) from error
    found.setblocking(False)
    return found


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address.

    Args:
        host: Name or address.

    Returns:
        True for addresses such as 127.0.0.1, ::1 and localhost.
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
