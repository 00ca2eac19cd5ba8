"""How a file of rows is read: format, encoding, delimiter, quotes, header."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from agnews.components.corpus_sniffing.looks_like_header import looks_like_header
from agnews.schemas.corpus import Format, Reading, format_of
from agnews.schemas.errors import AgnewsError

_HEAD = 1 << 22
"""Bytes that are looked at for delimiter and header."""
_ROWS = 1000
_DELIMITERS = {",": "a comma", "\t": "a tab", ";": "a semicolon", "|": "a bar"}
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True)
class SniffedFile:
    """What a file looks like.

    Attributes:
        reading: How it is read.
        columns: Names of its columns; those of a file without a header are made up.
        seen: What it looks like, a sentence each.
        unsure: What a person has to look at, a sentence each.
    """

    reading: Reading
    columns: tuple[str, ...]
    seen: list[str] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)


def sniff_file(path: Path) -> SniffedFile:
    """Looks into a file.

    Args:
        path: A local file, or a folder with a folder of text files for each class.

    Returns:
        What it looks like.

    Raises:
        AgnewsError: It is of no format that can be read.
    """
    if path.is_dir():
        return SniffedFile(Reading(format="folders"), ("label", "text"), ["a folder of text files for each class"])
    head = _read_head(path)
    if head.startswith(b"PAR1"):
        return SniffedFile(Reading(format="parquet"), _parquet_columns(path), ["a Parquet file"])
    encoding, seen, unsure = _sniff_encoding(path, head)
    try:
        text = codecs.getincrementaldecoder(encoding)("replace").decode(head)
    except UnicodeError as error:
        raise AgnewsError(
            "The encoding of the file cannot be told.",
            found=f"{path} is not UTF-8, and not {encoding} either: {error}",
            fix="Write it in UTF-8: iconv -f ENCODING -t UTF-8 OLD > NEW.",
        ) from error
    if text.lstrip()[:1] in ("{", "["):
        columns = _json_columns(text, path)
        return SniffedFile(_reading(path, "jsonl", encoding=encoding), columns, ["JSON Lines", *seen], unsure)
    return _sniff_table(path, text, encoding, seen, unsure)


def _parquet_columns(path: Path) -> tuple[str, ...]:
    import pyarrow.parquet as pq

    from agnews.components.corpus_files.read_parquet_records import PARQUET_ERRORS, damaged_parquet

    try:
        return tuple(pq.read_schema(path).names)
    except PARQUET_ERRORS as error:
        raise damaged_parquet(str(path), error, 0) from error


def _read_head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            if path.name.lower().endswith(".gz"):
                with gzip.open(file) as unpacked:
                    head = unpacked.read(_HEAD)
            else:
                head = file.read(_HEAD)
    except (OSError, EOFError, zlib.error) as error:
        raise AgnewsError(
            "The file cannot be read.", found=f"{path}: {error}", fix="Check its name, or copy it again."
        ) from error
    if not head.strip():
        raise AgnewsError("The file is empty.", found=path, fix="Copy or download it again.")
    for magic, what in ((b"PK\x03\x04", "a ZIP archive or a spreadsheet"), (b"\x1f\x8b", "packed with gzip")):
        if head.startswith(magic):
            fix = "Unpack it, or export the sheet as CSV in UTF-8; a file packed with gzip has a name that ends in .gz."
            raise AgnewsError(f"The file is {what}, and no table, JSON Lines or Parquet.", found=path, fix=fix)
    return head


def _sniff_encoding(path: Path, head: bytes) -> tuple[str, list[str], list[str]]:
    for mark, name in _BOMS.items():
        if head.startswith(mark):
            # The mark of UTF-8 is skipped by every reader.
            return ("utf-8" if name == "utf-8-sig" else name), [f"{name}, which its first bytes say"], []
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with opened(path, "rb") as file:
            while chunk := file.read(_HEAD):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        from charset_normalizer import from_bytes

        # All of it may be ASCII but for a name in the middle.
        odd = b"".join(line for line in head.splitlines(keepends=True) if not line.isascii())[: 1 << 18]
        best = from_bytes(odd or head).best()
        name = codecs.lookup(best.encoding if best else "cp1252").name
        # Several Western encodings read the same letters; the one that everybody knows is taken.
        if odd.decode("cp1252", "replace") == odd.decode(name, "replace"):
            name = "cp1252"
        return (
            name,
            [f"not UTF-8, most likely {name}"],
            [f"read.encoding: {name} is a guess; look at texts with accents"],
        )
    return "utf-8", ["UTF-8"], []


def _reading(path: Path, form: Format, **said: object) -> Reading:
    """Leaves out what the name of the file says."""
    known = {} if format_of(path.name) == form else {"format": form}
    return Reading.model_validate({**known, **{name: value for name, value in said.items() if value is not None}})


def _json_columns(text: str, path: Path) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for number, line in enumerate(text.splitlines()[:_ROWS], 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            if names:
                break
            fix = "Write an object a line: jq -c '.[]' OLD > NEW.jsonl turns a list of objects into that."
            raise AgnewsError(
                "The file is JSON, but not an object a line.", found=f"{path}: {error}", fix=fix
            ) from None
        if not isinstance(value, dict):
            fix = "Write an object a line: jq -c '.[]' OLD > NEW.jsonl turns a list of objects into that."
            raise AgnewsError(
                "The file is JSON, but not an object a line.", found=f"{path}, line {number}: {line[:60]}", fix=fix
            )
        names.update(dict.fromkeys(value))
    return tuple(names)


def _sniff_table(path: Path, text: str, encoding: str, seen: list[str], unsure: list[str]) -> SniffedFile:
    if len(text) >= _HEAD // 2:
        text = text[: text.rfind("\n") + 1]
    tries = {
        (delimiter, quotes): _parse(text, delimiter, quotes) for quotes in (True, False) for delimiter in _DELIMITERS
    }
    best = max(tries, key=lambda each: (_evenness(tries[each]), each[1], -list(_DELIMITERS).index(each[0])))
    rows = tries[best]
    width = Counter(map(len, rows)).most_common(1)[0][0] if rows else 0
    even = [row for row in rows if len(row) == width]
    if _evenness(rows) < 0.5 or len(even) < 2:
        raise AgnewsError(
            "The file is no table of texts and labels.",
            found=f"{path}: {_DELIMITERS[best[0]]} would be the best guess of what separates columns, and "
            f"{_evenness(rows):.0%} of the first {len(rows)} rows would have the same columns",
            fix="Lines of columns, JSON Lines and Parquet can be read; save it as one of them.",
        )
    delimiter, quotes = best
    header, certain = looks_like_header(even[0], even[1:])
    form: Format = "tsv" if delimiter == "\t" else "csv"
    columns = tuple(even[0]) if header else tuple(f"column_{i}" for i in range(1, width + 1))
    seen = [f"{width} columns, separated by {_DELIMITERS[delimiter]}", *seen]
    seen.append(f"a first row that names the columns: {', '.join(columns)}" if header else "no header")
    if not certain:
        unsure = [
            *unsure,
            f"read.header: {str(header).lower()} is a guess; the first row is {', '.join(even[0])[:120]}",
        ]
    if not quotes:
        seen.append("quotes that are letters like others")
    reading = _reading(
        path,
        form,
        delimiter=delimiter if delimiter not in ",\t" else None,
        header=None if header else False,
        quotes=None if quotes else False,
        encoding=None if encoding == "utf-8" else encoding,
    )
    return SniffedFile(reading, columns, seen, unsure)


def _parse(text: str, delimiter: str, quotes: bool) -> list[list[str]]:
    csv.field_size_limit(max(csv.field_size_limit(), _HEAD))
    rows: list[list[str]] = []
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE,
        strict=True,
    )
    while len(rows) < _ROWS:
        try:
            row = next(reader)
        except StopIteration:
            break
        except csv.Error:
            rows.append([])
            continue
        if row:
            rows.append(row)
    return rows


def _evenness(rows: list[list[str]]) -> float:
    """Share of the rows that have as many columns as most, if that is more than one."""
    widths = Counter(map(len, rows))
    if not widths:
        return 0.0
    width, count = widths.most_common(1)[0]
    return count / len(rows) if width > 1 else 0.0
