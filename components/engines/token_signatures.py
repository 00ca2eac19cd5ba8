"""Names of the signatures that part a served model where its tokens are, for engines other than TensorFlow."""

from __future__ import annotations

TOKENIZE = "tokenize"
"""text: string (batch,) -> token_ids int32 (batch, length), padding_mask bool (batch, length)."""
SERVE_TOKENS = "serving_tokens"
"""token_ids, padding_mask -> class_id, label, probabilities: `serving_default` is this of `tokenize`."""
