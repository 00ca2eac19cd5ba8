"""Writes transformed_rows.json: what becomes of some texts on their way to a model. Review the difference by eye.

python tests/golden/record_transformed_rows.py
"""

from __future__ import annotations

import json
from pathlib import Path

import tensorflow as tf

from agnews.components.text.vocabulary import EMBEDDED, load_vocabulary
from agnews.components.transform import preprocessing_fn
from agnews.schemas.features import LABEL, TEXT, TOKEN_IDS

TARGET = Path(__file__).with_name("transformed_rows.json")
TEXTS = [
    "Rain Stops Play (Wire) Wire - The final was moved to Monday after a day of rain.",
    "Chipmaker #39;s profit up Shares rose \\$2.50 after a quot;solid quot; quarter, it said.",
    "Talks at standstill &lt;b&gt;...&lt;/b&gt; Ministers left\\without a word.",
    'Airline orders jets Airline Corp. &lt;A HREF="http://quotes.example/q?t=AIR.N"&gt;AIR.N&lt;/A&gt; ordered ten.',
    "Tickers stay <AIR.N> and numbers too: 3-2, 1,900, 24-year-old",
    "R amp;D at S amp;P, AT &amp;amp; T",
    "Café Zürich naïve Ωmega ΟΔΟΣ İzmir",
    "東京の株式市場 上昇 한국",
    "👍 thumbs 🇫🇷 up\u200b\u202e",
    "A word of more than a hundred letters: " + "x" * 101,
    "This text is far too long and will be cut off: " + "one two three four five " * 10,
    "[SEP] and [PAD] are words here",
    "line one\nline two\ttab\x00nul",
    "",
    "\u200b",
]


def main() -> None:
    """Runs the preprocessing as Transform does, one text at a time."""
    tokens = load_vocabulary(EMBEDDED).tokens
    settings = {"vocabulary": EMBEDDED, "lowercase": True, "max_length": 32}
    rows = []
    for number, text in enumerate(TEXTS):
        inputs = {TEXT: tf.constant([text]), LABEL: tf.constant([number % 4], tf.int64)}
        ids = preprocessing_fn(inputs, settings)[TOKEN_IDS].values.numpy()
        rows.append({"text": text, "label": number % 4, "pieces": " ".join(tokens[token] for token in ids)})
    TARGET.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
