"""From word pieces to words that a reader knows."""

from __future__ import annotations

from collections.abc import Iterable

_CONTINUES = "##"
_FRAME = ("[CLS]", "[SEP]")


def word_contributions(tokens: Iterable[bytes], contributions: Iterable[float]) -> list[tuple[str, float]]:
    """Joins the pieces of each word, and adds up what they contribute.

    Args:
        tokens: Word pieces of one text; padding is empty.
        contributions: Of each piece, signed.

    Returns:
        Words as the model saw them, in their order, without the frame of [CLS] and [SEP].
    """
    words: list[tuple[str, float]] = []
    for token, contribution in zip(tokens, contributions, strict=True):
        piece = token.decode(errors="replace")
        if not piece or piece in _FRAME:
            continue
        if piece.startswith(_CONTINUES) and len(piece) > len(_CONTINUES) and words:
            text, before = words[-1]
            words[-1] = (text + piece.removeprefix(_CONTINUES), before + float(contribution))
        else:
            words.append((piece, float(contribution)))
    return words
