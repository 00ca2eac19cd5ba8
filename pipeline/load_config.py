"""From a configuration file and `--set` on the command line to one validated tree."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agnews.pipeline.class_sets import require_room_for_sets
from agnews.pipeline.corpus_settings import corpus_settings, dotted_keys, merge_sections, network_section
from agnews.pipeline.load_corpus import is_file, load_corpus
from agnews.schemas.corpus import AG_NEWS, Corpus
from agnews.schemas.errors import AgnewsError
from agnews.schemas.learning_config import MODEL_CONFIGS, TransformerConfig
from agnews.schemas.promotion_metric import promotion_metric

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

    from agnews.schemas.corpus import Corpus
    from agnews.schemas.run_config import RunConfig

CONFIGS = Path(__file__).parent / "configs"


def config_names() -> list[str]:
    """Returns the names that `--config` takes besides a file."""
    return sorted(path.stem for path in CONFIGS.glob("*.yaml"))


def load_config(name_or_file: str | None, settings: Iterable[str] = (), corpus: str | None = None) -> RunConfig:
    """Reads a configuration and applies what a corpus says, and single settings on top.

    What is said by hand, in a file or a setting, wins over what the description of the corpus says, and that over the
    configurations that come along.

    Args:
        name_or_file: A name in `pipeline/configs`, or the path of a YAML file; None takes the kind of model that the
            corpus asks for, or the transformer.
        settings: `KEY=VALUE` each; the key is dotted (`training.epochs`), the value is YAML.
        corpus: What `data.corpus` says unless a setting does; None takes that of the configuration.

    Returns:
        The validated tree. A description that is a file has its absolute path in it, and where nothing else is said,
        the data are the files that it names.

    Raises:
        AgnewsError: The file is missing or no YAML mapping, a key is unknown or a value is not allowed. The error
            names the key, the value and what is allowed.
    """
    origins: dict[str, str] = {}
    over: dict[str, Any] = {"data": {"corpus": _absolute(corpus)}} if corpus is not None else {}
    for setting in settings:
        key, value = _parse_setting(setting)
        _put(over, key, value, setting)
        origins[".".join(key)] = f"--set {setting}"
    packaged = name_or_file is None or name_or_file in config_names()
    if not packaged:
        over = merge_sections(_read_mapping(_config_file(str(name_or_file))), over)
    name = str(_section(over, "data").get("corpus", AG_NEWS))
    loaded = load_corpus(name)
    said = corpus_settings(loaded.corpus)
    wanted = _section(said, "model").get("kind", "transformer")
    by_hand = _section(over, "model").get("kind")
    base_kind = by_hand if str(by_hand) in MODEL_CONFIGS else wanted
    path = _config_file(str(name_or_file or base_kind)) if packaged else _config_file(str(name_or_file))
    base = _read_mapping(path) if packaged else {}
    kind = _section(over, "model").get("kind", _section(base, "model").get("kind", wanted))
    said = corpus_settings(loaded.corpus, kind, _network_kind(over), _network_kind(base))
    for key_said, _ in dotted_keys(said):
        origins.setdefault(key_said, f"the description of the corpus, {name}")
    tree = merge_sections(merge_sections(base, said), over)
    if loaded.root:
        tree = merge_sections({"data": {"source": loaded.root}}, tree)
        tree["data"]["corpus"] = _absolute(name)
    config = _validate(tree, str(path), origins)
    _require_valid_kinds(loaded.corpus, name, {str(wanted), *loaded.corpus.kinds} - {str(kind)})
    require_learnable(config, loaded.corpus)
    return config


def _network_kind(tree: Mapping[str, Any]) -> str | None:
    kind = _section(_section(tree, "model"), "network").get("kind")
    return None if kind is None else str(kind)


def require_learnable(config: RunConfig, corpus: Corpus) -> None:
    """Makes sure that a model of a configuration can learn a corpus, and be judged on it.

    Args:
        config: Of a run.
        corpus: What it is to be run on.

    Raises:
        AgnewsError: It cannot; the message names the setting.
    """
    promotion_metric(config.evaluation.metric, corpus.class_names)
    if corpus.label_sets is not None:
        require_room_for_sets(config)
    section, trained = network_section(config.model)
    if isinstance(trained, TransformerConfig):
        trained.require_room(corpus.num_classes, section)


def _require_valid_kinds(corpus: Corpus, name: str, kinds: Iterable[str]) -> None:
    """Checks what a description says for kinds of models that are not run now, rather than on the day when they are."""
    for kind in sorted(kinds):
        if kind not in MODEL_CONFIGS:
            close = difflib.get_close_matches(kind, MODEL_CONFIGS, n=1)
            raise AgnewsError(
                f"The description of the corpus, {name}, has settings for a kind of model that there is not.",
                found=f"kinds.{kind}",
                fix=(f"Did you mean {close[0]!r}? " if close else "") + f"The kinds are {', '.join(MODEL_CONFIGS)}.",
            )
        said = corpus_settings(corpus, kind)
        origins = {key: f"the description of the corpus, {name}, for {kind}" for key, _ in dotted_keys(said)}
        _validate(merge_sections(_read_mapping(_config_file(kind)), said), str(_config_file(kind)), origins)


def _section(tree: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = tree.get(name, {})
    return section if isinstance(section, dict) else {}


def _absolute(corpus: str) -> str:
    if not is_file(corpus) or "://" in corpus:
        return corpus
    return str(Path(corpus).expanduser().absolute())


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
            value = detail["input"]
            if isinstance(value, dict):
                key, value = f"{key}.kind", value.get("kind")
            problems.append(f"There is no model of this kind, {key}.")
            founds.append(f"{key} = {value!r} (from {origins.get(key, origin)})")
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
    """Leaves out the kinds of models, which pydantic puts between a section and its key."""
    if len(loc) < 3 or loc[0] != "model":
        return loc
    # The network of an ensemble is a section of its own.
    return (loc[0], loc[2], *loc[4:]) if loc[2] == "network" and len(loc) > 4 else (loc[0], *loc[2:])


def _allowed_keys(model: type[BaseModel], loc: tuple[int | str, ...]) -> str:
    from pydantic import BaseModel

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


def choose_config(
    *,
    data: str | None,
    model: str | None,
    config: str | None,
    settings: Iterable[str],
    corpus: str | None = None,
) -> RunConfig:
    """Reads the configuration that a command line asks for.

    Args:
        data: `sample`, a folder or a URI, or None for that of the configuration.
        model: Kind of model, or None for that of the configuration.
        config: Name or file of a configuration, or None for the model's own.
        settings: `KEY=VALUE` each, as `load_config` takes them.
        corpus: Name or file of the description of a corpus, or None for that of the configuration.

    Returns:
        The configuration; a folder with data has its absolute path in it.

    Raises:
        AgnewsError: The configuration is wrong, or is not one of the model.
    """
    from agnews.components.storage.read_secret import require_no_credentials
    from agnews.pipeline.paths import require_plain_path
    from agnews.schemas.learning_config import encoder_config
    from agnews.schemas.worker_rules import require_workers_fit

    tree = load_config(config or model, settings, corpus)
    if model is not None and tree.model.kind != model:
        raise AgnewsError(
            "The model asked for is not the one of the configuration.",
            found=f"--model {model}, but {config} configures {tree.model.kind}",
            fix="Leave --model out, or choose another --config.",
        )
    if (named := encoder_config(tree.model)) is not None:
        what = f"the encoder ({network_section(tree.model)[0]}.encoder)"
        require_plain_path(named.encoder, what)
        require_no_credentials(named.encoder, what)
    require_no_credentials(tree.data.source, "the data (data.source)")
    require_workers_fit(
        tree.devices.workers,
        kind=tree.model.kind,
        devices=tree.devices,
        batch_size=tree.training.batch_size,
        key="devices.workers",
    )
    if data is None:
        return tree
    require_no_credentials(data, "the data")
    source = data if data == "sample" or "://" in data else str(Path(data).expanduser().absolute())
    return tree.model_copy(update={"data": tree.data.model_copy(update={"source": source})})
