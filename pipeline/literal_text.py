"""Words from outside on a terminal: as they are, whatever they hold."""

from __future__ import annotations

_KEPT = "\n\t"


def printable(value: object) -> str:
    r"""Returns a text without characters that a terminal would obey; they are shown as `\x1b` and the like.

    For names that this program did not choose: of files and objects, of classes, of users, from a server.

    Args:
        value: The text, or what has one.
    """
    text = str(value)
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in _KEPT else each.encode("unicode_escape", "surrogatepass").decode()
        for each in text
    )


def literal(value: object) -> str:
    """Returns a text that rich prints as it stands, `[/b]` too, in the middle of markup."""
    from rich.markup import escape

    return escape(printable(value))
