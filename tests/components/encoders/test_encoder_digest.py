from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from agnews.components.encoders.encoder_digest import encoder_digest
from agnews.schemas.errors import AgnewsError


def test_it_changes_with_each_part_of_a_checkpoint_and_with_nothing_else(make_checkpoint, recordings: Path) -> None:
    def nudge(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return tensors | {"pooler.dense.bias": tensors["pooler.dense.bias"] + 1e-3}

    original = encoder_digest(str(recordings / "cased"))
    assert encoder_digest(str(make_checkpoint(transformers_version="4.0"))) == original
    other_word = make_checkpoint()
    text = (other_word / "vocab.txt").read_text().replace("\naa\n", "\nzz\n")
    (other_word / "vocab.txt").write_text(text)
    others = [
        encoder_digest(str(make_checkpoint(hidden_dropout_prob=0.3))),
        encoder_digest(str(make_checkpoint(weights=nudge))),
        encoder_digest(str(other_word)),
        encoder_digest(str(recordings / "cased"), num_layers=1),
        encoder_digest("minilm"),
        encoder_digest("minilm", num_layers=2),
    ]
    assert len({original, *others}) == 7


def test_it_changes_with_each_file_of_a_saved_model_that_matters(tf_hub_encoder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    shutil.copytree(tf_hub_encoder, folder)
    digests = [encoder_digest(str(folder))]
    (folder / "source.json").write_text("{}")
    assert encoder_digest(str(folder)) == digests[0]
    for name in ("assets/vocab.txt", "variables/variables.data-00000-of-00001", "saved_model.pb"):
        with (folder / name).open("ab") as file:
            file.write(b"\n")
        digests.append(encoder_digest(str(folder)))
    assert len(set(digests)) == 4


def test_layers_that_are_not_there_are_an_error(recordings: Path) -> None:
    with pytest.raises(AgnewsError, match="num_layers 3, the checkpoint has 2"):
        encoder_digest(str(recordings / "cased"), num_layers=3)
