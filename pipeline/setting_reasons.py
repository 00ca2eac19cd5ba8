"""Why settings are what they are, for those that a description of a corpus chose."""

from __future__ import annotations

from agnews.pipeline.load_corpus import corpus_settings, load_corpus
from agnews.schemas.errors import AgnewsError
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
    tree = config.model_dump(mode="json")
    return {
        f"{section}.{key}": corpus.reasons.get(f"{section}.{key}", f"so says the description of {corpus.name}")
        for section, keys in corpus_settings(corpus, config.model.kind).items()
        for key, value in keys.items()
        if tree.get(section, {}).get(key) == value
    }
