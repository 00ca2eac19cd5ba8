"""Names of splits, features and model outputs that steps hand on to each other.

A raw Example (NewsExampleGen writes it, statistics and evaluation read it) holds the features under RAW. A
transformed Example (Transform writes it, Trainer reads it) holds TOKEN_IDS and LABEL. Batches in memory use the
tensor names of keras-hub: `token_ids` (batch, length) int32 and `padding_mask` (batch, length) bool, True on tokens.
"""

from __future__ import annotations

TRAIN, EVAL, TEST = "train", "eval", "test"
SPLITS = (TRAIN, EVAL, TEST)
"""`train` is learnt from, `eval` steers training (early stopping), `test` alone decides about a model."""

# RAW: one value each.
TEXT = "text"
"""UTF-8 text as it stands in the file, text columns joined by one space; what a client of the served model sends."""
LABEL = "label"
"""int64, 0-based. The same name in raw and transformed Examples."""
NUM_WORDS = "num_words"
"""int64, words of the text split at white space; for statistics and slices."""
HAS_MARKUP = "has_markup"
"""bytes, `yes` or `no`: whether the text holds remnants of HTML or of escapes; for statistics and slices."""
ROW = "row"
"""int64, 1-based number of the record in its file; leads from a prediction back to the source."""
RAW = (TEXT, LABEL, NUM_WORDS, HAS_MARKUP, ROW)

# Of transformed Examples and of tokens in memory.
TOKEN_IDS = "token_ids"  # noqa: S105, word pieces, not a secret
"""int64 list, [CLS] word pieces [SEP], at most max_length, without padding."""
PADDING_MASK = "padding_mask"

# Outputs of a served model.
CLASS_ID = "class_id"
"""int64 (batch,), position in `Corpus.class_names`."""
CLASS_LABEL = "label"
"""string (batch,), name of that class."""
PROBABILITIES = "probabilities"
"""float32 (batch, num_classes), softmax."""

TOKENS = "tokens"
"""string (batch, length), the word pieces that were read, [CLS] and [SEP] included; padding is the empty string."""
CONTRIBUTIONS = "contributions"
"""float32 (batch, length), what each piece adds to the log-odds of the predicted class; 0 on padding."""

# Signatures of a served model.
SERVE_TEXT = "serving_default"
"""text: string (batch,) -> class_id, label, probabilities."""
SERVE_EXAMPLES = "serving_examples"
"""serialized raw Examples: string (batch,) -> class_id, label, probabilities."""
TRANSFORM_FEATURES = "transform_features"
"""serialized raw Examples: string (batch,) -> token_ids, padding_mask."""
EXPLAIN = "explain"
"""text: string (batch,) -> class_id, label, probabilities, tokens, contributions. Older versions have none."""

VOCABULARY_FILE = "vocabulary.txt"
"""In the artifact of Transform's graph: the word pieces that it cuts texts into, one a line."""
