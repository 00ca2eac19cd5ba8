"""`agnews feedback`: labels that come back, from a file or a queue to a span that is learnt from."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agnews.pipeline.cli.corpus_option import AG_NEWS, CorpusOption
from agnews.pipeline.cli.model_options import ModelsOption, NameOption, RootOption, VersionOption, chosen_model
from agnews.pipeline.literal_text import printable
from agnews.schemas.errors import AgnewsError

if TYPE_CHECKING:
    from agnews.components.feedback.choose_texts import LoggedText, QueuedText
    from agnews.components.request_log.places import Places
    from agnews.pipeline.load_corpus import LoadedCorpus
    from agnews.schemas.feedback import GivenLabel

app = typer.Typer(
    help="Get labels for texts that were answered, and turn them into rows to learn from.\n\n"
    "Labels come from `POST /v1/models/NAME:feedback`, from the page /label of `agnews serve`, and from files.",
    no_args_is_help=True,
)

LogOption = Annotated[
    str, typer.Option("--log", metavar="DIR|URI", help="The log that `agnews serve --log-requests` writes.")
]
DataOption = Annotated[
    str | None, typer.Option("--data", metavar="DIR|URI", help="Folder of the spans, if not that of the description.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command(name="import")
def import_labels(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV with a header, or JSON Lines (.jsonl).")],
    log: LogOption,
    by: Annotated[str, typer.Option(metavar="NAME", help="Who says so, where the file does not.")] = "",
    corpus: CorpusOption = None,
) -> None:
    """Take labels from a file.

    Columns: `request` (id of the request, or ID/n) or `text` or both, `label`, and `by` and `at` where known. What
    `agnews feedback queue --output FILE` wrote needs a column `label` and nothing else. All rows are taken or none.
    """
    from agnews.components.feedback.label_store import keep_labels
    from agnews.components.storage.explain_storage_errors import explain_storage_errors
    from agnews.schemas.feedback import Source

    classes = _load(corpus).corpus.class_names
    asked: list[GivenLabel] = []
    given: list[GivenLabel] = []
    for number, row in enumerate(_rows(file), 1):
        if str(row.get("label") or "").strip():
            label, was_asked = _given(row, number, by, classes)
            (asked if was_asked else given).append(label)
    if not asked and not given:
        raise AgnewsError("The file holds no labels.", found=str(file), fix="Fill the column `label`.")
    places = _places(log)
    with explain_storage_errors(f"writing to {places.feedback}"):
        for labels, source in ((asked, Source.QUEUE), (given, Source.IMPORT)):
            if labels:
                keep_labels(places, labels, source)
    typer.echo(f"{len(asked) + len(given)} labels kept in {places.feedback}")


@app.command()
def queue(
    log: LogOption,
    number: Annotated[int, typer.Option(metavar="N", min=1, help="The most to choose.")] = 100,
    days: Annotated[int, typer.Option(metavar="N", min=1, help="Of the last N days.")] = 7,
    doubtful: Annotated[
        str,
        typer.Option(
            metavar="RUN|URI",
            help="First send the training rows whose labels look wrong to the queue: those of a run (or latest), or of "
            "the folder that its LinearBaseline wrote.",
        ),
    ] = "",
    most: Annotated[int, typer.Option(metavar="N", min=1, help="With --doubtful: how many rows to send.")] = 100,
    by: Annotated[
        str, typer.Option(metavar="NAME", help="Who is going to label: nobody is asked twice about a text.")
    ] = "",
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a CSV with an empty column `label` to fill and import.")
    ] = None,
    as_json: JsonOption = False,
    root: RootOption = Path("workspace"),
    name: NameOption = "agnews",
    models: ModelsOption = None,
    version: VersionOption = "",
) -> None:
    """Choose the texts that a label would help most.

    First come texts that people disagree about. Then, in turns: one of a random share of all texts, on which accuracy
    is measured without bias; one between whose best two classes the model is most torn; one on which the model and the
    linear model that was pushed with it are furthest apart; and one of the training rows that --doubtful has sent. The
    page /label of `agnews serve` asks for the same.

    [bold]Examples[/bold]

      agnews feedback queue --log requests --output to-label.csv
      agnews feedback queue --log requests --doubtful latest --most 50
    """
    from agnews.components.feedback.choose_texts import choose_texts
    from agnews.components.feedback.collect_labels import read_labelled
    from agnews.components.feedback.read_logged_texts import read_newest_texts
    from agnews.components.feedback.training_rows import read_training_rows
    from agnews.components.storage.explain_storage_errors import explain_storage_errors

    places = _places(log)
    if doubtful:
        sent = _send_doubtful(places, doubtful, most, root)
        typer.echo(f"{sent} training rows are in the queue", err=as_json)
    with explain_storage_errors(f"reading {log}"):
        logged = read_newest_texts(places, datetime.now(UTC) - timedelta(days=days), 100_000)
        training = read_training_rows(places)
        labelled, _ = read_labelled(places)
    apart = _disagreements(logged, root, name, models, version) if logged else {}
    chosen = choose_texts(logged, labelled, by=by, number=number, disagreements=apart, training=training)
    if output is not None:
        _write_queue(output, chosen)
    if as_json:
        typer.echo(json.dumps([vars(each) for each in chosen], ensure_ascii=False))
        return
    for each in chosen if output is None else []:
        given = f"labelled {each.label}; " if each.label else ""
        typer.echo(
            f"{each.why:<12}  {given}{each.answer}, {100 * each.probability:.0f} %  {printable(each.text)[:160]}"
        )
    of = f"{len(logged)} logged texts" + (f" and {len(training)} training rows" if training else "")
    typer.echo(f"{len(chosen)} of {of}{f', in {output}' if output else ''}")
    if not logged:
        typer.echo("Texts are logged by `agnews serve --log-requests DIR`, with --log-text all.")


@app.command()
def collect(
    log: LogOption,
    corpus: CorpusOption = None,
    data: DataOption = None,
    span: Annotated[str, typer.Option(metavar="YYYY-MM-DD", help="Day of the span. \\[default: today]")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be written, and write nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a dated span of what people agree on, for the next run to learn from.

    Of one person the newest label of a text counts, and of all people what more than half of them say. A text that two
    people call different things goes back to the queue, for a third to decide, and a row that was collected from it
    before is taken back. Where other spans have rows with the same texts,
    runs leave those out and learn from these. Texts of the random share go to LOG/test-pool and
    are never learnt from. `provenance.jsonl` in the span says of each row who labelled it, when, and which request it
    was. Doing it again changes nothing.
    """
    from agnews.components.feedback.collect_labels import collect_labels
    from agnews.components.storage.explain_storage_errors import explain_storage_errors

    day = span or datetime.now(UTC).date().isoformat()
    try:
        is_day = date.fromisoformat(day).isoformat() == day
    except ValueError:
        is_day = False
    if not is_day:
        raise AgnewsError("A span is named after its day.", found=f"--span {day}", fix="For example --span 2026-11-29.")
    loaded = _load(corpus)
    folder = _folder(loaded, data)
    with explain_storage_errors(f"collecting labels into {folder}"):
        found = collect_labels(_places(log), loaded.corpus, folder, day, dry_run=dry_run)
    if as_json:
        typer.echo(json.dumps(vars(found)))
        return
    would = "would be" if dry_run else "are"
    typer.echo(f"{found.train} rows {would} in {folder}/{day}, {found.test} in the test pool")
    for count, what in (
        (found.changed, "rows of earlier spans are labelled otherwise now, and were taken back"),
        (found.conflicts, "texts are called different things by different people; they are in the queue again"),
        (found.unknown_text, "labels are of requests whose text is not in the log (--log-text all keeps texts)"),
        (found.unknown_class, "texts have a label that is no class of the corpus"),
    ):
        if count:
            typer.echo(f"{count} {what}")


