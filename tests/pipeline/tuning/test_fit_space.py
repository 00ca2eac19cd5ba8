from __future__ import annotations

import pytest

from agnews.components.tuning.read_search_space import DEFAULT_SPACES, Dimension
from agnews.pipeline.load_config import load_config
from agnews.pipeline.tuning.fit_space import fit_space
from agnews.schemas.errors import AgnewsError
from agnews.schemas.learning_config import MODEL_CONFIGS


@pytest.mark.parametrize("kind", MODEL_CONFIGS)
def test_every_kind_of_model_has_a_space_that_suits_its_configuration(kind: str) -> None:
    fitted, start = fit_space(DEFAULT_SPACES[kind], load_config(kind))
    assert fitted == DEFAULT_SPACES[kind]
    assert start.keys() == fitted.keys()


def test_a_space_is_widened_to_hold_the_configuration() -> None:
    config = load_config("transformer", ["model.num_layers=5", "model.dropout=0.9", "training.batch_size=7"])
    fitted, start = fit_space(DEFAULT_SPACES["transformer"], config)
    assert fitted["model.num_layers"].ends == (1, 5)
    assert fitted["model.dropout"].ends == (0.0, 0.9)
    assert fitted["training.batch_size"].ends == (7, 32, 64, 128, 256)
    assert start["training.batch_size"] == 7


@pytest.mark.parametrize(
    ("key", "dimension", "said"),
    [
        ("model.dropuot", Dimension(low=0.0, high=0.5), "Did you mean 'model.dropout'"),
        ("model.head_width", Dimension(low=1, high=2), "no such key"),
        ("data.limit", Dimension(low=100, high=200), "Only keys of `model` and `training`"),
        ("training.label_smoothing", Dimension(low=0.0, high=0.2), "the loss that trials are compared by"),
        ("training.seed", Dimension(low=0, high=9), "luckiest seed"),
        ("model.encoder", Dimension(values=("minilm", "other")), "one encoder"),
        ("training.epochs", Dimension(low=1.5, high=3.5), "whole numbers"),
        ("training.epochs", Dimension(low=0, high=3), "training.epochs = 0"),
        ("training.clip_norm", Dimension(low=0.5, high=2.0), "list values"),
        ("model.dropout", Dimension(values=(0.1, "much")), "model.dropout = much"),
    ],
)
def test_what_cannot_be_searched_is_refused(key: str, dimension: Dimension, said: str) -> None:
    with pytest.raises(AgnewsError) as caught:
        fit_space({key: dimension}, load_config("transformer"))
    assert said in str(caught.value)


def test_members_of_an_ensemble_are_searched_but_for_what_no_model_lets_be_searched() -> None:
    config = load_config("ensemble")
    fitted, start = fit_space({"model.network.dropout": Dimension(low=0.0, high=0.5)}, config)
    assert list(fitted) == ["model.network.dropout"]
    assert start["model.network.dropout"] == config.model_dump()["model"]["network"]["dropout"]
    with pytest.raises(AgnewsError, match="one kind of model"):
        fit_space({"model.network.kind": Dimension(values=("transformer", "bert_frozen"))}, config)
