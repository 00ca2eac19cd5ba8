from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agnews.components.encoders.find_vocabulary import find_vocabulary
from agnews.components.text.vocabulary import load_vocabulary
from agnews.schemas.errors import AgnewsError


@pytest.mark.parametrize(("name", "lower_case"), [("cased", False), ("uncased", True)])
def test_a_checkpoint_tells_its_word_pieces(name: str, lower_case: bool, recordings: Path) -> None:
    text = find_vocabulary(str(recordings / name))
    assert text.vocabulary == load_vocabulary(str(recordings / name / "vocab.txt"))
    assert text.do_lower_case is lower_case


def test_a_saved_model_tells_its_word_pieces(tf_hub_encoder: Path, recordings: Path) -> None:
    text = find_vocabulary(str(tf_hub_encoder))
    assert text.vocabulary.tokens == load_vocabulary(str(recordings / "uncased" / "vocab.txt")).tokens
    assert text.do_lower_case


def test_neither_tensorflow_nor_a_conversion_is_needed(recordings: Path, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from agnews.components.encoders.encoder_digest import encoder_digest\n"
        "from agnews.components.encoders.find_vocabulary import find_vocabulary\n"
        f"for source in ('minilm', {str(recordings / 'cased')!r}):\n"
        "    encoder_digest(source)\n"
        "    print(len(find_vocabulary(source).vocabulary))\n"
        "print('tensorflow' in sys.modules)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], env={"AGNEWS_CACHE": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == ["30522", "96", "False"]
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_checkpoint_is_an_error_before_anything_is_cut(make_checkpoint) -> None:
    folder = make_checkpoint()
    (folder / "vocab.txt").unlink()
    with pytest.raises(AgnewsError, match=r"no vocab.txt and no tokenizer.json"):
        find_vocabulary(str(folder))
