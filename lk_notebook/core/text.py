"""Text from outside made safe for a page: characters that must not reach it, and what HTML and formulas would read."""

from __future__ import annotations

import html
import re

_UNSAFE = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_LONE = re.compile("[\ud800-\udfff]")
# MathJax reads `$`, `\(`, `\[`, `\begin` wherever they stand in one run of text; an element of their own ends the run.
_INERT = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "$": "<span>$</span>", "\\": "<span>\\</span>"}
_ESCAPES = str.maketrans(_INERT)


def whole(text: str) -> str:
    r"""The text with two halves of a surrogate pair joined; a half alone becomes U+FFFD, it would kill any output.

    Example:
        >>> whole("a\ud83d")
        'a\ufffd'
    """
    if text.isascii():
        return text
    text = _PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)
    return _LONE.sub("\ufffd", text)


def clean(text: str) -> str:
    r"""The text without control and bidi override characters; half a surrogate pair becomes U+FFFD.

    Example:
        >>> clean("a\x1b[2J\u202eb\ud83d")
        'a[2Jb\ufffd'
    """
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub("", whole(text))


def escape(text: str) -> str:
    """The text as HTML that shows it and does nothing else: no markup, no formula.

    Example:
        >>> escape("<b> $5")
        '&lt;b&gt; <span>$</span>5'
    """
    return clean(text).translate(_ESCAPES)


def plain(text: str) -> str:
    """The text as HTML for `code`, `pre` and attributes, where no formula is read.

    Example:
        >>> plain('"$5" <b>')
        '&quot;$5&quot; &lt;b&gt;'
    """
    return html.escape(clean(text)).replace("&#x27;", "'")
