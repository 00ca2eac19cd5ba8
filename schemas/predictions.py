"""The columns of a file of predictions: Parquet, one row a text of the split, in the order of the split."""

from __future__ import annotations

FILE = "{split}.parquet"
"""Name of the file of a split in a `Predictions` artifact."""

ROW = "row"
"""int64, number of the record in the corpus' file."""
TEXT = "text"
"""string."""
LABEL = "label"
"""int64, position of the true class in `Corpus.class_names`."""
LENGTH = "length"
"""string, the bucket of the number of words, see `length_bucket`."""
HAS_MARKUP = "has_markup"
"""string, `yes` or `no`."""
CLASS_ID = "class_id"
"""int64, the candidate's answer; -1 where its probabilities are no distribution (NaN for example)."""
PROBABILITIES = "probabilities"
"""list of float32, as the candidate gave them."""
BASELINE_CLASS_ID = "baseline_class_id"
"""int64, the baseline's answer; null where there was no baseline."""

NO_CLASS = -1
