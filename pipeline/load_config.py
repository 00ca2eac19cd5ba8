"""From a configuration file and `--set` on the command line to one validated tree."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agnews.schemas.errors import AgnewsError

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

    from agnews.schemas.run_config import RunConfig

CONFIGS = Path(__file__).parent / "configs"


def config_names() -> list[str]:
    """Returns the names that `--config` takes besides a file."""
    return sorted(path.stem for path in CONFIGS.glob("*.yaml"))


def load_config(name_or_file: str, settings: Iterable[str] = ()) -> RunConfig:
    """Reads a configuration and applies single settings on top.

    Args:
        name_or_file: A name in `pipeline/configs`, or the path of a YAML file.
        settings: `KEY=VALUE` each; the key is dotted (`training.epochs`), the value is YAML.

    Returns:
        The validated tree.

    Raises:
        AgnewsError: The file is missing or no YAML mapping, a key is unknown or a value is not allowed. The error
            names the key, the value and what is allowed.
    """
    path = _config_file(name_or_file)
    tree = _read_mapping(path)
    origins: dict[str, str] = {}
    for setting in settings:
        key, value = _parse_setting(setting)
        _put(tree, key, value, setting)
        origins[".".join(key)] = f"--set {setting}"
    return _validate(tree, str(path), origins)


def _config_file(name_or_file: str) -> Path:
    path = Path(name_or_file).expanduser()
    if path.suffix in {".yaml", ".yml"} or len(path.parts) > 1:
        if not path.is_file():
            raise AgnewsError(
                "There is no such configuration file.",
                found=name_or_file,
                fix=f"Give an existing file, or one of the names {', '.join(config_names())}.",
            )
        return path
    if name_or_file not in config_names():
        close = difflib.get_close_matches(name_or_file, config_names(), n=1)
        raise AgnewsError(
            "There is no configuration of this name.",
            found=name_or_file,
            fix=(f"Did you mean {close[0]!r}? " if close else "")
            + f"The names are {', '.join(config_names())}; a file of your own ends in .yaml.",
        )
    return CONFIGS / f"{name_or_file}.yaml"


def _read_mapping(path: Path) -> dict[str, Any]:
    import yaml

    from agnews.schemas.yaml_text import read_yaml

    try:
        tree = read_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise AgnewsError(
            f"The configuration {path} is not readable YAML.", found=error, fix="Mend the file."
        ) from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise AgnewsError(
            f"The configuration {path} is not a mapping of keys to values.",
            found=type(tree).__name__,
            fix=f"Start from {CONFIGS / 'transformer.yaml'}.",
        )
    return tree


def _parse_setting(setting: str) -> tuple[list[str], Any]:
    import yaml

    from agnews.schemas.yaml_text import read_yaml

    key, separator, text = setting.partition("=")
    if not separator or not key.strip():
        raise AgnewsError(
            "A setting has the form KEY=VALUE.", found=setting, fix="For example: --set training.epochs=3"
        )
    try:
        value = read_yaml(text)
    except yaml.YAMLError as error:
        raise AgnewsError(
            f"The value of {key} is not readable YAML.",
            found=text,
            fix="Quote it for the shell: --set 'KEY=VALUE'",
        ) from error
    return key.strip().split("."), value


def _put(tree: dict[str, Any], key: list[str], value: Any, setting: str) -> None:
    section = tree
    for name in key[:-1]:
        child = section.setdefault(name, {})
        if not isinstance(child, dict):
            raise AgnewsError(
                f"{name} is a single value and has no keys under it.",
                found=f"--set {setting}",
                fix="Set the value itself, or one of the keys that `agnews run --help` lists.",
            )
        section = child
    section[key[-1]] = value


def _validate(tree: Mapping[str, Any], origin: str, origins: Mapping[str, str]) -> RunConfig:
    from pydantic import ValidationError

    from agnews.schemas.run_config import RunConfig

    try:
        return RunConfig.model_validate(tree)
    except ValidationError as error:
        raise _readable(error, RunConfig, origin, origins) from None


def _readable(error: ValidationError, model: type[BaseModel], origin: str, origins: Mapping[str, str]) -> AgnewsError:
    details = error.errors()
    problems, founds, fixes = [], [], []
    for detail in details:
        loc = _without_kind(detail["loc"])
        key = ".".join(str(part) for part in loc)
        if detail["type"] == "union_tag_invalid":
            key += ".kind"
            problems.append(f"There is no model of this kind, {key}.")
            founds.append(f"{key} = {detail['input'].get('kind')!r} (from {origins.get(key, origin)})")
            fixes.append(f"The kinds are {detail['ctx']['expected_tags'].replace(chr(39), '')}.")
            continue
        if detail["type"] == "extra_forbidden":
            problems.append(f"The configuration has no key {key}.")
            fixes.append(_allowed_keys(model, detail["loc"]))
        else:
            problems.append(f"The value of {key} is not allowed.")
            fixes.append(f"{key}: {detail['msg'][0].lower()}{detail['msg'][1:]}.")
        founds.append(f"{key} = {detail['input']!r} (from {origins.get(key, origin)})")
    return AgnewsError(" ".join(problems), found="; ".join(founds), fix=" ".join(fixes))


def _without_kind(loc: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Leaves out the kind of model, which pydantic puts between the section and its key."""
    return (loc[0], *loc[2:]) if len(loc) > 2 and loc[0] == "model" else loc


