from __future__ import annotations

from pathlib import Path

import pytest

from agnews.pipeline.load_config import load_config
from agnews.pipeline.tuning.apply_settings import apply_settings
from agnews.pipeline.tuning.write_config import require_replaceable, write_config
from agnews.schemas.errors import AgnewsError
from agnews.schemas.learning_config import MODEL_CONFIGS


@pytest.mark.parametrize("kind", MODEL_CONFIGS)
def test_the_file_is_the_configuration(kind: str, tmp_path: Path) -> None:
    # A linear model has neither steps nor dropout.
    linear = {"model.cost": 2.35e-05, "model.char_ngrams": None}
    trained = {"training.learning_rate": 2.35e-05, "training.clip_norm": None, "model.dropout": 0.0}
    ensemble = {"model.linear.cost": 2.35e-05, "model.network.dropout": 0.0, "training.clip_norm": None}
    settings = {"linear": linear, "ensemble": ensemble}.get(kind, trained)
    config = apply_settings(load_config(kind, ["data.limit=100", "data.source=/some where/#1", "name=mine"]), settings)
    write_config(tmp_path / "best.yaml", config, facts=["", "Trials: 3"], searched=settings)

    assert load_config(str(tmp_path / "best.yaml")) == config
    lines = (tmp_path / "best.yaml").read_text().splitlines()
    assert "# Trials: 3" in lines
    (marked,) = (line for line in lines if "2.35e-05" in line)
    searched = "cost" if kind in {"linear", "ensemble"} else "learning_rate"
    assert marked.strip() == f"{searched}: 2.35e-05  # searched"
    assert not any("epochs" in line and "searched" in line for line in lines)


def test_only_a_file_that_was_written_here_is_replaced(tmp_path: Path) -> None:
    mine, ours = tmp_path / "mine.yaml", tmp_path / "new" / "ours.yaml"
    mine.write_text("model: {kind: transformer}\n")
    with pytest.raises(AgnewsError, match="not one that `agnews tune` wrote"):
        require_replaceable(mine)
    assert mine.read_text() == "model: {kind: transformer}\n"

    require_replaceable(ours)
    assert not ours.exists()
    write_config(ours, load_config("transformer"), facts=[], searched=[])
    require_replaceable(ours)

    with pytest.raises(AgnewsError, match="ends in"):
        require_replaceable(tmp_path / "best.txt")
    with pytest.raises(AgnewsError, match="cannot be written"):
        require_replaceable(mine / "best.yaml")
