"""YAML as people mean it, and as every reader understands what is written here."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from agnews.schemas.yaml_text import read_yaml, read_yaml_documents, write_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("off", "off"),
        ("no", "no"),
        ("Yes", "Yes"),
        ("true", True),
        ("FALSE", False),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2026-12-01", "2026-12-01"),
        ("1e-3", 0.001),
        ("1.", 1.0),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("null", None),
        ("~", None),
        ("", None),
        ("nul", "nul"),
        ("'1'", "1"),
        ("[1, no, 1e5]", [1, "no", 1e5]),
    ],
)
def test_bare_words_are_what_yaml_1_2_says(text: str, value: Any) -> None:
    found = read_yaml(text)
    assert found == value
    assert type(found) is type(value)


def test_a_key_that_stands_twice_is_an_error() -> None:
    with pytest.raises(yaml.YAMLError, match="the key a stands there twice"):
        read_yaml("a: 1\nb: 2\na: 3\n")
    assert read_yaml("base: &b {a: 1}\nmine:\n  <<: *b\n  a: 2\n")["mine"] == {"a": 2}


@pytest.mark.parametrize(
    "text",
    [
        "1234567890123e45",
        "0123456789012389",
        "1e5",
        "0o17",
        "0x1f",
        "1_000",
        ".5",
        "1:30",
        "2026-12-01",
        "y",
        "n",
        "on",
        "~",
        "+1",
    ],
)
def test_what_looks_like_something_else_to_any_reader_is_quoted(text: str) -> None:
    written = write_yaml({text: text})
    assert written == f"'{text}': '{text}'\n"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    )
)
def test_what_is_written_is_read_again_by_1_1_and_by_1_2(value: Any) -> None:
    written = write_yaml(value)
    assert yaml.safe_load(written) == value
    assert read_yaml(written) == value
    assert not isinstance(yaml.safe_load(written), date)


@given(st.from_regex(r"\A[0-9a-f]{12,16}\Z"))
def test_a_digest_stays_a_text_for_everybody(digest: str) -> None:
    written = write_yaml({"digest": digest})
    assert read_yaml(written) == {"digest": digest}
    assert "'" in written or not digest[0].isdigit()


def test_documents_are_read_one_by_one() -> None:
    assert read_yaml_documents("a: on\n---\nb: 010\n") == [{"a": "on"}, {"b": 10}]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 10_000,
        "a: &a ["
        + "x, " * 9
        + "]\n"
        + "".join(f"b{n}: &b{n} [{f'*b{n - 1}, ' * 10 if n else '*a'}]\n" for n in range(9)),
        "&a [*a]",
        "9" * 5_000,
        "!!int x",
        "!!float [1]",
        "!!timestamp x",
        "? [a]\n: 1",
        "\0",
    ],
)
def test_a_document_that_was_made_to_do_harm_is_none(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        read_yaml(text)
