"""What is particular to a corpus: files, columns, classes, digests. Everything else in the project asks here.

Another corpus is one more `Corpus` in `CORPORA`, with a name that the configuration's key `data.corpus` takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agnews.schemas.errors import AgnewsError


@dataclass(frozen=True)
class PublishedFile:
    """A file of a corpus as its owners publish it.

    Attributes:
        url: Where it can be downloaded.
        sha256: Digest of its bytes, lower-case hexadecimal.
        size: Bytes, or None where no figure is published.
        rows: Records in it.
    """

    url: str
    sha256: str
    size: int | None
    rows: int


@dataclass(frozen=True)
class Corpus:
    """A labelled text corpus in headerless CSV files, one record a text.

    Attributes:
        name: What the configuration calls it.
        title: What people call it.
        texts: What its texts are, words that follow "sorting".
        licence: Under which terms its rows may be used, one sentence.
        train_file: Name of the file that training and eval rows come from.
        test_file: Name of the held-out file that decides about a model.
        columns: Meaning of the columns in order.
        label_column: The column that holds the class number.
        text_columns: The columns whose texts, joined by one space, are the model's input.
        class_names: Names of the classes; position 0 is the label 0 that models learn.
        first_label: The class number that the file uses for `class_names[0]`.
        max_field_bytes: Longest UTF-8 text of one column that is accepted.
        published: The official files by file name.
        golden_texts: Unmistakable texts, each after the name of its class, written by us: what any usable model gets
            mostly right. Checked before a model is pushed.
    """

    name: str
    title: str
    texts: str
    licence: str
    train_file: str
    test_file: str
    columns: tuple[str, ...]
    label_column: str
    text_columns: tuple[str, ...]
    class_names: tuple[str, ...]
    first_label: int
    max_field_bytes: int
    published: Mapping[str, PublishedFile] = field(default_factory=dict)
    golden_texts: tuple[tuple[str, str], ...] = ()

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)

    @property
    def last_label(self) -> int:
        """The highest class number that the file may use."""
        return self.first_label + self.num_classes - 1


_AG_NEWS_FOLDER = "https://raw.githubusercontent.com/mhjabreel/CharCnn_Keras/master/data/ag_news_csv"

AG_NEWS = Corpus(
    name="ag_news",
    title="AG News",
    texts="short news in English, a headline and a sentence or two,",
    licence="AG's corpus of news articles: free for research and other non-commercial use.",
    train_file="train.csv",
    test_file="test.csv",
    columns=("class", "title", "description"),
    label_column="class",
    text_columns=("title", "description"),
    class_names=("World", "Sports", "Business", "Sci/Tech"),
    first_label=1,
    max_field_bytes=64 * 1024,
    published={
        "train.csv": PublishedFile(
            url=f"{_AG_NEWS_FOLDER}/train.csv",
            sha256="76a0a2d2f92b286371fe4d4044640910a04a803fdd2538e0f3f29a5c6f6b672e",
            size=None,
            rows=120_000,
        ),
        "test.csv": PublishedFile(
            url=f"{_AG_NEWS_FOLDER}/test.csv",
            sha256="521465c2428ed7f02f8d6db6ffdd4b5447c1c701962353eb2c40d548c3c85699",
            size=1_857_427,
            rows=7_600,
        ),
    },
    golden_texts=(
        ("World", "President meets foreign minister for peace talks. The two governments want to end the war."),
        ("World", "Soldiers killed in bomb attack near the capital. Police say militants fired on an army patrol."),
        ("World", "Opposition wins parliament election. The prime minister will resign, the party leader said."),
        ("World", "United Nations calls for a ceasefire. Rebels and government troops clash at the border."),
        ("World", "Hostages freed by kidnappers after weeks. The embassy thanked the authorities for the release."),
        ("Sports", "Coach praises team after victory in the final. The striker scored two goals in the second half."),
        ("Sports", "Quarterback throws three touchdowns as the home team beats its rival to reach the playoffs."),
        ("Sports", "Tennis champion wins the open in straight sets. She will play the semifinal match on Sunday."),
        ("Sports", "Pitcher leads baseball team to win in the ninth inning. Fans celebrate the league title."),
        ("Sports", "Sprinter takes Olympic gold medal in world record time at the athletics championship."),
        ("Business", "Stocks fall as oil prices rise. Investors on Wall Street worry about interest rates."),
        ("Business", "Company reports higher quarterly profit. Shares climb after sales and earnings beat forecasts."),
        ("Business", "Bank agrees to buy rival in a merger worth two billion dollars, shareholders will vote."),
        ("Business", "Airline files for bankruptcy and cuts jobs. Its chief executive blames high fuel costs."),
        ("Business", "Federal Reserve raises rates as inflation grows. The dollar gains against the euro in trading."),
        ("Sci/Tech", "New software fixes security hole in web browser. Users should download the update, experts say."),
        ("Sci/Tech", "Scientists launch spacecraft to study the planet. The space agency expects images next week."),
        ("Sci/Tech", "Chip maker shows faster processor for computers. The new technology uses less power."),
        ("Sci/Tech", "Search engine adds a tool for mobile phones. The Internet company tests the service online."),
        ("Sci/Tech", "Researchers find virus that infects computers through email and steals passwords of users."),
    ),
)

CORPORA: Mapping[str, Corpus] = {corpus.name: corpus for corpus in (AG_NEWS,)}


def corpus_named(name: str) -> Corpus:
    """Returns the description of a corpus.

    Args:
        name: What the configuration calls it, `ag_news` for example.

    Returns:
        The description.

    Raises:
        AgnewsError: No corpus has this name.
    """
    if name not in CORPORA:
        raise AgnewsError(
            "No corpus has this name.",
            found=name,
            fix=f"Use one of {', '.join(CORPORA)}, or describe a new one in schemas/corpus.py.",
        )
    return CORPORA[name]


def corpus_with(class_names: Sequence[str]) -> Corpus:
    """Returns the corpus that a model has learnt from.

    Args:
        class_names: Names of the model's classes.

    Returns:
        The corpus with these classes; the first one where there is none, since files with the same columns are likely.
    """
    fitting = (corpus for corpus in CORPORA.values() if corpus.class_names == tuple(class_names))
    return next(fitting, next(iter(CORPORA.values())))
