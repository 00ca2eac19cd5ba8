"""Secrets: read from a file or from the environment, and shown to nobody."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import SecretStr

from agnews.schemas.errors import AgnewsError
from agnews.schemas.hide_credentials import hide_credentials


def read_secret(
    variable: str, *, file: Path | None = None, environment: Mapping[str, str] = os.environ, words: bool = False
) -> SecretStr | None:
    """Reads a token, a cookie or a password.

    White space around it is not part of it: editors end files with a line end, and so do `kubectl` and `echo`.

    Args:
        variable: Variable of the environment that holds it where no file does.
        file: Holds nothing but the secret; None looks at the variable.
        environment: Variables of the process.
        words: Whether spaces may stand in it, as in a cookie.

    Returns:
        The secret; None where there is none. Its text is in `get_secret_value` alone.

    Raises:
        AgnewsError: The file cannot be read or is empty, or what is there fits no header: it has several lines,
            or characters other than printable ASCII. No message holds any of it.
    """
    if file is None:
        text, place = environment.get(variable, "").strip(), f"the environment variable {variable}"
        if not text:
            return None
    else:
        place = f"the file {file}"
        try:
            text = file.expanduser().read_text(encoding="utf-8").strip()
        except OSError as error:
            raise AgnewsError(
                "A file with a secret cannot be read.",
                found=f"{file}: {error.strerror}",
                fix="Correct the path, or its permissions; a pod gets such files from a mounted secret.",
            ) from error
        except UnicodeDecodeError:
            raise _no_secret(place, "bytes that are no text") from None
    if problem := _problem(text, words=words):
        raise _no_secret(place, problem)
    return SecretStr(text)


def _problem(text: str, *, words: bool) -> str:
    if not text:
        return "nothing"
    if (lines := len(text.splitlines())) > 1:
        return f"{lines} lines"
    if not text.isascii() or not text.isprintable():
        return "characters that no header may hold"
    return "a space" if " " in text and not words else ""


def _no_secret(place: str, problem: str) -> AgnewsError:
    return AgnewsError(
        "What is given as a secret cannot be one: a secret is one line of printable ASCII characters.",
        found=f"{problem} in {place}; the rest is not shown",
        fix="Put the secret there and nothing else.",
    )


def require_no_credentials(address: str, what: str) -> None:
    """Refuses an address that holds a user name, a password or a signature: it would be copied into every report.

    Args:
        address: A path or an address.
        what: What it is, for the message.

    Raises:
        AgnewsError: It holds some; they are not shown.
    """
    shown = hide_credentials(address)
    if shown != address:
        raise AgnewsError(
            f"The address of {what} holds credentials, and addresses are written into reports, records and specs.",
            found=shown,
            fix="Leave them out: stores take them from the environment, as all tools of AWS and Google do.",
        )


def show_command(arguments: Sequence[str]) -> str:
    """Puts a command line together as it may be kept.

    Args:
        arguments: The program's path and its arguments.

    Returns:
        One line that a shell reads, without credentials.
    """
    return shlex.join([Path(arguments[0]).name, *map(hide_credentials, arguments[1:])])
