from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agnews.components.encoders.resolve_encoder import Encoder, require_same_tokens
from agnews.components.text.vocabulary import Vocabulary, load_vocabulary
from agnews.schemas.errors import AgnewsError


@pytest.fixture
def vocabulary(recordings: Path) -> Vocabulary:
    return load_vocabulary(str(recordings / "uncased" / "vocab.txt"))


@pytest.fixture
def encoder(vocabulary: Vocabulary) -> Encoder:
    return Encoder(
        source="owner/tiny",
        folder=Path("encoder"),
        vocabulary_file=Path("encoder/assets/vocab.txt"),
        vocabulary_digest=vocabulary.digest,
        do_lower_case=True,
        hidden_dim=16,
        num_layers=2,
        max_length=32,
        parameters=6304,
        has_pooler=True,
        takes_dropout_seed=True,
        digest="",
    )


def test_the_encoders_own_tokens_are_right(encoder: Encoder, vocabulary: Vocabulary) -> None:
    require_same_tokens(encoder, vocabulary, lowercase=True, max_length=32)


def test_another_vocabulary_is_an_error_that_names_both(encoder: Encoder, vocabulary: Vocabulary) -> None:
    other = replace(vocabulary, source="other.txt", tokens=vocabulary.tokens[::-1])
    with pytest.raises(AgnewsError, match=r"text\.vocabulary=encoder/assets/vocab\.txt") as raised:
        require_same_tokens(encoder, other, lowercase=True, max_length=32)
    for part in ("owner/tiny", "other.txt", other.digest, vocabulary.digest):
        assert part in str(raised.value)


@pytest.mark.parametrize(
    ("lowercase", "max_length", "fix"), [(False, 32, "text.lowercase=true"), (True, 33, "text.max_length=32")]
)
def test_other_settings_are_errors_that_name_the_right_one(
    lowercase: bool, max_length: int, fix: str, encoder: Encoder, vocabulary: Vocabulary
) -> None:
    with pytest.raises(AgnewsError) as raised:
        require_same_tokens(encoder, vocabulary, lowercase=lowercase, max_length=max_length)
    assert fix in raised.value.fix
