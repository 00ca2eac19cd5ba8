"""The description of a corpus: what a person says about labelled texts, once, so that nothing has to guess.

`corpus.yaml` is an instance of `Corpus`. It travels: through the properties of nodes, into compiled pipelines, and into
every pushed model as `assets.extra/corpus.json`, in its canonical form.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from agnews.schemas.feature_counts import COUNTED

AG_NEWS = "ag_news"
"""The corpus that comes along, and the one of every model that was pushed before models carried theirs."""
CORPUS_FORMAT = 1
"""What this version writes; a higher number in a description is of a later version."""

MAX_CLASSES = 10_000
MAX_CLASSES_OF_SETS = 1_000
"""The same where a text has several of them: each row then has a mark for each class."""
Share = Annotated[float, Field(gt=0.0, le=0.5)]


def _known_encoding(name: str) -> str:
    import codecs

    try:
        return codecs.lookup(name).name
    except LookupError:
        raise ValueError("there is no such encoding") from None


def _wrong_entry(message: str, found: str, *entry: str | int) -> PydanticCustomError:
    """Says which entry of a list or mapping is wrong, so that its reader can name the line."""
    return PydanticCustomError("wrong_entry", "{message}", {"message": message, "found": found, "entry": entry})


class _Part(BaseModel):
    """A frozen part of the description; an unknown key is an error, and nothing is converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


class PublishedFile(_Part):
    """A file of a corpus as its owners publish it."""

    url: str
    """Where it can be downloaded."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Digest of its bytes."""
    size: int | None = None
    """Bytes; null where no figure is published."""
    rows: int
    """Records in it."""


class TestRows(_Part):
    """Which rows decide about a model: one of a file, a share, a column, or the newest spans."""

    __test__ = False

    file: str | None = None
    """Name of a file of its own."""
    share: Share | None = None
    """Share of the texts of the training file, chosen by a hash of the normalised text."""
    column: str | None = None
    """The column of the training file that says so."""
    value: str | None = None
    """What stands in that column of a test row."""
    newest_spans: Annotated[int, Field(ge=1)] | None = None
    """That many of the newest spans."""

    @model_validator(mode="after")
    def _one_way(self) -> TestRows:
        ways = [name for name in ("file", "share", "column", "newest_spans") if getattr(self, name) is not None]
        if len(ways) != 1:
            raise ValueError("say one of file, share, column (with value) and newest_spans")
        if (self.value is None) == (self.column is not None):
            raise ValueError("column and value belong together")
        return self


class Files(_Part):
    """The files, as names in one folder."""

    root: str = "."
    """That folder, relative to the description; `--data` takes another one."""
    train: str = "train.csv"
    """The file that training and eval rows come from; for `folders`, the folder with a folder for each class. With
    dated spans it stands in each of them."""
    test: TestRows = TestRows(file="test.csv")
    """The rows that decide about a model."""
    published: dict[str, PublishedFile] = {}
    """The official files by name."""

    @field_validator("train")
    @classmethod
    def _relative(cls, name: str) -> str:
        if not name or name.startswith("/") or ".." in PurePosixPath(name).parts:
            raise ValueError("name it relative to files.root, and below it")
        return name


Format = Literal["csv", "tsv", "jsonl", "parquet", "folders"]

_SUFFIXES: Mapping[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}


def format_of(name: str) -> Format | None:
    """Tells the format of a file by its name, `.gz` left out; None where the name says nothing."""
    return _SUFFIXES.get(PurePosixPath(name.lower().removesuffix(".gz")).suffix)


