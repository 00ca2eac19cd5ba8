"""The best settings as a configuration file."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from agnews.components.storage.atomic_output import write_atomically
from agnews.components.tuning.read_search_space import Setting
from agnews.schemas.errors import AgnewsError
from agnews.schemas.run_config import RunConfig
from agnews.schemas.yaml_text import write_yaml

MARK = "# Found by `agnews tune`."
"""First line of every file written here: such a file may be replaced, one that a person wrote may not."""


def require_replaceable(file: Path) -> None:
    """Makes sure before hours of work that a file can be written in the end.

    Args:
        file: The file; its folder is made if need be.

    Raises:
        AgnewsError: The name does not end in .yaml, a file there is not from here, or the folder cannot be written.
    """
    if file.suffix not in {".yaml", ".yml"}:
        raise AgnewsError(
            "A configuration file ends in .yaml.", found=str(file), fix="Choose another name with --out FILE."
        )
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            file.touch()
            file.unlink()
            return
        with file.open(encoding="utf-8", errors="replace") as stream:
            first = stream.readline().rstrip()
    except OSError as error:
        raise AgnewsError(
            "The configuration cannot be written there.",
            found=f"{file} ({error.strerror or error})",
            fix="Choose another file with --out FILE.",
        ) from error
    if first != MARK:
        raise AgnewsError(
            "There is a file already, and it is not one that `agnews tune` wrote.",
            found=str(file),
            fix="Choose another file with --out FILE, or move that one away.",
        )


def write_config(file: Path, config: RunConfig, *, facts: Sequence[str], searched: Collection[str]) -> None:
    """Writes a configuration that `agnews run --config FILE` takes.

    Every key of the model and of the training is written, so that a later default changes nothing; of other sections
    only what differs from the defaults.

    Args:
        file: The file; replaced at once.
        config: The configuration.
        facts: Where it comes from, a line each.
        searched: Keys whose values were searched; they are marked.
    """
    every = config.model_dump(mode="json")
    changed = config.model_dump(mode="json", exclude_defaults=True)
    lines = [MARK, *(f"# {fact}".rstrip() for fact in facts), ""]
    for name, section in every.items():
        if not isinstance(section, dict):
            lines += [f"{name}: {_scalar(section)}", ""]
            continue
        shown = section if name in {"model", "training"} else changed.get(name, {})
        if shown:
            lines.append(f"{name}:")
            lines += _entries(name, shown, searched)
            lines.append("")
    write_atomically(file, "\n".join(lines))


def _entries(prefix: str, section: Mapping[str, object], searched: Collection[str]) -> Iterator[str]:
    indent = "  " * (prefix.count(".") + 1)
    for name, value in section.items():
        key = f"{prefix}.{name}"
        if isinstance(value, Mapping) and value:
            yield f"{indent}{name}:"
            yield from _entries(key, value, searched)
        else:
            yield f"{indent}{name}: {_scalar(value)}{'  # searched' if key in searched else ''}"


def _scalar(value: object) -> str:
    return write_yaml(value, default_flow_style=True, width=10_000).removesuffix("\n").removesuffix("\n...")


def word_settings(settings: Mapping[str, Setting]) -> str:
    """Returns settings on one line, without the sections of their keys."""
    return "  ".join(f"{key.split('.')[-1]} {_word(value)}" for key, value in settings.items())


def _word(value: Setting) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return f"{value:.3g}" if isinstance(value, float) else str(value)
