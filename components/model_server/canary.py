"""Sends a share of the requests to another version."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

from agnews.schemas.errors import AgnewsError

_FORM = re.compile(r"([0-9]{1,18})=(0?\.[0-9]+|1(?:\.0*)?|0)")


@dataclass(frozen=True)
class Canary:
    """Which requests go to which version.

    Attributes:
        version: The number of the other version.
        share: Of the requests.
    """

    version: str
    share: float

    def takes(self, key: str) -> bool:
        """Whether a request goes to the other version; the same for the same key.

        Args:
            key: The request's id: whoever sends the same id gets the same version.
        """
        return zlib.crc32(b"canary " + key.encode()) < self.share * (1 << 32)


def parse_canary(value: str) -> Canary:
    """Reads `VERSION=SHARE`.

    Args:
        value: For example `1763820000=0.05`.

    Returns:
        What it says.

    Raises:
        AgnewsError: It says something else.
    """
    found = _FORM.fullmatch(value)
    if found is None:
        raise AgnewsError(
            "A canary is a version and its share of the requests.",
            found=f"--canary {value}",
            fix="For example --canary 1763820000=0.05; `agnews models list` shows the versions.",
        )
    return Canary(found[1], float(found[2]))