class Reading(_Part):
    """How the files are read."""

    format: Format | None = None
    """`csv`, `tsv`, `jsonl` (an object a line), `parquet`, or `folders` (a folder of text files for each class); null
    goes by the file's name. `.gz` behind a name is understood."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    """What stands between columns; null takes a comma, or a tab for `tsv`."""
    header: bool = True
    """Whether the first row names the columns."""
    quotes: bool = True
    """Whether columns may stand in double quotes, doubled inside; otherwise quotes are letters like others."""
    encoding: Annotated[str, AfterValidator(_known_encoding)] = "utf-8"
    """Of the texts."""


class CorpusClass(_Part):
    """A class."""

    value: Annotated[str, Field(min_length=1)]
    """What stands in the file."""
    name: Annotated[str, Field(min_length=1, max_length=200)]
    """What people are shown."""


class LabelSets(_Part):
    """A column that names several classes of a text, in any number and in any order."""

    column: Annotated[str, Field(min_length=1)] = "label"
    """Its name."""
    separator: Annotated[str, Field(min_length=1)] | None = None
    """What stands between two classes; null reads JSON lists, `["a", "b"]`, or lists of JSON Lines and Parquet."""
    may_be_empty: bool = False
    """Whether a row may have none of the classes; otherwise a row without one is a bad row."""


_LABEL_TAGS = ("a column", "label sets")
Label = Annotated[
    Annotated[str, Tag(_LABEL_TAGS[0])] | Annotated[LabelSets, Tag(_LABEL_TAGS[1])],
    Discriminator(lambda value: _LABEL_TAGS[isinstance(value, dict | LabelSets)]),
]


def written_path(loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Returns where in a description an error lies: pydantic names the form of a label besides its key."""
    return loc if loc[:1] != ("label",) else ("label", *(part for part in loc[1:] if part not in _LABEL_TAGS))


class Limits(_Part):
    """What no row may exceed."""

    max_field_bytes: Annotated[int, Field(ge=16, le=16 << 20)] = 64 * 1024
    """Longest UTF-8 text of one column."""
    max_words: Annotated[int, Field(ge=1)] = 1000
    """Most words of a text; more are an article where a sentence was meant, or a quote that was never closed."""


class Floors(_Part):
    """What a model must show before it may be pushed; null takes what the configuration says."""

    min_accuracy: Annotated[float, Field(ge=0.0, lt=1.0)] | None = None
    min_class_recall: Annotated[float, Field(ge=0.0, lt=1.0)] | None = None
    min_examples: Annotated[int, Field(ge=1)] | None = None
    min_class_examples: Annotated[int, Field(ge=0)] | None = None
    """0 lets classes be without test rows; otherwise rows are refused of which a class has none to be judged by."""


class Distances(_Part):
    """How far two samples of these texts may be apart: training rows from test rows, and from those of the last push.

    A distance is the square root of the Jensen-Shannon divergence, 0 to 1. What is put up with is tolerance + noise x
    sqrt(1 / rows + 1 / other rows).
    """

    noise: dict[str, Annotated[float, Field(ge=0.0)]] = {}
    """By feature, what chance makes of it: measured once, on random halves of the training rows, by `agnews corpus
    init`. For a feature that is missing, an upper bound is taken, which finds less."""
    tolerance: dict[str, Annotated[float, Field(ge=0.0, le=1.0)]] = {}
    """By feature, what is put up with besides, 0.02 where nothing is said: a test file that is balanced on purpose, a
    feed that moves with the seasons."""

    @field_validator("noise", "tolerance")
    @classmethod
    def _known(cls, features: dict[str, float]) -> dict[str, float]:
        unknown = [name for name in features if name not in COUNTED]
        if unknown:
            what = f"there is no feature {unknown[0]!r}; features are {', '.join(COUNTED)}"
            raise _wrong_entry(what, unknown[0], unknown[0])
        return features


SETTINGS = ("text", "model", "training", "evaluation", "smoke_test", "data")
"""Sections of the configuration that a description may fill."""


_Sections = dict[str, dict[str, JsonValue]]