def _allowed_keys(model: type[BaseModel], loc: tuple[int | str, ...]) -> str:
    from pydantic import BaseModel

    from agnews.schemas.learning_config import MODEL_CONFIGS

    section: type[BaseModel] = model
    for part in loc[:-1]:
        if part in MODEL_CONFIGS:
            section = MODEL_CONFIGS[str(part)]
            continue
        annotation = section.model_fields[str(part)].annotation if part in section.model_fields else None
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            section = annotation
    names = list(section.model_fields)
    close = difflib.get_close_matches(str(loc[-1]), names, n=1)
    return (f"Did you mean {close[0]!r}? " if close else "") + f"Keys allowed there: {', '.join(names)}."


def choose_config(*, data: str | None, model: str | None, config: str | None, settings: Iterable[str]) -> RunConfig:
    """Reads the configuration that a command line asks for.

    Args:
        data: `sample`, a folder or a URI, or None for that of the configuration.
        model: Kind of model, or None for that of the configuration.
        config: Name or file of a configuration, or None for the model's own.
        settings: `KEY=VALUE` each, as `load_config` takes them.

    Returns:
        The configuration; a folder with data has its absolute path in it.

    Raises:
        AgnewsError: The configuration is wrong, or is not one of the model.
    """
    from agnews.components.storage.read_secret import require_no_credentials
    from agnews.pipeline.paths import require_plain_path
    from agnews.schemas.learning_config import BertFinetuneConfig, BertFrozenConfig

    tree = load_config(config or model or "transformer", settings)
    if model is not None and tree.model.kind != model:
        raise AgnewsError(
            "The model asked for is not the one of the configuration.",
            found=f"--model {model}, but {config} configures {tree.model.kind}",
            fix="Leave --model out, or choose another --config.",
        )
    if isinstance(tree.model, BertFrozenConfig | BertFinetuneConfig):
        require_plain_path(tree.model.encoder, "the encoder (model.encoder)")
        require_no_credentials(tree.model.encoder, "the encoder (model.encoder)")
    require_no_credentials(tree.data.source, "the data (data.source)")
    if data is None:
        return tree
    require_no_credentials(data, "the data")
    source = data if data == "sample" or "://" in data else str(Path(data).expanduser().absolute())
    return tree.model_copy(update={"data": tree.data.model_copy(update={"source": source})})
