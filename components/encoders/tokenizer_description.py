"""How texts have to be cut for a checkpoint: decided from all that its files say, or refused, naming what differs.

Our tokeniser does what BERT's does: it cleans, splits Chinese characters, drops case and accents together or keeps
both, splits at white space and punctuation, cuts words into the longest pieces, and puts a text between
[CLS] and [SEP].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from agnews.components.encoders.encoder_families import FAMILIES
from agnews.components.text.vocabulary import CLS, PAD, SEP, UNKNOWN, Vocabulary, load_vocabulary, make_vocabulary
from agnews.schemas.errors import AgnewsError
from agnews.schemas.json_text import read_json

VOCABULARY = "vocab.txt"
FAST_TOKENIZER = "tokenizer.json"
"""All that transformers writes of a tokeniser since its version 5."""
TOKENIZER = "tokenizer_config.json"

_CLASSES = {"PreTrainedTokenizerFast", "TokenizersBackend"} | {
    f"{family.class_stem}Tokenizer{fast}" for family in FAMILIES.values() for fast in ("", "Fast")
}
_SPECIAL = {"unk_token": UNKNOWN, "cls_token": CLS, "sep_token": SEP, "pad_token": PAD}


@dataclass(frozen=True)
class EncoderText:
    """How texts have to be cut for an encoder.

    Attributes:
        vocabulary: Its word pieces.
        do_lower_case: Whether texts lose case and accents before that.
    """

    vocabulary: Vocabulary
    do_lower_case: bool


def read_tokenizer(folder: Path, *, vocab_size: int) -> EncoderText:
    """Reads vocab.txt, tokenizer.json and tokenizer_config.json, as far as they are there.

    Args:
        folder: Folder of the checkpoint.
        vocab_size: Word pieces that its weights know. It tells a file that was cut off from one that merely has no last
            line end.

    Returns:
        The word pieces, and whether case is dropped: as the files say; where they do not, it is, as Hugging Face has
        it.

    Raises:
        AgnewsError: There are no word pieces, they are damaged, the files contradict each other, or they ask for
            something that BERT's tokeniser does not do.
    """
    fast = _read_json(folder / FAST_TOKENIZER) if (folder / FAST_TOKENIZER).is_file() else None
    settings = _read_json(folder / TOKENIZER) if (folder / TOKENIZER).is_file() else {}
    vocabulary = _vocabulary(folder, fast, vocab_size)
    # A part that a description leaves out is none, and is not BERT's.
    parts = {} if fast is None else {**dict.fromkeys(_STEPS), **fast}
    if differing := [*_differences(settings, _SETTINGS, TOKENIZER), *_differences(parts, _PARTS, FAST_TOKENIZER)]:
        raise AgnewsError(
            f"{folder} wants texts to be tokenised in a way that is not BERT's.",
            found="; ".join(differing),
            fix="Use an encoder whose texts are cut as BERT cuts them. No setting changes how this one was trained.",
        )
    said = _said_of_case(settings, fast)
    if len(set(said.values())) > 1:
        raise AgnewsError(
            f"The files in {folder} contradict each other about case.",
            found="; ".join(f"{place}: {str(value).lower()}" for place, value in said.items()),
            fix=f"Keep the one that the encoder was trained with, and change the other: {TOKENIZER} decides where "
            f"{FAST_TOKENIZER} is removed.",
        )
    lower_case = next(iter(said.values()), True)
    if lower_case and vocabulary.is_cased:
        raise AgnewsError(
            f"{folder} says that texts lose their case, but its vocabulary has capital letters.",
            found=f"{next(iter(said))}: true" if said else f"do_lower_case not set in {TOKENIZER}, which means true",
            fix=f'Write {{"do_lower_case": false}} into {folder / TOKENIZER} if this is a cased encoder.',
        )
    for place, accents in _said_of_accents(settings, fast).items():
        # Our tokeniser ties accents to case, as BERT's does.
        if accents is not None and accents != lower_case:
            raise AgnewsError(
                f"{folder} wants texts to be tokenised in a way that is not BERT's.",
                found=f"{place} {str(accents).lower()}, while case is {'dropped' if lower_case else 'kept'}",
                fix="Use an encoder that strips accents if and only if it drops case.",
            )
    return EncoderText(vocabulary, lower_case)


def _vocabulary(folder: Path, fast: Mapping[str, object] | None, vocab_size: int) -> Vocabulary:
    tokens = None if fast is None else _fast_tokens(folder / FAST_TOKENIZER, fast)
    if (folder / VOCABULARY).is_file():
        found = load_vocabulary(str(folder / VOCABULARY), size=vocab_size)
        if tokens is not None and found.tokens[: len(tokens)] != tokens[: len(found)]:
            raise AgnewsError(
                f"The files in {folder} hold different word pieces.",
                found=f"{VOCABULARY} with {len(found)} tokens, {FAST_TOKENIZER} with {len(tokens)}",
                fix="Remove the one that does not belong to the weights.",
            )
        return found
    if tokens is None:
        raise AgnewsError(
            f"{folder} is not a whole Hugging Face checkpoint.",
            found=f"no {VOCABULARY} and no {FAST_TOKENIZER}",
            fix="Copy one of them there, or fetch the checkpoint again: `agnews encoder fetch ID`.",
        )
    return make_vocabulary(str(folder / FAST_TOKENIZER), tokens)


def _fast_tokens(path: Path, fast: Mapping[str, object]) -> tuple[str, ...]:
    model = fast.get("model")
    try:
        if not isinstance(model, dict):
            raise ValueError("no model")
        # Files of old versions do not name the kind of model; the others have merges or scores in it.
        kind = model.get("type") or ("WordPiece" if {"vocab", "max_input_chars_per_word"} <= set(model) else "unnamed")
        ids = model["vocab"]
        prefix = model.get("continuing_subword_prefix", "##")
        if kind != "WordPiece" or prefix != "##" or not isinstance(ids, dict):
            raise ValueError(f"model {kind}, prefix {prefix}")
        # What was added later has ids behind those of the model.
        added = fast.get("added_tokens")
        more = {each["content"]: each["id"] for each in added} if isinstance(added, list) else {}
        by_id = {**ids, **{token: number for token, number in more.items() if token not in ids}}
        tokens = sorted(by_id, key=by_id.__getitem__)
        if [by_id[token] for token in tokens] != list(range(len(tokens))):
            raise ValueError("ids that are not 0, 1, 2, ...")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AgnewsError(
            f"{path} holds no word pieces of BERT.", found=repr(error), fix=f"Copy the checkpoint's {VOCABULARY} there."
        ) from error
    return tuple(tokens)


_Check = Callable[[object], object]
"""Returns what is wrong with a value, or None."""


def _one_of(*values: object) -> _Check:
    return lambda value: None if value in values and type(value) in {type(each) for each in values} else value


def _special(token: str) -> _Check:
    def check(value: object) -> object:
        content = value.get("content") if isinstance(value, dict) else value
        return None if content in (None, token) else content

    return check


def _normalizer(value: object) -> object:
    steps = value.get("normalizers", [value]) if isinstance(value, dict) else [value]
    if not (isinstance(steps, list) and len(steps) == 1 and isinstance(steps[0], dict)):
        return _kinds(steps) if isinstance(steps, list) else value
    (step,) = steps
    if step.get("type") != "BertNormalizer":
        return step.get("type")
    wrong = {key: step[key] for key in ("clean_text", "handle_chinese_chars") if step.get(key, True) is not True}
    return ", ".join(f"{key} {str(value).lower()}" for key, value in wrong.items()) or None


def _pre_tokenizer(value: object) -> object:
    steps = value.get("pretokenizers", [value]) if isinstance(value, dict) else [value]
    kinds = _kinds(steps) if isinstance(steps, list) else str(value)
    return None if kinds == "BertPreTokenizer" else kinds


def _kinds(steps: list[object]) -> str:
    return ", ".join(str(each.get("type")) if isinstance(each, dict) else "none" for each in steps)


def _post_processor(value: object) -> object:
    if not isinstance(value, dict):
        return "none, where a text stands between [CLS] and [SEP]"
    if value.get("type") == "BertProcessing":
        ends = [pair[0] if isinstance(pair := value.get(name), list) and pair else pair for name in ("cls", "sep")]
        return None if ends == [CLS, SEP] else str(value)
    if value.get("type") != "TemplateProcessing":
        return value.get("type")
    single = value.get("single")
    parts = (
        [part for each in single if isinstance(each, dict) for part in each.values()]
        if isinstance(single, list)
        else []
    )
    names = [part.get("id") if isinstance(part, dict) else part for part in parts]
    return None if names == [CLS, "A", SEP] else " ".join(map(str, names))


def _model(value: object) -> object:
    model = value if isinstance(value, dict) else {}
    if model.get("unk_token", UNKNOWN) != UNKNOWN:
        return f"unk_token {model['unk_token']}"
    most = model.get("max_input_chars_per_word", 100)
    return None if most == 100 else f"max_input_chars_per_word {most}"


def _added(value: object) -> object:
    # Words that were added are found before a text is cut; a marker of the vocabulary in a text is a word like others.
    words = [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
    found = [str(each.get("content")) for each in words if not each.get("special")]
    return ", ".join(found[:5]) or None


def _added_by_id(value: object) -> object:
    return _added(list(value.values())) if isinstance(value, dict) else value


def _own_code(value: object) -> object:
    return value.get("AutoTokenizer") if isinstance(value, dict) else value


_STEPS = ("normalizer", "pre_tokenizer", "post_processor")
_SETTINGS: Mapping[str, _Check] = {
    "tokenizer_class": lambda value: None if value is None or (isinstance(value, str) and value in _CLASSES) else value,
    "do_basic_tokenize": _one_of(True, None),
    "word_tokenizer_type": _one_of("basic", None),
    "subword_tokenizer_type": _one_of("wordpiece", None),
    "tokenize_chinese_chars": _one_of(True, None),
    "clean_text": _one_of(True, None),
    "never_split": lambda value: value or None,
    "wordpieces_prefix": _one_of("##", None),
    "added_tokens_decoder": _added_by_id,
    "auto_map": _own_code,
    **{name: _special(token) for name, token in _SPECIAL.items()},
}
_PARTS: Mapping[str, _Check] = {
    "normalizer": _normalizer,
    "pre_tokenizer": _pre_tokenizer,
    "post_processor": _post_processor,
    "model": _model,
    "added_tokens": _added,
}


def _differences(content: Mapping[str, object], checks: Mapping[str, _Check], file: str) -> list[str]:
    found = {name: check(content[name]) for name, check in checks.items() if name in content}
    return [f"{file}: {name} {str(wrong)[:200]}" for name, wrong in found.items() if wrong is not None]


def _bert_normalizer(fast: Mapping[str, object] | None) -> Mapping[str, object]:
    normalizer = (fast or {}).get("normalizer")
    steps = normalizer.get("normalizers", [normalizer]) if isinstance(normalizer, dict) else []
    return steps[0] if steps and isinstance(steps[0], dict) else {}


def _said_of_case(settings: Mapping[str, object], fast: Mapping[str, object] | None) -> dict[str, bool]:
    said = {
        f"do_lower_case in {TOKENIZER}": settings.get("do_lower_case"),
        f"normalizer.lowercase in {FAST_TOKENIZER}": _bert_normalizer(fast).get("lowercase"),
    }
    return {place: bool(value) for place, value in said.items() if value is not None}


def _said_of_accents(settings: Mapping[str, object], fast: Mapping[str, object] | None) -> dict[str, object]:
    return {
        f"strip_accents in {TOKENIZER}": settings.get("strip_accents"),
        f"normalizer.strip_accents in {FAST_TOKENIZER}": _bert_normalizer(fast).get("strip_accents"),
    }


def _read_json(path: Path) -> dict[str, object]:
    try:
        content = read_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise AgnewsError(f"{path} cannot be read.", found=error, fix="Copy or fetch the checkpoint again.") from error
    if not isinstance(content, dict):
        raise AgnewsError(f"{path} holds no settings.", found=content, fix="Copy or fetch the checkpoint again.")
    return content
