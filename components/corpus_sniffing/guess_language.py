"""Which language texts are in: by their alphabet, and for the Latin one by its most frequent words."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence

_ALPHABETS = {
    "HEBREW": "he",
    "ARABIC": "ar",
    "CYRILLIC": "ru",
    "GREEK": "el",
    "HANGUL": "ko",
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "CJK": "zh",
    "THAI": "th",
    "DEVANAGARI": "hi",
    "ARMENIAN": "hy",
    "GEORGIAN": "ka",
}
_SHARED = frozenset({"ar", "ru", "hi"})
"""Alphabets of many languages."""
_FREQUENT = {
    "en": "the of and to in is that it for was with you my have are this not be on i what how can do",
    "de": "der die und das ist nicht ich ein eine zu mit auf für sich den von dem es wie auch war",
    "fr": "le la les de et des est un une que pas pour je dans du en ce il sur avec qui vous",
    "es": "el la de que y los en un una por con no se las para es lo como mi más del al",
    "it": "il di che e la non un una per in sono del è con mi si da ho le dei come più",
    "pt": "o de que e não uma um para em com os da do é se na por mais as dos como meu",
    "nl": "de het een en van ik niet dat is in op te zijn voor met er maar om die aan ook",
    "pl": "nie w na i z się do to że jest jak o co za po od ale tak tego przez są",
    "sv": "och i att det som en på är av för med den till inte jag om ett har de var",
    "tr": "bir ve bu için çok ne da de daha gibi ama var ben mi o kadar en olan ile değil",
}
_ENOUGH = 0.08


def guess_language(texts: Sequence[str]) -> tuple[str, bool]:
    """Guesses.

    Args:
        texts: Some of them.

    Returns:
        A BCP 47 tag, `und` where nothing fits, and whether it is certain.
    """
    letters = Counter(letter for text in texts for letter in text[:500] if letter.isalpha())
    alphabets: Counter[str] = Counter()
    for letter, count in letters.items():
        alphabets[unicodedata.name(letter, "?").split()[0]] += count
    if not alphabets:
        return "und", False
    if alphabets["HIRAGANA"] + alphabets["KATAKANA"] > letters.total() / 10:
        return "ja", True
    main, count = alphabets.most_common(1)[0]
    if main != "LATIN":
        tag = _ALPHABETS.get(main, "und")
        return tag, tag not in {*_SHARED, "und"} and count > letters.total() / 2
    words = Counter(word for text in texts for word in text.lower().split())
    shares = {tag: sum(words[w] for w in set(of.split())) / max(words.total(), 1) for tag, of in _FREQUENT.items()}
    best, second = sorted(shares, key=lambda tag: -shares[tag])[:2]
    return (best, shares[best] > 1.3 * shares[second]) if shares[best] > _ENOUGH else ("und", False)
