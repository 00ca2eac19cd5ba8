"""A secret that clients have to show."""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path

from agnews.schemas.errors import AgnewsError

TOKEN_VARIABLE = "AGNEWS_SERVE_TOKEN"  # noqa: S105 - its name, not its value
_SHORTEST = 16


class AccessToken:
    """Compares in a time that says nothing about how much of a guess was right.

    Args:
        secret: The token.
    """

    def __init__(self, secret: str) -> None:
        self._digest = hashlib.sha256(secret.encode()).digest()

    def matches(self, authorization: str) -> bool:
        """Whether a request may pass.

        Args:
            authorization: The header's value, `Bearer TOKEN`.

        Returns:
            True if it holds the token.
        """
        scheme, _, shown = authorization.partition(" ")
        # Digests are of one length, so not even the token's length shows.
        same = hmac.compare_digest(hashlib.sha256(shown.strip().encode()).digest(), self._digest)
        return same and scheme.lower() == "bearer"


def read_access_token(file: Path | None) -> AccessToken | None:
    """Reads the token from a file or from the environment, never from the command line, which others can see.

    Args:
        file: Holds nothing but the token; None looks at the variable AGNEWS_SERVE_TOKEN.

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
    if len(secret) < _SHORTEST or not secret.isascii() or len(secret.split()) != 1:
        raise AgnewsError(
            f"A token is one word of ASCII characters, {_SHORTEST} or more.",
            found=f"{len(secret)} characters in {place}",
            fix="Make one: `python3 -c 'import secrets; print(secrets.token_urlsafe())'`.",
        )
    return AccessToken(secret)
