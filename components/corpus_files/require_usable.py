"""When a corpus is too bad to learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agnews.components.corpus_files.record import Reason, Reject
from agnews.schemas.corpus import AG_NEWS, Corpus
from agnews.schemas.data_card import DataCard
from agnews.schemas.errors import AgnewsError
from agnews.schemas.features import EVAL, TEST, TRAIN

_EXAMPLES = 3
_SHOWN_CLASSES = 20


def require_usable(
    card: DataCard, rejects: Mapping[str, Sequence[Reject]], corpus: Corpus, max_reject_share: float
) -> None:
    """Raises if a model should not be trained on these files.

    Args:
        card: What the files hold.
        rejects: Bad records by file.
        corpus: Names of files and classes.
        max_reject_share: Largest share of bad records in a file that is put up with.

    Raises:
        AgnewsError: A file is cut off, has no record or too many bad ones; a split is empty; a class has no row, unless
            it is one of test and the description allows that.
    """
    for file, counts in card.files.items():
        _require_good_records(file, counts.records, rejects.get(file, ()), card, max_reject_share)
    for split, file in ((TEST, corpus.test_name), (TRAIN, corpus.train_file), (EVAL, corpus.train_file)):
        _require_classes(split, file, card, may_lack=split == TEST and corpus.floors.min_class_examples == 0)


def _require_good_records(
    file: str, records: int, rejects: Sequence[Reject], card: DataCard, max_reject_share: float
) -> None:
    if not records:
        raise AgnewsError(f"{file} has no record.", found=card.source, fix="Copy or download it again.")
    for bad in rejects:
        if bad.reason is Reason.CUT_OFF:
            raise AgnewsError(
                f"{file} is cut off: it ends inside record {bad.row}, line {bad.line}.",
                found=bad.found,
                fix="Copy or download it again; to go on without what is missing, delete that line.",
            )
    if len(rejects) > max_reject_share * records:
        reasons = ", ".join(f"{n} {reason}" for reason, n in card.files[file].rejects.items())
        examples = "".join(f"\n         line {bad.line}: {bad.detail}" for bad in rejects[:_EXAMPLES])
        raise AgnewsError(
            f"{len(rejects)} of the {records} records of {file} cannot be used, more than {max_reject_share:.2%}.",
            found=f"{reasons}; the first ones:{examples}",
            fix=f"{_cause(card.files[file].rejects)}Run `{check_command(card.corpus, card.source)}` to list every bad "
            "row and mend them, or allow more with --set data.max_reject_share=SHARE.",
        )


_CAUSES = {
    Reason.CLASS: "The list of classes is closed: where the values are right, add them to `classes`.",
    Reason.CLASS_SET: "The list of classes is closed: where the values are right, add them to `classes`, or say in "
    "`label` what tells them apart.",
    Reason.COLUMNS: "Where the rows are right, the description is not: say in `read` what separates columns, and in "
    "`columns` all that a file without a header has.",
    Reason.ENCODING: "Where the file is in another encoding, say which: `read: {encoding: cp1252}`.",
}
_MOST = 0.5
"""Of the bad rows: with so many of one kind it is no slip."""


def _cause(rejects: Mapping[str, int]) -> str:
    """What may be wrong with the description, where most bad rows are of one kind."""
    reason, rows = max(rejects.items(), key=lambda pair: pair[1])
    cause = _CAUSES.get(Reason(reason), "")
    return f"{cause} " if cause and rows > _MOST * sum(rejects.values()) else ""


def check_command(corpus: str, source: str) -> str:
    """Returns the command that lists what is wrong with files.

    Args:
        corpus: Name of the corpus.
        source: Where the files are.
    """
    described = "" if corpus == AG_NEWS else "CORPUS.yaml --data "
    return f"agnews corpus check {described}{source}"


def _require_classes(split: str, file: str, card: DataCard, *, may_lack: bool) -> None:
    per_class = card.splits[split].rows_per_class
    missing = [name for name, n in per_class.items() if not n]
    shown = sorted(per_class.items(), key=lambda pair: pair[1])[:_SHOWN_CLASSES] if missing else []
    counts = ", ".join(f"{name} {n}" for name, n in (per_class.items() if len(per_class) <= _SHOWN_CLASSES else shown))
    counts += f" and {len(per_class) - len(shown)} more" if len(per_class) > len(shown) > 0 else ""
    if not missing or (may_lack and len(missing) < len(per_class) - 1):
        return
    if len(missing) == len(per_class):
        problem = f"No row of {file} is left for the split {split!r}."
    elif len(missing) == len(per_class) - 1:
        problem = f"The rows of the split {split!r}, from {file}, are of one class only."
    else:
        more = f" and {len(missing) - _SHOWN_CLASSES} more classes" if len(missing) > _SHOWN_CLASSES else ""
        problem = f"The split {split!r}, from {file}, has no row of {', '.join(missing[:_SHOWN_CLASSES])}{more}."
    fix = f"Add rows of every class to {file}, or leave the class out of the description."
    if split == TEST and len(missing) < len(per_class) - 1:
        fix += " Or judge by the others: floors: {min_class_examples: 0}."
    if split == EVAL:
        fix = f"Add rows to {file}: a class needs two different texts at least, one to learn from and one for eval."
        fix += " Or leave the class out of the description."
    raise AgnewsError(problem, found=counts, fix=fix)
