"""From the text of a corpus.yaml to a checked description, with the line in every error."""

from __future__ import annotations

import difflib
import json
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from agnews.schemas.corpus import AG_NEWS, CORPUS_FORMAT, Corpus, LabelSets, written_path
from agnews.schemas.errors import AgnewsError

_Path = tuple[str | int, ...]
_NAMES: dict[type, str] = {dict: "a mapping", list: "a list"}
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def packaged_names() -> list[str]:
    """Returns the names of the descriptions that come along."""
    return sorted(each.name.removesuffix(".yaml") for each in files("agnews.schemas").joinpath("corpora").iterdir())


@cache
def packaged_corpus(name: str = AG_NEWS) -> Corpus:
    """Returns a description that comes along.

    Args:
        name: One of `packaged_names`.

    Raises:
        AgnewsError: There is none of this name.
    """
    if name not in packaged_names():
        close = difflib.get_close_matches(name, packaged_names(), n=1)
        raise AgnewsError(
            "There is no corpus of this name.",
            found=name,
            fix=(f"Did you mean {close[0]!r}? " if close else "")
            + f"Names are {', '.join(packaged_names())}; a description of your own is a file that ends in .yaml: "
            "`agnews corpus init FILE` writes one.",
        )
    path = files("agnews.schemas").joinpath("corpora", f"{name}.yaml")
    return parse_corpus(path.read_text(encoding="utf-8"), str(path))


def parse_corpus(text: str, origin: str) -> Corpus:
    """Reads a description.

    Args:
        text: YAML. Keys are taken as they are written: `1`, `01` and `yes` are three different values of a class.
        origin: What the file is called in messages.

    Returns:
        The description.

    Raises:
        AgnewsError: It is no YAML, of a later format, or a key is unknown, missing or wrong; the message names file,
            line and key.
    """
    tree, lines = _read(text, origin)
    if not isinstance(tree, dict):
        raise AgnewsError(
            f"{origin} describes no corpus: it is no mapping of keys to values.",
            found=type(tree).__name__,
            fix="`agnews corpus init FILE` writes a description that you can start from.",
        )
    number = tree.get("format")
    if isinstance(number, int) and number > CORPUS_FORMAT:
        raise AgnewsError(
            f"{origin} is written in a later format than this version of agnews reads.",
            found=f"format: {number}; this version reads {CORPUS_FORMAT}",
            fix="Install a newer agnews.",
        )
    try:
        # By way of JSON, where strict validation takes a list for a tuple and nothing else for anything else.
        return Corpus.model_validate_json(json.dumps(_spelled_out(tree)))
    except ValidationError as error:
        raise _explain(error, tree, lines, origin) from None


def _read(text: str, origin: str) -> tuple[Any, dict[_Path, int]]:
    lines: dict[_Path, int] = {}
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        return (None if node is None else _value(loader, node, (), lines, origin)), lines
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        raise AgnewsError(
            f"{origin}{where} is no YAML.",
            found=getattr(error, "problem", None) or error,
            fix="Mend the line; a value with a colon or a # in it wants quotes.",
        ) from None
    finally:
        loader.dispose()


def _value(loader: Any, node: Any, path: _Path, lines: dict[_Path, int], origin: str) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        return [_value(loader, each, (*path, i), lines, origin) for i, each in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        tree: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or key in tree:
                raise AgnewsError(
                    f"{origin}, line {line}: a key stands there twice, or is no word.",
                    found=f"{key if isinstance(key_node, yaml.ScalarNode) else 'a list or a mapping'}, first in line "
                    f"{lines.get((*path, str(key)), line)}",
                    fix="Keep one of them.",
                )
            lines[*path, key] = line
            tree[key] = _value(loader, value_node, (*path, key), lines, origin)
        return tree
    value = loader.construct_object(node)
    return value if value is None or isinstance(value, str | int | float | bool) else node.value


def _spelled_out(tree: dict[str, Any]) -> dict[str, Any]:
    """Writes short forms out: classes as a mapping or a list of words, one text column, the name of a test file."""
    full = dict(tree)
    match tree.get("classes"):
        case dict() as classes:
            full["classes"] = [{"value": value, "name": name} for value, name in classes.items()]
        case list() as classes:
            full["classes"] = [
                {"value": each, "name": each} if not isinstance(each, dict) else each for each in classes
            ]
    if isinstance(tree.get("texts"), str):
        full["texts"] = [tree["texts"]]
    sections = tree.get("files")
    if isinstance(sections, dict) and isinstance(sections.get("test"), str):
        full["files"] = {**sections, "test": {"file": sections["test"]}}
    golden = tree.get("golden_texts")
    if isinstance(golden, dict):
        full["golden_texts"] = {name: [each] if isinstance(each, str) else each for name, each in golden.items()}
    return full


def _explain(error: ValidationError, tree: dict[str, Any], lines: dict[_Path, int], origin: str) -> AgnewsError:
    # A key that is missing is mostly one that stands there under another name.
    detail = min(error.errors(), key=lambda each: {"extra_forbidden": 0, "missing": 2}.get(each["type"], 1))
    entry = detail.get("ctx", {}) if detail["type"] == "wrong_entry" else {}
    message = str(detail["msg"]).removeprefix("Value error, ")
    loc = _as_written(written_path((*detail["loc"], *entry.get("entry", ()))), tree)
    if not loc and ":" in message:
        # A rule about several keys begins with the one to look at.
        loc, message = (message.partition(":")[0],), message.partition(":")[2].strip()
    key = ".".join(map(str, loc))
    line = _line_of(loc, lines)
    more = len(error.errors()) - 1
    rest = f" {more} more mistake{'s' * (more > 1)} may hide behind it." if more else ""
    if detail["type"] == "extra_forbidden":
        return AgnewsError(f"{origin}, line {line}: there is no key {key}.", found=key, fix=_keys_beside(loc) + rest)
    if detail["type"] == "missing":
        return AgnewsError(
            f"{origin}, line {line}: the key {key} is missing.", found="nothing", fix=f"Say {key}: ...{rest}"
        )
    hint = " Put it in quotes." if detail["type"] == "string_type" else ""
    found = entry.get("found", detail["input"])
    return AgnewsError(
        f"{origin}, line {line}: {key} is not right: {message[:1].lower()}{message[1:]}.",
        found=repr(found) if isinstance(found, str) else _NAMES.get(type(found), str(found)),
        fix=f"Mend the key, then try again.{hint}{rest}",
    )


def _as_written(loc: _Path, tree: dict[str, Any]) -> _Path:
    """Takes back what `_spelled_out` did to classes: entry 2, `name`, becomes the key that stands in the file."""
    classes = tree.get("classes")
    if len(loc) > 1 and loc[0] == "classes" and isinstance(loc[1], int):
        return ("classes", list(classes)[loc[1]]) if isinstance(classes, dict) else loc[:2]
    return loc


def _line_of(loc: _Path, lines: dict[_Path, int]) -> int:
    for end in range(len(loc), -1, -1):
        if loc[:end] in lines:
            return lines[loc[:end]]
    return 1


def _keys_beside(loc: _Path) -> str:
    section: type[BaseModel] = Corpus
    for part in loc[:-1]:
        field = section.model_fields.get(str(part))
        kind = field.annotation if field else None
        if part == "label":
            section = LabelSets
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            section = kind
    names = list(section.model_fields)
    close = difflib.get_close_matches(str(loc[-1]), names, n=1)
    return (f"Did you mean {close[0]!r}? " if close else "") + f"Keys there are {', '.join(names)}."
