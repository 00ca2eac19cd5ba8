"""A secret that clients have to show."""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path

from agnews.schemas.errors import AgnewsError

TOKEN_VARIABLE = "AGNEWS_SERVE_TOKEN"  # noqa: S105 - its name, not its value
_SHORTEST = 16
_MOST = 2


class AccessToken:
    """Compares in a time that says nothing about how much of a guess was right.

    Args:
        secrets: The token, or several while one takes the place of another.
    """

    def __init__(self, *secrets: str) -> None:
        self._digests = [hashlib.sha256(secret.encode()).digest() for secret in secrets]

    def matches(self, authorization: str) -> bool:
        """Whether a request may pass.

        Args:
            authorization: The header's value, `Bearer TOKEN`.

        Returns:
            True if it holds the token.
        """
        scheme, _, shown = authorization.partition(" ")
        # Digests are of one length, so not even the token's length shows.
        digest = hashlib.sha256(shown.strip().encode()).digest()
        same = [hmac.compare_digest(digest, each) for each in self._digests]
        return any(same) and scheme.lower() == "bearer"


def read_access_token(file: Path | None) -> AccessToken | None:
    """Reads the token from a file or from the environment, never from the command line, which others can see.

    Args:
        file: Holds nothing but the token, or two lines with the new one and the old one, both of which are good;
            None looks at the variable AGNEWS_SERVE_TOKEN.

    Returns:
        The token, or None where there is none.

    Raises:
        AgnewsError: The file cannot be read, or the token is too short to keep anybody out.
    """
    if file is None:
        secret, place = os.environ.get(TOKEN_VARIABLE, "").strip(), f"the variable {TOKEN_VARIABLE}"
        if TOKEN_VARIABLE not in os.environ:
            return None
    else:
        place = str(file)
        try:
            secret = file.expanduser().read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise AgnewsError(
                "The file with the token cannot be read.",
                found=f"{file} ({error})",
                fix="Make one: `python3 -c 'import secrets; print(secrets.token_urlsafe())' > token; chmod 600 token`.",
            ) from error
    found = [line.strip() for line in secret.splitlines() if line.strip()] or [""]
    if len(found) > _MOST or any(not _is_good(each) for each in found):
        raise AgnewsError(
            f"A token is one word of ASCII characters, {_SHORTEST} or more; up to {_MOST} of them, a line each.",
            found=f"{len(found)} of {', '.join(str(len(each)) for each in found[:3])} characters in {place}",
            fix="Make one: `python3 -c 'import secrets; print(secrets.token_urlsafe())'`.",
        )
    return AccessToken(*found)


def _is_good(secret: str) -> bool:
    return len(secret) >= _SHORTEST and secret.isascii() and len(secret.split()) == 1
