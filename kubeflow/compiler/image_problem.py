"""Whether the name of an image always means the same image."""

from __future__ import annotations

import re

_DIGEST = re.compile(r"^[^@\s]+@sha256:[0-9a-f]{64}$")


def image_problem(image: str) -> str | None:
    """Says what is wrong with the name of an image.

    Args:
        image: `registry/name:tag` or `registry/name@sha256:digest`.

    Returns:
        A few words, or None for a digest or a tag that is not `latest`.
    """
    if not image:
        return "no image"
    if "@" in image:
        return None if _DIGEST.match(image) else f"{image} has no whole digest"
    # The registry may have a port.
    _, colon, tag = image.rpartition("/")[2].partition(":")
    if not colon or not tag:
        return f"{image} has no tag, which means latest"
    return f"{image} is the latest of many" if tag == "latest" else None
