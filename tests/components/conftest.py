"""A model that is as small as a model can be, for tests of what happens to models after training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

KEYWORDS = (
    "president|minister|soldiers|parliament|troops|hostages",
    "coach|team|champion|olympic|touchdowns|league",
    "stocks|profit|merger|bankruptcy|reserve|shares",
    "software|scientists|processor|internet|computers|spacecraft",
)
"""One regular expression a class, in the order of AG News."""

ExportModel = Callable[..., Path]


@pytest.fixture(scope="session")
def export_model(tmp_path_factory: pytest.TempPathFactory) -> ExportModel:
    """Exports a SavedModel that looks for keywords, with the signatures of the real one.

    Called with `keywords` (one expression a class), `sharpness` (how sure it is), and `flaw`: `nan` (no probabilities
    for texts that hold `qqq`), `one_class`, `unstable` (random), or `fails` (raises).
    """
    import tensorflow as tf

    def export(
        *,
        keywords: Sequence[str] = KEYWORDS,
        sharpness: float = 3.0,
        flaw: str = "",
        class_names: Sequence[str] = ("World", "Sports", "Business", "Sci/Tech"),
    ) -> Path:
        def answer(text: tf.Tensor) -> dict[str, tf.Tensor]:
            lower = tf.strings.lower(text)
            found = [tf.strings.regex_full_match(lower, f"(?s).*({words}).*") for words in keywords]
            if flaw == "fails":
                lower = tf.debugging.check_numerics(tf.strings.to_number(lower), "not a number")[:, None]
            scores = sharpness * tf.cast(tf.stack(found, axis=1), tf.float32)
            if flaw == "one_class":
                scores += 100.0 * tf.one_hot([1], len(keywords))
            if flaw == "unstable":
                scores += tf.random.normal(tf.shape(scores))
            probabilities = tf.nn.softmax(scores)
            if flaw == "nan":
                broken = tf.strings.regex_full_match(lower, "(?s).*qqq.*")
                probabilities = tf.where(broken[:, None], float("nan"), probabilities)
            class_id = tf.argmax(probabilities, axis=1)
            label = tf.gather(tf.constant(class_names), class_id)
            return {"class_id": class_id, "label": label, "probabilities": probabilities}

        def text_of(examples: tf.Tensor) -> tf.Tensor:
            return tf.io.parse_example(examples, {"text": tf.io.FixedLenFeature([], tf.string)})["text"]

        def tokens(examples: tf.Tensor) -> dict[str, tf.Tensor]:
            words = tf.strings.split(tf.strings.join(["[CLS] ", text_of(examples)]))
            ids = tf.strings.to_hash_bucket_fast(words, 1000) + 1
            return {"token_ids": ids.to_tensor(), "padding_mask": tf.ones_like(ids, tf.bool).to_tensor()}

        folder = tmp_path_factory.mktemp("model")
        module = tf.Module()
        texts, examples = (tf.TensorSpec([None], tf.string, name) for name in ("text", "examples"))
        module.answer = tf.function(answer, input_signature=[texts])
        module.answer_examples = tf.function(lambda examples: answer(text_of(examples)), input_signature=[examples])
        module.tokens = tf.function(tokens, input_signature=[examples])
        signatures = {
            "serving_default": module.answer,
            "serving_examples": module.answer_examples,
            "transform_features": module.tokens,
        }
        tf.saved_model.save(module, str(folder), signatures=signatures)
        return folder

    return export
