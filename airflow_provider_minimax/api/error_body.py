"""The service's own words in a response that is an error, fit for a log: bounded, on one line, printable. No I/O.

A body may come from the service, or from a proxy or a firewall before it: JSON of any shape, plain text or a page.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

#: Characters of the service's words that go into an exception.
MAX_QUOTED: Final = 300
#: Characters of the text of a page, beside its title.
_MAX_PAGE_TEXT: Final = 150
#: Bytes of a body in which words are looked for. A page holds them at its beginning, and expressions stay fast.
_MAX_SEARCHED: Final = 16 * 1024
_MAX_TEXT_SEARCHED: Final = 4 * 1024
#: Where an error stands: ``error`` is documented; ``message`` and ``detail`` are what other HTTP services use.
_WORDS: Final = ("error", "message", "detail")
#: The fields of a document that is nothing but an error.
_ENVELOPE: Final = frozenset({*_WORDS, "code", "status", "statusCode", "retryAfter", "success"})
#: The colours of a terminal.
_ESCAPE_SEQUENCE: Final = re.compile(r"\x1b\[[0-9;]{0,20}[A-Za-z]")
_PAGE: Final = re.compile(r"<(?:!doctype|html|head|title|body)\b", re.IGNORECASE)
_TITLE: Final = re.compile(r"<title[^>]{0,200}>([^<]{1,200})", re.IGNORECASE)
_BODY: Final = re.compile(r"<body\b|</head>", re.IGNORECASE)
_INVISIBLE: Final = re.compile(r"(?is)<(script|style)\b.*?</\1>|<!--.*?-->|<[^>]*>")


def one_line(text: str, max_chars: int = MAX_QUOTED) -> str:
    """Return a text on one line, without control characters, and shortened."""
    text = _ESCAPE_SEQUENCE.sub("", text)
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line[:max_chars].rstrip()


def message_of(document: object, body: bytes) -> str:
    """Return what an error's body says, or what it is where it says nothing.

    :param document: the decoded body; None if it is not JSON.
    """
    words = _words_of(document)
    if words:
        return words
    if not body:
        return "an empty body"
    if document is None:
        return _not_json(body)
    return f"JSON without an error message: {one_line(json.dumps(document, ensure_ascii=False))}"


def error_in(document: Mapping[str, Any]) -> str | None:
    """Return the words of a document that is nothing but an error, whatever its status code; None for any other."""
    return _words_of(document) if document.keys() <= _ENVELOPE else None


def redirect_target(location: str) -> str:
    """Return where a redirect leads, without what may be secret in it: user, query and fragment.

    :param location: the ``Location`` header; empty without one.
    """
    try:
        parts = urlsplit(location)
    except ValueError:
        return "a malformed address"
    host = parts.netloc.rpartition("@")[2]
    scheme = f"{parts.scheme}:" if parts.scheme else ""
    target = f"{scheme}//{host}{parts.path}" if host else parts.path
    return one_line(target) or "no address"


def _words_of(document: object) -> str | None:
    if isinstance(document, str):
        return one_line(document) or None
    for name in _WORDS if isinstance(document, dict) else ():
        found = document.get(name)  # type: ignore[attr-defined] # a dict
        if isinstance(found, dict):
            # Sibling services pass an error on as an object.
            found = found.get("message") or found.get("status")
        if isinstance(found, str) and (line := one_line(found)):
            return line.rstrip(". ") or line
    return None


def _not_json(body: bytes) -> str:
    text = body[:_MAX_SEARCHED].decode("utf-8", "replace")
    if _PAGE.search(text):
        return f"not JSON but {_describe_page(text)}"
    if text.count("\N{REPLACEMENT CHARACTER}") * 10 > len(text):
        return "not JSON"
    line = one_line(text)
    return f"not JSON but the text {line!r}" if line else "not JSON"


def _describe_page(text: str) -> str:
    title = _TITLE.search(text)
    start = _BODY.search(text)
    rest = text[start.start() if start else 0 :][:_MAX_TEXT_SEARCHED]
    if title and not start:
        rest = ""
    shown = one_line(html.unescape(_INVISIBLE.sub(" ", rest)), _MAX_PAGE_TEXT)
    parts = [f"titled {one_line(html.unescape(title[1]))!r}"] if title else []
    parts += [f"that says {shown!r}"] if shown else []
    return " ".join(["a page", *parts])
