"""Files of another kind told by their first bytes, before their content is taken for broken rows."""

from __future__ import annotations

import codecs

from agnews.schemas.errors import AgnewsError

_TEXT_CONTROLS = frozenset(b"\t\n\r\f")
_MOST_CONTROLS = 0.02
_OTHER_FORMATS = (
    (b"\x1f\x8b", "a gzip archive", "Unpack it with gunzip."),
    (b"PK\x03\x04", "a ZIP archive or a spreadsheet", "Unpack it, or export the sheet as CSV in UTF-8."),
    (b"\xfd7zXZ", "an xz archive", "Unpack it with unxz."),
    (b"BZh", "a bzip2 archive", "Unpack it with bunzip2."),
    (b"PAR1", "a Parquet file", "Write its rows as CSV without a header."),
    (codecs.BOM_UTF32_LE, "text in UTF-32", "Convert it: iconv -f UTF-32 -t UTF-8 OLD > NEW."),
    (codecs.BOM_UTF16_LE, "text in UTF-16", "Convert it: iconv -f UTF-16 -t UTF-8 OLD > NEW."),
    (codecs.BOM_UTF16_BE, "text in UTF-16", "Convert it: iconv -f UTF-16 -t UTF-8 OLD > NEW."),
    (b"<!doctype", "a web page, perhaps an error page saved under this name", "Download the file again."),
    (b"<html", "a web page, perhaps an error page saved under this name", "Download the file again."),
    (b"version https://git-lfs", "a Git LFS pointer and not the file itself", "Run git lfs pull."),
)


def require_text(path: str, head: bytes, wanted: str = "CSV") -> None:
    """Makes sure that a file could hold lines of text.

    Args:
        path: What the file is called in messages.
        head: Its first bytes, some thousands of them.
        wanted: What it should be.

    Raises:
        AgnewsError: It is empty, or plainly something else.
    """
    if not head.strip():
        raise AgnewsError("The file is empty.", found=path, fix="Copy or download it again.")
    for magic, kind, fix in _OTHER_FORMATS:
        if head[: len(magic)].lower() == magic.lower():
            raise AgnewsError(f"The file is {kind}, not {wanted}.", found=path, fix=fix)
    controls = sum(head.count(bytes([b])) for b in range(32) if b not in _TEXT_CONTROLS)
    if controls > _MOST_CONTROLS * len(head):
        raise AgnewsError(
            f"The file is binary, not {wanted}.",
            found=f"{path}: {controls} control characters in its first {len(head)} bytes",
            fix=f"Copy or download it again, or export it as {wanted} in UTF-8.",
        )
    if b"\n" not in head and head.count(b"\r") > 1:
        raise AgnewsError(
            "The lines of the file end in CR alone.",
            found=path,
            fix="Convert it: tr '\\r' '\\n' < OLD > NEW.",
        )
