"""The output of `agnews batch`: what is there, what is missing, and when it is whole."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from agnews.components.batch_prediction.plan_batch import file_state
from agnews.components.prediction.resolve_columns import resolve_columns
from agnews.components.prediction.text_input import TextFormat, TextInput
from agnews.components.storage.explain_storage_errors import explain_storage_errors
from agnews.components.storage.files_at import files_at
from agnews.components.storage.half_written import remove_half_written
from agnews.components.storage.open_binary import sha256_of
from agnews.components.storage.tidying import tidying
from agnews.schemas.batch_manifest import BatchInput, BatchManifest, BatchPart, BatchPlan, BatchShard
from agnews.schemas.errors import AgnewsError
from agnews.schemas.first_problem import first_problem
from agnews.schemas.model_record import ModelRecord

MANIFEST, SUCCESS, REJECTS, PREDICTIONS = "manifest.json", "_SUCCESS", "rejects.jsonl", "predictions"
_PLAN, _WORK = "plan.json", "_work"

_Document = TypeVar("_Document", bound=BaseModel)


class BatchFolder:
    """A folder that fills up shard by shard.

    ```
    DIR/predictions/part-00000.parquet ...   the answers
    DIR/rejects.jsonl                        rows that could not be answered, with place and reason
    DIR/manifest.json                        counts, digests, version of the model
    DIR/_SUCCESS                             all of that is there
    DIR/plan.json                            what the folder is for
    DIR/_work/00000.json ...                 shards that are done, until all are
    ```

    A shard counts as done when its record is in `_work`, which is written after its part. All files appear at once
    and whole, so a killed run, or two workers on one shard, leave nothing wrong behind.

    Args:
        uri: The folder, a local path or a URI that TensorFlow's file layer opens.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/")
        self._files = files_at(self.uri)

    @property
    def is_local(self) -> bool:
        """Whether it is on a disk of this machine."""
        return "://" not in self.uri

    def plan(self) -> BatchPlan | None:
        """Reads the plan.

        Returns:
            The plan; None where the folder is empty or missing.

        Raises:
            AgnewsError: The folder holds something else, or the plan is damaged.
        """
        with explain_storage_errors(f"reading {self.uri}"):
            if not self._files.exists(f"{self.uri}/{_PLAN}"):
                # A run that was killed while planning leaves hidden files at most.
                others = [name for name in self._files.names(self.uri) if not name.startswith(".")]
                if others:
                    raise AgnewsError(
                        "The output folder holds something else.",
                        found=f"{self.uri} with {', '.join(others[:5])}",
                        fix="Name an empty or new folder with --output.",
                    )
                return None
        return self._read(BatchPlan, f"{self.uri}/{_PLAN}")

    def begin(self, plan: BatchPlan) -> None:
        """Makes the folder one for a plan."""
        self._write(f"{self.uri}/{_PLAN}", _json(plan))

    def manifest(self) -> BatchManifest | None:
        """Reads what a finished folder holds; None where it is not finished."""
        with explain_storage_errors(f"reading {self.uri}"):
            if not self._files.exists(f"{self.uri}/{SUCCESS}"):
                return None
        return self._read(BatchManifest, f"{self.uri}/{MANIFEST}")

    def missing(self, plan: BatchPlan) -> list[BatchShard]:
        """Lists the shards that are still to be done, in their order."""
        with explain_storage_errors(f"reading {self.uri}"):
            records = set(self._files.names(f"{self.uri}/{_WORK}"))
            parts = set(self._files.names(f"{self.uri}/{PREDICTIONS}"))
        return [
            shard
            for shard in plan.shards
            if f"{shard.number:05d}.json" not in records or part_name(shard, plan) not in parts
        ]

    def put(self, shard: BatchShard, part: BatchPart, content: bytes, rejects: bytes) -> None:
        """Records that a shard is done.

        Args:
            shard: The shard.
            part: What became of it.
            content: Its file of answers.
            rejects: Its lines for the rejects.
        """
        record = f"{self.uri}/{_WORK}/{shard.number:05d}"
        self._write(f"{self.uri}/{PREDICTIONS}/{part.name}", content)
        self._write(f"{record}.rejects", rejects)
        self._write(f"{record}.json", _json(part))

    def finish(self, plan: BatchPlan) -> BatchManifest:
        """Puts the manifest beside the parts, when none is missing.

        Args:
            plan: What was to be done.

        Returns:
            The manifest.

        Raises:
            AgnewsError: A record is damaged, or the storage fails.
        """
        records = [f"{self.uri}/{_WORK}/{shard.number:05d}" for shard in plan.shards]
        parts = tuple(self._read(BatchPart, f"{record}.json") for record in records)
        rejected: Counter[str] = Counter()
        for part in parts:
            rejected.update(part.rejects)
        manifest = BatchManifest(
            **plan.model_dump(include=set(BatchManifest.model_fields) & set(BatchPlan.model_fields)),
            finished_at=datetime.now(UTC).replace(microsecond=0),
            answered=sum(part.rows for part in parts),
            rejected=dict(rejected.most_common()),
            parts=parts,
        )
        with explain_storage_errors(f"writing {self.uri}"):
            self._files.write(f"{self.uri}/{REJECTS}", self._chunks([f"{record}.rejects" for record in records]))
        self._write(f"{self.uri}/{MANIFEST}", _json(manifest))
        self._write(f"{self.uri}/{SUCCESS}", b"")
        with tidying(f"What {self.uri} had while it was written"):
            self.sweep()
        return manifest

    def sweep(self) -> None:
        """Removes what killed runs left half written and, of a finished folder, the records of shards.

        Only while no other run is in the folder.
        """
        with explain_storage_errors(f"sweeping {self.uri}"):
            if self._files.exists(f"{self.uri}/{SUCCESS}"):
                self._files.remove(f"{self.uri}/{_WORK}")
            remove_half_written(self.uri, still=0)

    def _chunks(self, paths: list[str]) -> Iterator[bytes]:
        for path in paths:
            yield from self._files.read(path)

    def _write(self, path: str, content: bytes) -> None:
        with explain_storage_errors(f"writing {path}"):
            self._files.write(path, [content])

    def _read(self, kind: type[_Document], path: str) -> _Document:
        with explain_storage_errors(f"reading {path}"):
            content = b"".join(self._files.read(path))
        try:
            return kind.model_validate_json(content)
        except ValidationError as error:
            raise AgnewsError(
                f"{path} is damaged.",
                found=first_problem(error),
                fix="Answer into a new folder with --output.",
            ) from error


