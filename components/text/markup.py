r"""What counts as a remnant of markup in a news text: the patterns, for Python's `re` and for RE2 alike.

Feeds lose characters on their way into a corpus. AG News has `it #39;s` for "it's" (the `&` of `&#39;` became
a space), `&lt;b&gt;` for a tag, `Western amp;amp;amp; Southern` for a text escaped again and again, and `\`
where a line ended. The patterns use only syntax with one meaning in both engines: no `\s`, `\w`, `\b` or `$`.
"""

from __future__ import annotations

import html
from html.entities import name2codepoint

ENTITY_NAMES: dict[str, str] = {name: html.unescape(f"&{name};") for name in ("apos", *sorted(name2codepoint))}
"""The character of each named entity of HTML 4, and of XML's `apos`."""

_ANY_NUMBER = "#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}"
# Without its `&`, an entity must be told from prose: "ranked #25; lost" holds no control character, and
# "a sum;" and "this part;" are no signs of mathematics. So: numbers of punctuation or from 120 on, and names
# that no English sentence holds.
_BARE_NUMBER = (
    "#0{0,2}(?:3[3-9]|4[0-7]|5[89]|6[0-4]|9[1-6]|1[2-9][0-9]|[2-9][0-9]{2}|[1-9][0-9]{3,4})|#[xX][0-9a-fA-F]{2,5}"
)
_BARE_NAME = (
    "quot|amp|lt|gt|nbsp|apos|hellip|[lrsb][sd]quo|[lr]aquo|[mn]dash|szlig"
    "|[aeiouyAEIOUY](?:acute|grave|circ|uml|ring|tilde)|[cC]cedil|[nN]tilde|[oO]slash|[aAoO][eE]lig|[sS]caron"
)
# `amp;` may precede a name any number of times: the text was escaped more than once.
ENTITY_PATTERN = (
    f"&(?:amp;)*({_ANY_NUMBER}|{'|'.join(sorted(ENTITY_NAMES))});|(?:^|[ &])(?:amp;)*({_BARE_NUMBER}|{_BARE_NAME});"
)
"""An entity with its `&` or with a space for it; one of the two groups is its name, or `#` and number."""

# Names of elements, and not just `<...>`: Reuters writes tickers as <MSFT.O>, which are words.
TAG_PATTERN = (
    "</?(?i:a|abbr|address|b|big|blockquote|br|center|cite|code|dd|div|dl|dt|em|embed|font|form|h[1-6]|hr|i|iframe"
    "|img|input|li|link|nobr|object|ol|p|param|pre|q|s|script|small|span|strike|strong|style|sub|sup|table|tbody|td"
    "|th|thead|tr|tt|u|ul|wbr)(?:[ \t\r\n/\\\\][^<>]*)?>"
)
"""An HTML tag with its attributes."""

BREAK_PATTERN = r"\\+"
r"""Line breaks (`\`) and the escape before a sign (`\$`)."""

MARKUP_PATTERN = f"{BREAK_PATTERN}|{TAG_PATTERN}|{ENTITY_PATTERN}"
"""Found in a text exactly if cleaning would change it."""
