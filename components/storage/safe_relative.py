"""Names from outside, before they become paths."""

from __future__ import annotations

import re
import unicodedata

from agnews.schemas.errors import AgnewsError, ExitCode

_LONGEST = 1024
_DRIVE = re.compile(r"[A-Za-z]:")


def safe_relative(name: str, *, within: str = "") -> str:
    """Lets a name through that stays in the folder that it is joined to.

    For names that this program did not make: object keys, members of an archive, names in a document.

    Args:
        name: The name, with `/` between its parts.
        within: What it was found in, for the message.

    Returns:
        The name, as it is.

    Raises:
        AgnewsError: It is empty or absolute, steps up with `..`, names a drive, or holds a backslash, a control
            character or an empty part.
    """
    parts = name.split("/")
    if (
        not name
        or len(name) > _LONGEST
        or "\\" in name
        or _DRIVE.match(name)
        or any(part in ("", ".", "..") for part in parts)
        or any(unicodedata.category(character) in ("Cc", "Cs") for character in name)
    ):
        shown = ascii(name if len(name) <= _LONGEST else f"{name[:80]}...")
        raise AgnewsError(
            "A name would lead out of the folder that it belongs to, so nothing is written under it.",
            found=f"{shown} in {within}" if within else shown,
            fix="Take the files from a source that you trust; remove or rename this one there.",
            exit_code=ExitCode.FAILED,
        )
    return name
