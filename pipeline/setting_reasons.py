"""Why settings are what they are, for those that a description of a corpus chose."""

from __future__ import annotations

from agnews.pipeline.corpus_settings import corpus_settings, dotted_keys
from agnews.pipeline.load_corpus import load_corpus
from agnews.schemas.corpus import Corpus
from agnews.schemas.errors import AgnewsError
from agnews.schemas.learning_config import EnsembleConfig
from agnews.schemas.run_config import RunConfig


def setting_reasons(config: RunConfig) -> dict[str, str]:
    """Finds the settings that the description of the corpus decided.

    Args:
        config: The configuration.

    Returns:
        By dotted key, the reason that stands in the description, or that it stands there. What somebody said by hand is
        not among them, nor anything where the description cannot be read: whoever runs has heard of that already.
    """
    try:
        corpus = load_corpus(config.data.corpus).corpus
    except AgnewsError:
        return {}
    values = dict(dotted_keys(config.model_dump(mode="json")))
    network = config.model.network.kind if isinstance(config.model, EnsembleConfig) else None
    return {
        key: _reason(corpus, key)
        for key, value in dotted_keys(corpus_settings(corpus, config.model.kind, network))
        if key in values and values[key] == value
    }


def _reason(corpus: Corpus, key: str) -> str:
    # A member of an ensemble has what is said, and why, of the same model alone.
    alone = key.replace("model.network.", "model.").replace("model.linear.", "model.")
    return corpus.reasons.get(key) or corpus.reasons.get(alone) or f"so says the description of {corpus.name}"
