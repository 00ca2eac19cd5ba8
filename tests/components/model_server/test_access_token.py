from __future__ import annotations

import hmac
from pathlib import Path
from unittest import mock

import pytest

from agnews.components.model_server.access_token import TOKEN_VARIABLE, AccessToken, read_access_token
from agnews.schemas.errors import AgnewsError

SECRET = "0123456789abcdef"


def test_the_file_goes_before_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text(f"{SECRET}\n")
    monkeypatch.setenv(TOKEN_VARIABLE, "another-one-0123456789")
    token = read_access_token(tmp_path / "token")
    assert token is not None
    assert token.matches(f"Bearer {SECRET}")
    assert not token.matches("Bearer another-one-0123456789")


def test_the_environment_without_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, SECRET)
    token = read_access_token(None)
    assert token is not None
    assert token.matches(f"Bearer {SECRET}")
    monkeypatch.delenv(TOKEN_VARIABLE)
    assert read_access_token(None) is None


@pytest.mark.parametrize("content", ["", "short", "two words 0123456789", "ünïcödé-0123456789"])
def test_a_token_that_keeps_nobody_out_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "token").write_text(content)
    with pytest.raises(AgnewsError, match="one word of ASCII") as caught:
        read_access_token(tmp_path / "token")
    assert content not in str(caught.value) or not content, "the message must not tell the secret"


def test_an_empty_variable_is_a_mistake_and_not_an_open_door(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "")
    with pytest.raises(AgnewsError, match="one word of ASCII"):
        read_access_token(None)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(AgnewsError) as caught:
        read_access_token(tmp_path / "none")
    assert "secrets.token_urlsafe" in caught.value.fix


def test_every_guess_is_compared_whole_whatever_its_length_or_scheme() -> None:
    token = AccessToken(SECRET)
    with mock.patch.object(hmac, "compare_digest", wraps=hmac.compare_digest) as compare:
        for guess in ("", "x", SECRET, f"Basic {SECRET}", f"Bearer {SECRET}", "Bearer " + "x" * 10_000):
            token.matches(guess)
    lengths = {len(side) for call in compare.call_args_list for side in call.args}
    assert compare.call_count == 6
    assert lengths == {32}


@pytest.mark.parametrize("guess", ["Bearer 0123456789abcdeF", "Bearer 0123456789abcde", "Bearer é", "bearer"])
def test_nearly_right_is_wrong(guess: str) -> None:
    assert not AccessToken(SECRET).matches(guess)


def test_two_lines_are_two_tokens_while_one_takes_the_place_of_the_other(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{SECRET}\n\nthe-old-one-0123456789\n")
    token = read_access_token(tmp_path / "token")
    assert token is not None
    assert token.matches(f"Bearer {SECRET}")
    assert token.matches("Bearer the-old-one-0123456789")
    assert not token.matches(f"Bearer {SECRET} the-old-one-0123456789")


@pytest.mark.parametrize("content", [f"{SECRET}\nshort", "\n".join([SECRET] * 3)])
def test_of_several_tokens_each_has_to_be_good(tmp_path: Path, content: str) -> None:
    (tmp_path / "token").write_text(content)
    with pytest.raises(AgnewsError, match="one word of ASCII"):
        read_access_token(tmp_path / "token")