@app.command()
def erase(
    log: LogOption,
    texts: Annotated[
        list[str] | None, typer.Option("--text", metavar="TEXT", help="This text, in all its copies; may be repeated.")
    ] = None,
    requests: Annotated[
        list[str] | None,
        typer.Option(
            "--request", metavar="ID", help="The texts of this request, wherever they stand; may be repeated."
        ),
    ] = None,
    by: Annotated[
        list[str] | None, typer.Option("--by", metavar="NAME", help="The labels of this person; may be repeated.")
    ] = None,
    corpus: CorpusOption = None,
    data: DataOption = None,
) -> None:
    """Remove somebody's texts or labels for good: from the log, the labels, the test pool and collected spans.

    What a running server still holds is left out when it becomes a file, at the latest after an hour; for that, digests
    of the texts and ids of the requests are kept. A model that has learnt from them is not changed: train again.
    """
    from agnews.components.feedback.erase_person import erase as erase_person
    from agnews.components.storage.explain_storage_errors import explain_storage_errors

    if not (texts or requests or by):
        raise AgnewsError(
            "Say what is to be erased.", found="neither --text nor --request nor --by", fix="For example --request ID."
        )
    loaded = _load(corpus)
    folder = data or loaded.root
    with explain_storage_errors(f"erasing in {log}"):
        found = erase_person(
            _places(log), texts=texts or [], requests=requests or [], by=by or [], data=folder, corpus=loaded.corpus
        )
    typer.echo(f"{found.requests} rows of the log, {found.labels} labels, {found.rows} collected rows were removed")


def _places(log: str) -> Places:
    from agnews.components.request_log.places import places_at

    return places_at(log)


