"""Addresses as they may be shown."""

from __future__ import annotations

import re

HIDDEN = "***"
"""Stands where a secret was."""

# The second form is no address, and what people write whose password has a slash in it. A port is no password.
_CREDENTIALS = re.compile(r"(?<=://)(?:[^/\s?#]*|[^/\s?#@:]*:(?!\d{1,5}(?:[/?#\s]|$))\S*)@")
# An address that was taken for a path has lost a slash.
_IN_A_PATH = re.compile(r"(?<=\w:/)(?:[^/\s?#]+|[^/\s?#@:]*:(?!\d{1,5}(?:[/?#\s]|$))\S*)@")
# What is signed or keyed in the query of an address lets others in as well.
_SIGNED = re.compile(r"(?i)([?&][\w.-]*(?:token|key|sig|signature|secret|password|credential)[\w.-]*=)[^&\s#]+")


def hide_credentials(text: str) -> str:
    """Takes user names, passwords and signatures out of addresses, for messages, logs and reports.

    Args:
        text: An address, or any text with addresses in it.

    Returns:
        The text with `***` in their place.
    """
    if "@" in text:
        text = _IN_A_PATH.sub(f"{HIDDEN}@", _CREDENTIALS.sub(f"{HIDDEN}@", text))
    return _SIGNED.sub(rf"\g<1>{HIDDEN}", text) if "=" in text else text
