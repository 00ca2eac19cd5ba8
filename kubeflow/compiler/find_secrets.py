"""Values that look like secrets, in documents that everybody may read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_PATTERNS = {
    "a user and password in a URI": re.compile(r"[a-z][a-z0-9+.-]*://[^/\s:@]*:[^/\s@]+@"),
    "a signed URI": re.compile(r"[?&](X-Amz-Signature|X-Goog-Signature|sig)=", re.IGNORECASE),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "an access key of AWS": re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a token of GitHub": re.compile(r"\b(gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})"),
    "a token of Hugging Face": re.compile(r"\bhf_[A-Za-z0-9]{30,}"),
    "a key of Google": re.compile(r"\bAIza[0-9A-Za-z_-]{35}"),
    "a JSON web token": re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\."),
}
_TELLING = re.compile(
    r"(^|_)(PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIALS?|API_?KEY|ACCESS_?KEY(_ID)?|PRIVATE_?KEY)(_|$)",
    re.IGNORECASE,
)


def find_secrets(document: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Looks through all texts of a document.

    Args:
        document: Mappings, lists and values.
        place: Where the document stands.

    Yields:
        Where something was found, and what it looks like; never the value.
    """
    if isinstance(document, dict):
        name, value = document.get("name"), document.get("value")
        # An environment variable. The path of a file with a secret is none.
        if isinstance(name, str) and isinstance(value, str) and _TELLING.search(name) and value[:1] not in {"", "/"}:
            yield f"{place}.value", f"the value of {name}"
        for key, part in document.items():
            yield from find_secrets(part, f"{place}.{key}" if place else str(key))
    elif isinstance(document, list):
        for number, part in enumerate(document):
            yield from find_secrets(part, f"{place}[{number}]")
    elif isinstance(document, str):
        for kind, pattern in _PATTERNS.items():
            if pattern.search(document):
                yield place, kind
