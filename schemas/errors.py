"""The one kind of error that a user can mend, and the exit codes of the command line."""

from __future__ import annotations

from enum import IntEnum

from agnews.schemas.hide_credentials import hide_credentials


class ExitCode(IntEnum):
    """What the command line returns to a shell or a scheduler.

    Attributes:
        OK: Every step ran (or was cached), and a run's model was blessed.
        FAILED: A step failed; the message names the step.
        USAGE: An argument, a configuration or a piece of input data is wrong; nothing was changed.
        NOT_BLESSED: Every step ran, and the model was not good enough to be pushed; the reasons are printed.
        LOCKED: Another process works in the same root folder.
        UNAVAILABLE: A server could not be reached, or failed; the same command may work later.
        INTERRUPTED: Ctrl-C or SIGTERM; running the same command again continues at the step that was cut.
    """

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_BLESSED = 3
    LOCKED = 4
    UNAVAILABLE = 5
    INTERRUPTED = 130


class AgnewsError(Exception):
    """A problem that its reader can mend: what is wrong, what was found, and what to do.

    The command line prints the three parts and no traceback. Raise a plain Python exception for a bug.

    Addresses are often what was found. User names and passwords in them are shown to nobody, whoever raises this.

    Args:
        problem: What is wrong, one sentence, with the place (file, line, configuration key, step).
        found: The value that was found, as it stands.
        fix: What the reader can do now, one sentence; a command where there is one.
        exit_code: What the command line ends with.
    """

    def __init__(
        self, problem: str, *, found: object = None, fix: str = "", exit_code: ExitCode = ExitCode.USAGE
    ) -> None:
        self.problem = problem = hide_credentials(problem)
        self.found = found = found if found is None else _without_credentials(found)
        self.fix = fix = hide_credentials(fix)
        self.exit_code = exit_code
        lines = [problem]
        if found is not None:
            lines.append(f"  found: {found}")
        if fix:
            lines.append(f"  fix:   {fix}")
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple[object, ...]:
        """Survives pickling, which Beam does to errors that cross a worker's border."""
        return (_rebuild, (type(self), self.problem, self.found, self.fix, self.exit_code))


def _without_credentials(found: object) -> object:
    text = str(found)
    shown = hide_credentials(text)
    return found if shown == text else shown


def _rebuild(kind: type[AgnewsError], problem: str, found: object, fix: str, exit_code: ExitCode) -> AgnewsError:
    return kind(problem, found=found, fix=fix, exit_code=exit_code)
