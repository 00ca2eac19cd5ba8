"""What is wrong with a document that was read, in one line."""

from __future__ import annotations

from pydantic import ValidationError


def first_problem(error: ValidationError) -> str:
    """Returns the first finding of a validation: the place, where there is one, and what is wrong there.

    Args:
        error: What pydantic raised.
    """
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else str(first["msg"])
