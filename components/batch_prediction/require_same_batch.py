"""Keeps answers of two models, or for two sets of inputs, out of one folder."""

from __future__ import annotations

from collections.abc import Sequence

from agnews.components.batch_prediction.plan_batch import file_state
from agnews.components.corpus_files.sha256_of import sha256_of
from agnews.components.prediction.settle_columns import settle_columns
from agnews.components.prediction.text_format import TextFormat
from agnews.components.prediction.text_input import TextInput
from agnews.schemas.batch_manifest import BatchInput, BatchPlan
from agnews.schemas.errors import AgnewsError
from agnews.schemas.model_record import ModelRecord


def require_same_batch(
    plan: BatchPlan, record: ModelRecord, sources: Sequence[TextInput], *, form: str, with_text: bool
) -> None:
    """Makes sure that a plan is for what is asked for now.

    Args:
        plan: What the output folder is for.
        record: The model.
        sources: The inputs, each with what the user said about its columns.
        form: Format of the parts.
        with_text: Whether the texts are repeated.

    Raises:
        AgnewsError: Something differs; the message says what.
    """
    if (plan.model_version, plan.model_digest) != (record.version, record.model_digest):
        raise AgnewsError(
            "The output folder holds answers of another version of the model.",
            found=f"version {plan.model_version} there, version {record.version} now",
            fix=f"Go on with --version {plan.model_version}, or name a new folder with --output.",
        )
    there, now = _form(plan.format, plan.with_text), _form(form, with_text)
    if there != now:
        raise _different("answers in another form", f"{there} there, {now} now")
    before, now_uris = [given.uri for given in plan.inputs], [source.path for source in sources]
    if before != now_uris:
        changed = sorted(set(before) ^ set(now_uris)) or ["the order"]
        raise _different("answers for other inputs", f"{len(changed)} differ, for example {changed[0]}")
    for given, source in zip(plan.inputs, sources, strict=True):
        _require_same_file(given, source)


def _require_same_file(given: BatchInput, source: TextInput) -> None:
    if file_state(source.path) != (given.bytes, given.modified) and sha256_of(source.path) != given.sha256:
        raise _different("answers for an input that has changed since", source.path)
    settled, _ = settle_columns(source)
    columns = tuple(settled.text_columns) if settled.format is not TextFormat.TEXT else ()
    now = (str(settled.format), tuple(settled.header), columns, settled.id_column)
    if now != (given.format, given.header, given.text_columns, given.id_column):
        raise _different(
            "answers for other columns",
            f"{_columns(given.text_columns, given.id_column)} of {source.path} there, "
            f"{_columns(columns, settled.id_column)} now",
        )


def _form(form: str, with_text: bool) -> str:
    return f"{form} {'with' if with_text else 'without'} texts"


def _columns(texts: tuple[str, ...], own_id: str) -> str:
    return f"texts from {' + '.join(texts) or 'lines'}{f', ids from {own_id}' if own_id else ''}"


def _different(what: str, found: str) -> AgnewsError:
    return AgnewsError(
        f"The output folder holds {what}.", found=found, fix="Name a new folder with --output, or ask as before."
    )