def _load(corpus: str | None) -> LoadedCorpus:
    from agnews.pipeline.load_corpus import load_corpus

    loaded = load_corpus(corpus or AG_NEWS)
    if loaded.corpus.label_sets is not None:
        raise AgnewsError(
            "Feedback is one class of a text, and this corpus gives a text several.",
            found=f"label.column {loaded.corpus.label_column}",
            fix="Add rows to the training file: a new one in a span of its own, for example.",
        )
    return loaded


def _folder(loaded: LoadedCorpus, data: str | None) -> str:
    folder = data or loaded.root
    if not folder:
        raise AgnewsError(
            "Nobody has said where the corpus is.",
            found="a description that comes along, and no --data",
            fix="Name the folder of the spans with --data DIR, or a description with --corpus FILE.",
        )
    folder = folder.rstrip("/") if "://" in folder else str(Path(folder).expanduser().absolute())
    from agnews.components.storage.files_at import files_at

    if files_at(folder).exists(f"{folder}/{loaded.corpus.train_file}"):
        raise AgnewsError(
            "This folder is none of spans, so a span in it would not be read.",
            found=f"{folder}/{loaded.corpus.train_file}",
            fix=f"Move the training file into the span of its day: {folder}/YYYY-MM-DD/{loaded.corpus.train_file}.",
        )
    return folder


def _rows(file: Path) -> Iterator[Mapping[str, Any]]:
    try:
        with file.expanduser().open(encoding="utf-8-sig", newline="") as stream:
            if file.suffix in (".jsonl", ".ndjson"):
                yield from (json.loads(line) for line in stream if line.strip())
            else:
                yield from csv.DictReader(stream)
    except (OSError, ValueError, csv.Error) as error:
        raise AgnewsError(
            "The file with labels cannot be read.",
            found=f"{file} ({error})",
            fix="CSV with a header, or JSON Lines named .jsonl, in UTF-8.",
        ) from error


def _given(row: Mapping[str, Any], number: int, by: str, classes: tuple[str, ...]) -> tuple[GivenLabel, bool]:
    from pydantic import ValidationError

    from agnews.schemas.feedback import GivenLabel
    from agnews.schemas.first_problem import first_problem

    if row.get("why"):
        row = {**row, "text": _without_apostrophe(str(row.get("text") or ""))}
    known = {name: str(row[name]).strip() for name in ("request", "text", "label", "by", "at") if row.get(name)}
    known.setdefault("by", by)
    try:
        label = GivenLabel.model_validate(known)
    except ValidationError as error:
        raise AgnewsError(
            f"Row {number} of the file is no label.",
            found=first_problem(error),
            fix="A row has request or text, label, and by (or --by NAME); at, if given, has a time zone.",
        ) from error
    if label.label not in classes:
        raise AgnewsError(
            f"Row {number} of the file names no class of the corpus.",
            found=label.label,
            fix=f"Classes are {', '.join(classes[:12])}; --corpus FILE names another corpus.",
        )
    return label, bool(row.get("why"))


def _write_queue(output: Path, chosen: Sequence[QueuedText]) -> None:
    from io import StringIO

    from agnews.components.storage.atomic_output import write_atomically

    sink = StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(("request", "text", "answer", "probability", "why", "was", "label"))
    writer.writerows(
        (each.row, _with_apostrophe(each.text), each.answer, f"{each.probability:.4f}", each.why, each.label, "")
        for each in chosen
    )
    write_atomically(output, sink.getvalue(), private=True)


_FORMULA = tuple("'=+-@\t\r")


def _with_apostrophe(text: str) -> str:
    """Keeps a spreadsheet from computing what a stranger has sent."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _without_apostrophe(text: str) -> str:
    return text.removeprefix("'")


def _send_doubtful(places: Places, run: str, most: int, root: Path) -> int:
    from agnews.components.feedback.training_rows import queue_training_rows
    from agnews.components.storage.explain_storage_errors import explain_storage_errors
    from agnews.pipeline.reports.find_doubts import find_doubts

    name, doubts = find_doubts(run, root)
    with explain_storage_errors(f"writing to {places.training_rows}"):
        return queue_training_rows(places, name, doubts[:most])


def _disagreements(
    logged: Sequence[LoggedText], root: Path, name: str, models: str | None, version: str
) -> Mapping[str, float]:
    from agnews.components.feedback.find_disagreements import find_disagreements
    from agnews.components.second_opinion.hashed_words import read_hashed_words

    try:
        # Nothing is loaded: only what was written down beside the model is read.
        folder = chosen_model(root, name, models, version, None, trust=True).pushed.folder
    except AgnewsError as error:
        # Whoever labels need not have the models.
        problem = f"{error.problem} {error.fix}"
    else:
        words = read_hashed_words(folder)
        if words is not None:
            return find_disagreements(logged, words)
        problem = f"{folder} was pushed without one, because it knows too little of such texts, or by an older agnews."
    typer.echo(f"No text was chosen by the linear model of the version in production. {problem}", err=True)
    return {}
