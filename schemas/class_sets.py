"""What a served model says besides where a text may have several classes."""

from __future__ import annotations

CHOSEN = "chosen"
"""Output of the signatures that classify: bool (batch, num_classes), the classes that a text is given. `class_id` and
`label` are the likeliest one, given or not, and `probabilities` do not sum to one."""
