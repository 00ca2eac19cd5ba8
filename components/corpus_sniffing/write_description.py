"""The text of a corpus.yaml: what is said of the files, and what each line means."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./ &()'-]*[A-Za-z0-9_.)]|[A-Za-z]")
_HEAD = """\
# What agnews has to know of these texts. `agnews corpus init` wrote it down once, from what the files looked like; from
# now on it is yours: read it, mend it, commit it. Every key is explained in docs/your-corpus.md; `agnews corpus check`
# reads all rows by it.
"""


def write_description(document: Mapping[str, Any], unsure: Sequence[str]) -> str:
    """Writes a description.

    Args:
        document: Keys and values, from `propose_corpus`.
        unsure: What a person has to look at; it stands at the beginning.

    Returns:
        YAML with a comment on each line.
    """
    files = document["files"]
    lines = [_HEAD]
    if unsure:
        lines += ["# To look at:", *(f"# - {_on_one_line(each)}" for each in unsure), ""]
    lines += [
        "format: 1  # of this file",
        f"name: {_scalar(document['name'])}  # what records and reports call the corpus",
        f"title: {_scalar(document.get('title') or document['name'])}  # what people call it",
        'about: short texts  # what the texts are, words that follow "sorting"',
        "text: text  # what one of them is called: headline, question, review",
        "question: Which class is it?  # what the model answers",
        f"language: {_scalar(document['language'])}  # of the texts, a BCP 47 tag",
        'licence: ""  # under which terms the rows may be used, one sentence',
        "",
        "files:",
        *([f"  root: {_scalar(files['root'])}  # their folder, from here"] if "root" in files else []),
        f"  train: {_scalar(files['train'])}  # rows to learn from",
        f"  test: {_flow(files['test'])}  # {_about_test(files['test'])}",
    ]
    if document.get("read"):
        lines += ["read:", *(f"  {key}: {_scalar(value)}{_READ[key]}" for key, value in document["read"].items())]
    if document.get("columns"):
        lines.append(
            f"columns: {_flow(document.get('columns'))}  # names of the columns, made up: the file has no header"
        )
    lines += [
        "",
        f"label: {_flow(document['label'])}  # {_about_label(document['label'])}",
        f"texts: {_flow(document['texts'])}  # the columns of the text, joined by one space",
        "# What stands in the file: what people are shown. The order is that of the labels that models learn.",
        "# The list is closed: a row with another value is a bad row.",
        "classes:",
        *(f"  {_scalar(value, key=True)}: {_scalar(value)}" for value in document["classes"]),
        "",
        "limits:  # a row beyond them is a bad row",
        *(f"  {key}: {value}  # {_LIMITS[key]}" for key, value in document["limits"].items()),
        "floors:  # what a model must show before it may be pushed; raise them once you know what is usual",
        *(f"  {key}: {value}  # {_about_floor(key, document['label'])}" for key, value in document["floors"].items()),
        "distances:  # how far two samples of these texts may be apart",
        f"  noise: {_flow(document['distances']['noise'])}  # by chance, on random halves of the training rows",
    ]
    if document["distances"].get("tolerance"):
        tolerance = _flow(document["distances"]["tolerance"])
        lines.append(f"  tolerance: {tolerance}  # besides: train and test as they are differ that much")
    lines += _settings(document)
    lines += [
        "",
        "# Unmistakable texts by name of their class, written by you: tried before each push, for example",
        "# golden_texts:",
        f'#   {_scalar(document["classes"][0])}: ["...", "..."]',
        f"example_texts:{'' if document['example_texts'] else ' []'}  # what the page of the server offers to try",
        *(f"  - {_quoted(each)}" for each in document["example_texts"]),
    ]
    return "\n".join(lines) + "\n"


_READ = {
    "format": "  # what the files are: csv, tsv, jsonl, parquet or folders",
    "delimiter": "  # what stands between columns",
    "header": "  # whether the first row names the columns",
    "quotes": "  # whether columns may stand in double quotes",
    "encoding": "  # of the texts",
}
_LIMITS = {
    "max_words": "twice the longest text, rounded up: many more are a broken quote that swallowed rows",
    "max_field_bytes": "of one column",
}
_FLOORS = {
    "min_accuracy": "half of the way from always the largest class to no mistake, less ten points",
    "min_class_recall": "of every class by itself",
    "min_examples": "test rows; fewer decide nothing",
    "min_class_examples": "test rows of every class",
}


def _about_floor(key: str, label: object) -> str:
    if key == "min_accuracy" and not isinstance(label, str):
        return "share of texts that are given exactly their classes: a tenth of the way from always the commonest set"
    return _FLOORS[key]


def _settings(document: Mapping[str, Any]) -> list[str]:
    lines = []
    if document.get("settings"):
        lines.append("settings:  # of the configuration; what is said by hand wins")
        lines += [f"  {section}: {_flow(keys)}" for section, keys in document["settings"].items()]
    if document.get("kinds"):
        lines.append("kinds:  # the same for one kind of model: `agnews run --model KIND`")
    for kind, sections in document.get("kinds", {}).items():
        lines.append(f"  {kind}:")
        lines += [f"    {section}: {_flow(keys)}" for section, keys in sections.items()]
    if document.get("reasons"):
        lines.append("reasons:  # why, shown by `agnews config show --corpus FILE` and in the report")
        lines += [f"  {key}: {_quoted(why)}" for key, why in document["reasons"].items()]
    return lines


def _about_label(label: object) -> str:
    if isinstance(label, str):
        return "the column of the class"
    return "the column of the classes, of which a text may have several; `label: COLUMN` if each cell is one"


def _about_test(test: object) -> str:
    if isinstance(test, str):
        return "rows that decide about a model; no model learns from them"
    if isinstance(test, dict) and "share" in test:
        return "share of the texts that decide about a model, chosen by a hash of the text"
    return "the rows that decide about a model"


def _scalar(value: object, *, key: bool = False) -> str:
    """Writes a value so that YAML of any version reads it back; keys are read as they are written."""
    if isinstance(value, str):
        if (_PLAIN.fullmatch(value) and yaml.safe_load(value) == value) or (key and re.fullmatch(r"\d+", value)):
            return value
        return _quoted(value)
    return json.dumps(value)


def _quoted(text: str) -> str:
    return _on_one_line(json.dumps(text, ensure_ascii=False))


def _on_one_line(text: str) -> str:
    """Escapes, as YAML does within double quotes, what would end a line, and what YAML holds in no other way."""
    return "".join(
        each if each.isprintable() else f"\\u{ord(each):04x}" if each <= "\uffff" else f"\\U{ord(each):08x}"
        for each in text
    )


def _flow(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inside, value)) + "]" if len(value) != 1 else _scalar(value[0])
    return _inside(value)


def _inside(value: object) -> str:
    return _quoted(value) if isinstance(value, str) and "," in value else _scalar(value)
