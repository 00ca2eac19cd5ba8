"""What there is to answer, cut into shards."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

from agnews.components.corpus_files.read_csv_rows import BEGINNING, Place
from agnews.components.corpus_files.record import Reject
from agnews.components.prediction.read_parquet_texts import open_parquet
from agnews.components.prediction.read_texts import open_texts, read_texts
from agnews.components.prediction.resolve_columns import resolve_columns
from agnews.components.prediction.text_input import TextFormat, TextInput, is_gzipped
from agnews.components.storage.files_at import files_at
from agnews.components.storage.open_binary import open_binary, sha256_of
from agnews.schemas.batch_manifest import BatchInput, BatchShard
from agnews.schemas.corpus import Corpus
from agnews.schemas.errors import AgnewsError

SHARD_BYTES = 32 << 20
"""Texts of a shard are never more than about this, however few rows it has."""


def plan_batch(
    sources: Sequence[TextInput],
    *,
    shard_rows: int,
    max_bad_share: float,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> tuple[tuple[BatchInput, ...], tuple[BatchShard, ...]]:
    """Reads all inputs once, without a model: finds their columns, their digests, and where to cut them.

    A CSV file cannot be cut at any byte, since its quotes may hold line ends. So the parser itself says where rows
    begin; it takes a hundredth of the time that even a small model needs for the same rows. Of Parquet, the footer is
    enough. A compressed file can be read from its beginning only, and is one shard.

    Args:
        sources: The inputs, each with what the user said about its columns.
        shard_rows: Rows of a shard, at most.
        max_bad_share: Largest share of bad rows in a file that is put up with, if there are more than a hundred.
        on_rows: Called with the number of rows found so far.

    Returns:
        The inputs, and the shards in the order of their rows.

    Raises:
        AgnewsError: An input cannot be read, a column is missing, or too many rows are bad.
    """
    inputs: list[BatchInput] = []
    shards: list[BatchShard] = []
    names = _short_names([source.path for source in sources])
    for position, (source, name) in enumerate(zip(sources, names, strict=True)):
        resolved, has_header = resolve_columns(source)
        size, modified = file_state(source.path)
        inputs.append(
            BatchInput(
                uri=source.path,
                name=name,
                format=source.format,
                bytes=size,
                modified=modified,
                sha256=sha256_of(source.path),
                header=tuple(resolved.header),
                has_header=has_header,
                text_columns=tuple(resolved.text_columns) if resolved.format is not TextFormat.TEXT else (),
                id_column=resolved.id_column,
            )
        )
        cuts = _cut_parquet(resolved, shard_rows) if source.format is TextFormat.PARQUET else None
        if cuts is None:
            done = sum(shard.rows for shard in shards)
            # As it is, not resolved: a header is to be found and not to be taken for a row.
            cuts = _cut_rows(source, shard_rows, max_bad_share, partial(_add, done, on_rows))
        for start, end, rows in cuts:
            shards.append(
                BatchShard(
                    number=len(shards),
                    input=position,
                    row=start.row,
                    line=start.line,
                    offset=start.offset,
                    end=end,
                    rows=rows,
                )
            )
    return tuple(inputs), tuple(shards)


def shard_source(given: BatchInput, shard: BatchShard, corpus: Corpus) -> TextInput:
    """Returns what `read_texts` has to know to read a shard.

    Args:
        given: The file.
        shard: The part of it.
        corpus: The corpus that the model learnt from.
    """
    holds_header = given.has_header and Place(shard.row, shard.line, shard.offset) == BEGINNING
    header = () if holds_header else given.header
    return TextInput(given.uri, TextFormat(given.format), corpus, given.text_columns, given.id_column, header)


def file_state(path: str) -> tuple[int, int]:
    """Tells whether a file may have changed, without reading it.

    Args:
        path: A local path or a URI.

    Returns:
        Bytes, and the time of the last change in nanoseconds since 1970.

    Raises:
        AgnewsError: There is no such file.
    """
    # Says what is missing in words that help.
    open_binary(path).close()
    state = files_at(path).state(path)
    return state.size, state.changed_ns


_BAD_ROWS = 100
"""Fewer say nothing about a file."""
_TOLD_EVERY = 10_000

_Cut = tuple[Place, int | None, int]
"""Where a shard begins, where the next one begins, and the usable rows between."""


def _cut_parquet(source: TextInput, shard_rows: int) -> list[_Cut]:
    with open_binary(source.path) as stream:
        rows = open_parquet(stream, source.path).metadata.num_rows
    starts = range(1, rows + 1, shard_rows)
    ends = [min(start + shard_rows, rows + 1) for start in starts]
    return [(Place(row=start), end, end - start) for start, end in zip(starts, ends, strict=True)]


def _cut_rows(source: TextInput, shard_rows: int, max_bad_share: float, on_rows: Callable[[int], None]) -> list[_Cut]:
    cuts: list[_Cut] = []
    whole = is_gzipped(source.path)
    start, rows, seen, bad = BEGINNING, 0, 0, 0
    first: Reject | None = None
    for row in read_texts(open_texts(source), source):
        if isinstance(row, Reject):
            first = first or row
            bad += 1
            if bad % _BAD_ROWS == 0:
                _require_few(source.path, bad, seen, first, max_bad_share)
            continue
        if not whole and (rows >= shard_rows or (rows and row.offset - start.offset >= SHARD_BYTES)):
            cuts.append((start, row.offset, rows))
            start, rows = Place(row.row, row.line, row.offset), 0
        rows += 1
        seen += 1
        if seen % _TOLD_EVERY == 0:
            on_rows(seen)
    if first and bad >= _BAD_ROWS:
        _require_few(source.path, bad, seen, first, max_bad_share)
    if seen or bad:
        cuts.append((start, None, rows))
    on_rows(seen)
    return cuts


def _require_few(path: str, bad: int, good: int, first: Reject, max_bad_share: float) -> None:
    if bad > max_bad_share * (bad + good):
        raise AgnewsError(
            f"{bad:,} of {bad + good:,} rows of {path} cannot be used, more than {max_bad_share:.0%}.",
            found=f"row {first.row}: {first.reason}, {first.detail}: {first.found}",
            fix="Mend the file, or say what it is (--input-format, --text-columns, --header); --max-bad-share allows "
            "more.",
        )


def _add(done: int, on_rows: Callable[[int], None], rows: int) -> None:
    on_rows(done + rows)


def _short_names(paths: Sequence[str]) -> list[str]:
    """Names of the files alone, or whole paths of those that share one."""
    names = [path.rsplit("/", 1)[-1] for path in paths]
    counts = Counter(names)
    return [name if counts[name] == 1 else path for name, path in zip(names, paths, strict=True)]


def find_inputs(patterns: Sequence[str]) -> tuple[str, ...]:
    """Finds files.

    Args:
        patterns: Paths or URIs, with the wildcards of a shell; `**` goes through folders on a local disk.

    Returns:
        The files without repetition, in the order of the patterns, those of one pattern sorted. Local paths are made
        absolute.

    Raises:
        AgnewsError: A pattern stands for no file, or for a folder.
    """
    found: dict[str, None] = {}
    for pattern in patterns:
        files = _remote(pattern) if "://" in pattern else _local(pattern)
        if not files:
            raise AgnewsError(
                "No file has this name.",
                found=pattern,
                fix="Check it with ls, and quote it ('news/*.csv') so that the shell does not change it.",
            )
        found.update(dict.fromkeys(files))
    return tuple(found)


def _local(pattern: str) -> list[str]:
    path = Path(pattern).expanduser().absolute()
    # A name that exists is a name, whatever wildcards are in it.
    names = [path] if path.exists() else sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    if path.is_dir():
        raise AgnewsError(
            "The input is a folder.", found=pattern, fix=f"Name the files in it: '{pattern.rstrip('/')}/*.csv'."
        )
    return [str(name) for name in names if name.is_file() and not name.name.startswith(".")]


def _remote(pattern: str) -> list[str]:
    folder = re.split(r"[*?[]", pattern)[0].rpartition("/")[0]
    names = [f"{folder}/{name}" for name in files_at(folder).files_below(folder)]
    return [name for name in names if _matches(name.split("/"), pattern.split("/"))]


def _matches(name: Sequence[str], pattern: Sequence[str]) -> bool:
    """A wildcard stands for no slash, as in a shell."""
    return len(name) == len(pattern) and all(map(fnmatchcase, name, pattern))
