"""Which names of this server browsers may use, and the pages of which sites."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Collection, Mapping, Sequence
from urllib.parse import urlsplit

from agnews.schemas.errors import AgnewsError

_PORT = re.compile(r":[0-9]*$")
_SHOWN = 100
_LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))


class AllowedOrigins:
    """Keeps pages of other sites from using a server that their readers can reach.

    A page can send a browser here in two ways. It asks across sites: browsers say so in `Sec-Fetch-Site`, or at least
    name the page's origin. Or its own name is made to lead to this machine (DNS rebinding): then the browser believes
    both to be one site, and only the name in `Host` tells.

    Args:
        hosts: Names that `Host` may have, without ports, in lower case; None takes all names. Addresses are taken in
            any case, because no name leads astray there.
        cors_origins: Other sites whose pages may ask.
    """

    def __init__(self, hosts: Collection[str] | None, cors_origins: Sequence[str] = ()) -> None:
        self._hosts = None if hosts is None else frozenset(hosts)
        self._cors_origins = frozenset(origin.encode() for origin in cors_origins)
        # Clients repeat themselves.
        self._known: set[bytes] = set()

    def problem(self, method: str, headers: Mapping[bytes, bytes]) -> tuple[str, int, str] | None:
        """Looks at a request.

        Args:
            method: In capitals.
            headers: By their names in lower case.

        Returns:
            The limit that it hits, a status code, and words for the client; None where it may pass.
        """
        host = headers.get(b"host", b"")
        if host not in self._known:
            if not self._is_ours(host):
                shown = host[:_SHOWN].decode("latin-1")
                return "host", 421, f"This server is not called {shown}; start it with --allowed-host to let it be."
            if len(self._known) < _SHOWN:
                self._known.add(host)
        site = headers.get(b"sec-fetch-site")
        origin = headers.get(b"origin")
        if site is None and origin is None:
            return None
        if self._is_foreign(method, site, origin, host, headers):
            shown = (origin or b"another site")[:_SHOWN].decode("latin-1")
            return "origin", 403, f"Pages of {shown} may not ask here; start the server with --cors-origin to let them."
        return None

    def _is_foreign(
        self, method: str, site: bytes | None, origin: bytes | None, host: bytes, headers: Mapping[bytes, bytes]
    ) -> bool:
        if origin is not None and origin in self._cors_origins:
            return False
        if site is not None:
            if site in (b"same-origin", b"none"):
                return False
            # A link leads here: the reader comes along, and the page that has the link learns nothing.
            return not (method in ("GET", "HEAD") and headers.get(b"sec-fetch-mode") == b"navigate")
        # A browser that says no more than the origin; behind a proxy, the scheme may be another one than here.
        return origin is not None and origin.partition(b"://")[2].lower() != host.lower()

    def _is_ours(self, host: bytes) -> bool:
        if self._hosts is None or not host:
            return True
        name = _PORT.sub("", host.decode("latin-1").lower()).strip("[]").rstrip(".")
        return name in self._hosts or is_address(name)


def is_address(name: str) -> bool:
    """Whether a host is an address and not a name.

    Args:
        name: Without port and brackets.

    Returns:
        True for 10.0.0.1 and ::1.
    """
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def allowed_hosts(host: str, named: Sequence[str], *, has_token: bool, is_local: bool) -> frozenset[str] | None:
    """Decides by which names a server may be asked.

    Args:
        host: What it listens at.
        named: What was allowed by hand.
        has_token: Whether clients must show a token, which no page of another site has.
        is_local: Whether only this machine can reach the server.

    Returns:
        The names; None for all.

    Raises:
        AgnewsError: What was named is no host.
    """
    for each in named:
        if not re.fullmatch(r"[A-Za-z0-9.-]+", each) and not is_address(each):
            raise AgnewsError(
                "An allowed host is a name or an address, without scheme and port.",
                found=each,
                fix="For example --allowed-host news.example.",
            )
    if has_token and not named and not is_local:
        return None
    own = {host, *_LOOPBACK} if is_local else {host, *_LOOPBACK, socket.gethostname(), socket.getfqdn()}
    return frozenset(each.lower().rstrip(".") for each in (*own, *named))


def check_cors_origins(origins: Sequence[str]) -> None:
    """Refuses what no browser would ever send as an origin.

    Args:
        origins: As given by hand.

    Raises:
        AgnewsError: One of them is no origin.
    """
    for origin in origins:
        try:
            parts = urlsplit(origin)
            same = f"{parts.scheme}://{parts.netloc}"
            is_whole = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
            is_port = parts.port is None or parts.port > 0
        except ValueError:
            is_whole = is_port = False
        if not (is_whole and is_port and same == origin == origin.lower()) or "*" in origin:
            raise AgnewsError(
                "This is no origin of pages.",
                found=origin,
                fix="Give scheme, host and port as browsers send them, without a slash at the end: "
                "--cors-origin https://news.example. Each site is named by itself.",
            )