class Corpus(_Part):
    """Labelled texts, and all that is particular to them."""

    format: Literal[1]
    """Of the description; a later format gets another number."""
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
    """What records and reports call it."""
    title: str = ""
    """What people call it."""
    about: str = "short texts"
    """What its texts are, words that follow "sorting"."""
    text: str = "text"
    """What one of its texts is called, a singular noun: `headline`, `question`, `review`."""
    question: str = "Which class is it?"
    """What the model answers."""
    language: str = "und"
    """Of the texts, a BCP 47 tag: `en`, `he`, `zh-Hans`; `und` where nobody has said."""
    licence: str = ""
    """Under which terms its rows may be used, one sentence."""
    files: Files = Files()
    read: Reading = Reading()
    columns: tuple[str, ...] = ()
    """Names of the columns of a file without a header, in order."""
    label: Label = "label"
    """The column that holds the class; of texts with several, `{column: ..., separator: ...}`, see `LabelSets`."""
    texts: Annotated[tuple[str, ...], Field(min_length=1)] = ("text",)
    """The columns whose texts, joined by one space, are the model's input."""
    classes: Annotated[tuple[CorpusClass, ...], Field(min_length=2, max_length=MAX_CLASSES)]
    """In the order in which models learn them, from 0. The list is closed: a row with another value is a bad row."""
    limits: Limits = Limits()
    floors: Floors = Floors()
    distances: Distances = Distances()
    settings: _Sections = {}
    """Sections of the configuration: what this corpus needs, unless somebody says otherwise."""
    kinds: dict[str, _Sections] = {}
    """The same for one kind of model each, by its name: what holds when that kind is run, by default or with
    `--model`."""
    reasons: dict[str, str] = {}
    """Why a setting is what it is, by its dotted key: shown wherever settings are."""
    golden_texts: dict[str, tuple[str, ...]] = {}
    """Unmistakable texts by name of their class, written by people: what any usable model gets mostly right. Checked
    before a model is pushed."""
    example_texts: tuple[str, ...] = ()
    """What the interface's page offers to try."""
    schema_pbtxt: str = ""
    """The schema of raw rows, tensorflow_metadata's Schema as text; empty derives it from classes and limits."""

    @field_validator("classes")
    @classmethod
    def _distinct(cls, classes: tuple[CorpusClass, ...]) -> tuple[CorpusClass, ...]:
        for what in ("value", "name"):
            seen: set[str] = set()
            for place, each in enumerate(classes):
                word = getattr(each, what)
                if word in seen:
                    raise _wrong_entry(f"the {what} {word!r} stands there more than once", word, place)
                seen.add(word)
        return classes

    @field_validator("texts")
    @classmethod
    def _named_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for place, name in enumerate(names):
            if name in names[:place]:
                raise _wrong_entry(f"the column {name!r} stands there more than once", name, place)
        return names

    @field_validator("settings")
    @classmethod
    def _known_sections(cls, settings: _Sections) -> _Sections:
        unknown = [name for name in settings if name not in SETTINGS]
        if unknown:
            what = f"there is no section {unknown[0]!r}; sections are {', '.join(SETTINGS)}"
            raise _wrong_entry(what, unknown[0], unknown[0])
        return settings

    @field_validator("kinds")
    @classmethod
    def _known_kinds(cls, kinds: dict[str, _Sections]) -> dict[str, _Sections]:
        for kind, settings in kinds.items():
            for section in settings:
                if section not in SETTINGS:
                    what = f"there is no section {section!r}; sections are {', '.join(SETTINGS)}"
                    raise _wrong_entry(what, section, kind, section)
        return kinds

    @model_validator(mode="after")
    def _fits_together(self) -> Corpus:
        if self.is_table and not self.read.header:
            if not self.columns:
                raise ValueError("columns: a file without a header needs the names of its columns")
            for column in (self.label_column, *self.texts):
                if (times := self.columns.count(column)) != 1:
                    what = "stands there more than once" if times else f"is none of {', '.join(self.columns)}"
                    raise ValueError(f"columns: {column!r} {what}")
        elif self.columns:
            raise ValueError("columns: names are for files without a header (read.header: false)")
        if self.label_column in self.texts:
            raise ValueError(f"texts: {self.label_column!r} is the label, and would tell the answer")
        for name in self.golden_texts:
            if name not in self.class_names:
                raise _wrong_entry(f"there is no class {name!r}", name, "golden_texts", name)
        return self

    @model_validator(mode="after")
    def _has_sets_that_can_be_read(self) -> Corpus:
        if isinstance(self.label, LabelSets):
            self._require_sets(self.label)
        return self

    def _require_sets(self, label: LabelSets) -> None:
        if self.form == "folders":
            raise ValueError("label: a text in a folder for each class has one class")
        if self.num_classes > MAX_CLASSES_OF_SETS:
            raise ValueError(f"classes: of texts with several, at most {MAX_CLASSES_OF_SETS:,} can be learnt")
        for each in self.classes:
            for word in (each.value, each.name):
                if word != word.strip() or (label.separator is not None and label.separator in word):
                    what = "has blanks around it" if word != word.strip() else f"holds {label.separator!r}"
                    raise ValueError(f"classes: {word!r} {what}, where label.separator tells classes apart")

    @property
    def label_column(self) -> str:
        """The column that holds the class, or the classes."""
        return self.label if isinstance(self.label, str) else self.label.column

    @property
    def label_sets(self) -> LabelSets | None:
        """How several classes of a text are written; None where each text has one."""
        return self.label if isinstance(self.label, LabelSets) else None

    @property
    def label_shape(self) -> tuple[int, ...]:
        """Of a row's label: () is the position of its class; (classes,) is a mark for each, 0 or 1."""
        return () if self.label_sets is None else (self.num_classes,)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes; position 0 is the label 0 that models learn."""
        return tuple(each.name for each in self.classes)

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.classes)

    @property
    def form(self) -> Format:
        """The format of the files: what the description says, or what the name of the training file says."""
        return self.read.format or format_of(self.files.train) or "csv"

    @property
    def is_table(self) -> bool:
        """Whether the files are lines of columns."""
        return self.form in ("csv", "tsv")

    @property
    def delimiter(self) -> str:
        """What stands between columns."""
        return self.read.delimiter or ("\t" if self.form == "tsv" else ",")

    @property
    def train_file(self) -> str:
        """Name of the file that training and eval rows come from."""
        return self.files.train

    @property
    def test_name(self) -> str:
        """What the test rows' source is called: the name of their file, or of what they are taken from."""
        test = self.files.test
        if test.file is not None:
            return test.file
        if test.share is not None:
            return f"{self.train_file} (test share {test.share:g})"
        if test.column is not None:
            return f"{self.train_file} ({test.column} = {test.value})"
        return f"{self.train_file} of the newest spans"

    @property
    def golden_pairs(self) -> tuple[tuple[str, str], ...]:
        """Golden texts, each after the name of its class."""
        return tuple((name, text) for name, texts in self.golden_texts.items() for text in texts)

    def canonical(self) -> str:
        """Returns the content as JSON: the same for the same description, wherever its files are."""
        # Taken back and not left out: files that differ in nothing else are none to speak of, as when it is read again.
        placeless = self.model_copy(update={"files": self.files.model_copy(update={"root": Files().root})})
        return placeless.model_dump_json(exclude_defaults=True)

    @property
    def digest(self) -> str:
        """sha256 of the canonical content."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    def only(self, *parts: str) -> Corpus:
        """Returns the same with nothing but its name, its classes and some parts.

        What a node does not read must not make it run again.

        Args:
            *parts: Names of fields to keep.
        """
        kept = {"format", "name", "classes", *parts}
        values = {name: getattr(self, name) for name in Corpus.model_fields if name in kept}
        if self.label_sets is not None:
            # That a text has several classes belongs to them; how they are written does not.
            values.setdefault("label", LabelSets())
        return Corpus.model_construct(**values)
