"""Labelled texts in several languages, made of words and of what looks like words: corpora without a download.

What is like real texts: frequent words are frequent (Zipf), each language has its letters and habits, each class its
words, lengths vary. A model can learn the classes, and no figure on them says anything about real texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_WORDS = {
    "en": "the of and to in a is that it for was on are with as they be at one have this from or had by word what "
    "some we can out other were all there when up use your how said an each she which do their time will way "
    "about many then them would like so these her long make thing see him two has look more day could go come "
    "did number sound most people",
    "de": "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden aus "
    "er hat dass sie nach wird bei einer um am sind noch wie einem über einen so zum war haben nur oder aber "
    "vor zur bis mehr durch man sein wurde wenn können gibt Jahre schon heute größer müssen Straße zwischen "
    "möchte Geschäft übrigens läuft",
    "es": "de la que el en y a los del se las por un para con no una su al lo como más pero sus le ya o este sí "
    "porque esta entre cuando muy sin sobre también me hasta hay donde quien desde todo nos durante todos uno "
    "les ni contra otros ese eso ante ellos e esto mí antes algunos qué unos yo otro otras otra él tanto esa "
    "estos mucho quienes nada años",
    "he": "של את על לא כי הוא זה עם גם אל או היא אני הם יש אם כל מה רק בין היה עוד כך אך לפני אחרי כמו יותר אין אבל "
    "ישראל ירושלים שלום בית ספר ילדים אנשים יום שנה זמן עולם עבודה מדינה ממשלה צבא משטרה חברה כסף מחיר שוק "
    "קבוצה משחק ניצחון",
    "zh": "的 一 是 在 不 了 有 和 人 这 中 大 为 上 个 国 我 以 要 他 时 来 用 们 生 到 作 地 于 出 就 分 对 成 会 "
    "可 主 发 年 动 同 工 也 能 下 过 子 说 产 种 面 而 方 后 多 定 行 学 法 所 民 得 经 十 三 之 进 着 等 部 "
    "度 家 电 力 里 如 水 化 高 自 二 理",
}
LANGUAGES = tuple(_WORDS)
_VOCABULARY, _TOPIC_WORDS = 800, 24


class Made(NamedTuple):
    """A text and the number of its class."""

    text: str
    label: int


def make_texts(
    language: str,
    rows: int,
    *,
    classes: int = 4,
    words: float = 20.0,
    shares: Sequence[float] | None = None,
    topic: float = 0.3,
    seed: int = 0,
) -> list[Made]:
    """Makes texts.

    Args:
        language: One of `LANGUAGES`.
        rows: How many.
        classes: How many classes they are of.
        words: Words of a middling text.
        shares: Of the classes; None makes them equal.
        topic: Share of the words of a text that are those of its class.
        seed: Of these rows; the words are the same for every seed.

    Returns:
        The rows, in random order.
    """
    vocabulary = _vocabulary(language, classes)
    common, topics = vocabulary[:_VOCABULARY], vocabulary[_VOCABULARY:]
    zipf = 1 / np.arange(2, len(common) + 2)
    generator = np.random.default_rng([seed, rows])
    labels = generator.choice(classes, rows, p=shares)
    lengths = np.maximum(generator.lognormal(np.log(words), 0.4, rows).astype(int), 2)
    made = []
    for label, length in zip(labels.tolist(), lengths.tolist(), strict=True):
        text = generator.choice(common, length, p=zipf / zipf.sum())
        of_class = generator.random(length) < topic
        own = topics[label * _TOPIC_WORDS : (label + 1) * _TOPIC_WORDS]
        text = np.where(of_class, generator.choice(own, length), text)
        made.append(Made(("" if language == "zh" else " ").join(text.tolist()), label))
    return made


def _vocabulary(language: str, classes: int) -> list[str]:
    """Real words first, then words with the same habits: which letter follows which."""
    real = _WORDS[language].split()
    generator = np.random.default_rng(LANGUAGES.index(language))
    wanted = _VOCABULARY + classes * _TOPIC_WORDS
    if language == "zh":
        pairs = [a + b for a in real for b in real]
        return real + [pairs[i] for i in generator.permutation(len(pairs))][: wanted - len(real)]
    after: dict[str, list[str]] = {}
    for word in real:
        for letter, following in zip(f"^{word}", f"{word}$", strict=True):
            after.setdefault(letter, []).append(following)
    words = dict.fromkeys(real)
    while len(words) < wanted:
        word, letter = "", "^"
        while len(word) < 12 and (letter := after[letter][generator.integers(len(after[letter]))]) != "$":
            word += letter
        if len(word) > 2:
            words[word] = None
    return list(words)
