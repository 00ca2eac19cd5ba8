"""From the name or the file of a profile to one validated deployment table."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from agnews.schemas.deployment import Deployment
from agnews.schemas.errors import AgnewsError
from agnews.schemas.first_problem import first_problem
from agnews.schemas.yaml_text import read_yaml

PROFILES = Path(__file__).parent / "configs" / "deployment"
_EXTENDS = "extends"


def profile_names() -> list[str]:
    """Returns the names that `--profile` takes besides a file."""
    return sorted(path.stem for path in PROFILES.glob("*.yaml"))


def load_deployment(name_or_file: str) -> Deployment:
    """Reads a deployment table.

    Args:
        name_or_file: A name in `pipeline/configs/deployment`, or the path of a YAML file. With the key `extends`, the
            name or path of another table, it is merged into that one, key by key; lists are replaced.

    Returns:
        The table.

    Raises:
        AgnewsError: The file is missing or no YAML mapping, a key is unknown, or a value is not allowed.
    """
    path = _find(name_or_file, None)
    try:
        return Deployment.model_validate(_read(path, ()))
    except ValidationError as error:
        raise AgnewsError(
            f"The deployment table {path} cannot be used.",
            found=first_problem(error).replace(": Value error, ", ": "),
            fix="docs/deployment.md lists the keys.",
        ) from None


def _read(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    if path in seen:
        raise AgnewsError("Deployment tables extend each other in a circle.", found=path, fix="Leave out one extends.")
    try:
        tree = read_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise AgnewsError(f"The deployment table {path} is not readable YAML.", found=error, fix="Mend it.") from error
    if not isinstance(tree, dict):
        raise AgnewsError(
            f"The deployment table {path} is not a mapping of keys to values.",
            found=type(tree).__name__,
            fix="Begin with: extends: cpu",
        )
    base = tree.pop(_EXTENDS, None)
    return tree if base is None else _merged(_read(_find(str(base), path.parent), (*seen, path)), tree)


def _find(name_or_file: str, beside: Path | None) -> Path:
    path = Path(name_or_file).expanduser()
    if path.suffix in {".yaml", ".yml"} or len(path.parts) > 1:
        path = (beside or Path.cwd()) / path
        if not path.is_file():
            raise AgnewsError("There is no such deployment table.", found=path, fix="Give an existing file.")
        return path.resolve()
    if name_or_file not in profile_names():
        close = difflib.get_close_matches(name_or_file, profile_names(), n=1)
        raise AgnewsError(
            "There is no profile of this name.",
            found=name_or_file,
            fix=(f"Did you mean {close[0]!r}? " if close else "")
            + f"The names are {', '.join(profile_names())}; a table of your own ends in .yaml.",
        )
    return PROFILES / f"{name_or_file}.yaml"


def _merged(base: Any, over: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    return {**base, **{key: _merged(base.get(key), value) for key, value in over.items()}}