def part_name(shard: BatchShard, plan: BatchPlan) -> str:
    """Returns the name of the file with a shard's answers."""
    return f"part-{shard.number:05d}.{plan.format}"


def _json(document: BaseModel) -> bytes:
    return json.dumps(document.model_dump(mode="json"), indent=2, ensure_ascii=False).encode() + b"\n"


def require_same_batch(
    plan: BatchPlan,
    record: ModelRecord,
    sources: Sequence[TextInput],
    *,
    form: str,
    with_text: bool,
    top: int = 0,
    export_digest: str = "",
) -> None:
    """Makes sure that a plan is for what is asked for now.

    Args:
        plan: What the output folder is for.
        record: The model.
        sources: The inputs, each with what the user said about its columns.
        form: Format of the parts.
        with_text: Whether the texts are repeated.
        top: Classes of a text that are named; 0 names all.
        export_digest: Of the export that answers in the model's place; empty for TensorFlow.

    Raises:
        AgnewsError: Something differs; the message says what.
    """
    if (plan.model_version, plan.model_digest) != (record.version, record.model_digest):
        raise AgnewsError(
            "The output folder holds answers of another version of the model.",
            found=f"version {plan.model_version} there, version {record.version} now",
            fix=f"Go on with --version {plan.model_version}, or name a new folder with --output.",
        )
    if plan.export_digest != export_digest:
        of_before = "another export of the version" if plan.export_digest else "TensorFlow"
        raise AgnewsError(
            "The output folder holds answers of another engine, which need not be the same.",
            found=f"{of_before} there",
            fix="Go on with the --engine of before (auto takes it), or name a new folder with --output.",
        )
    there, now = _form(plan.format, plan.with_text, plan.top), _form(form, with_text, top)
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
    resolved, _ = resolve_columns(source)
    columns = tuple(resolved.text_columns) if resolved.format is not TextFormat.TEXT else ()
    now = (str(resolved.format), tuple(resolved.header), columns, resolved.id_column)
    if now != (given.format, given.header, given.text_columns, given.id_column):
        raise _different(
            "answers for other columns",
            f"{_columns(given.text_columns, given.id_column)} of {source.path} there, "
            f"{_columns(columns, resolved.id_column)} now",
        )


def _form(form: str, with_text: bool, top: int) -> str:
    return f"{form} {'with' if with_text else 'without'} texts{f', {top} classes a text' if top else ''}"


def _columns(texts: tuple[str, ...], own_id: str) -> str:
    return f"texts from {' + '.join(texts) or 'lines'}{f', ids from {own_id}' if own_id else ''}"


def _different(what: str, found: str) -> AgnewsError:
    return AgnewsError(
        f"The output folder holds {what}.", found=found, fix="Name a new folder with --output, or ask as before."
    )
