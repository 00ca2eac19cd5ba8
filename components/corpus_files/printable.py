"""Pieces of unknown data made safe to print."""

from __future__ import annotations


def printable(value: str, length: int | None = None) -> str:
    """Makes one short line of a text that may hold anything.

    Args:
        value: The text; bytes that are no UTF-8 stand in it as surrogates, as `surrogateescape` leaves them.
        length: Most characters to take of it; None takes all.

    Returns:
        The text with bytes, control characters and line ends escaped, so that printing it changes no terminal;
        an ellipsis stands where it was cut.
    """
    cut = value if length is None or len(value) <= length else value[: length - 1] + "…"
    if cut.isprintable():
        return cut
    raw = cut.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in raw)
