"""Texts that nobody writes and every server gets."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

ODD_TEXTS: Mapping[str, bytes] = MappingProxyType(
    {
        "empty": b"",
        "blank": b" \t\n\r ",
        "100 kB": b"Shares of the company fell sharply after the report. " * 2000,
        "100 kB without a space": b"x" * 100_000,
        "emoji": "🚀🚀 👩‍👩‍👧‍👦 ⚽️🏆".encode(),
        "null byte": b"Oil prices\x00 rise",
        "only markup": b"<b></b><br/>&lt;p&gt;&amp;&quot; #39; \\",
        "right to left": "رئيس الوزراء يلتقي وفدا في جنيف".encode(),
        "no spaces between words": "日本の首相が国会で演説した".encode(),
        "combining marks": ("e" + "\u0301" * 200).encode(),
        "not UTF-8": b"caf\xe9 \xff\xfe\x80",
        "control characters": bytes(range(1, 32)),
    }
)
"""UTF-8, except where the name says otherwise, by what is odd about them."""
