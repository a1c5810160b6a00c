"""Masks the API token in text from the service, or from a proxy before it."""

from __future__ import annotations

import re
from functools import cache, cached_property
from html.entities import html5
from typing import Any, Final

MASK: Final = b"***"
#: Length from which the secret part of a token is also masked without its owner. A shorter one could be a word.
_MIN_SECRET: Final = 8
#: The owner in ``user:<number>-<secret>``. Ids begin like it, and are not masked.
_OWNER = re.compile(r"user:\d+-(?=.)", re.ASCII)
#: Characters that no encoder of JSON, URLs or HTML has to escape.
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
#: They may nevertheless be escaped by their number, in JSON and in URLs.
_PRINTABLE_BY_NUMBER = re.compile(rb"\\u00[2-7]")
_PLAIN_BY_PERCENT = re.compile(rb"%(?:25)*(?:3\d|[46][1-9A-Fa-f]|[57][\dAa])")


class Mask:
    """Replaces a token in text, however JSON, a URL or HTML escapes it.

    A spelling may lie within another one, so a document is masked once more when it is decoded.

    :param token: the whole token, printable ASCII.
    """

    def __init__(self, token: str) -> None:
        owner = _OWNER.match(token)
        self._owner = owner[0] if owner else ""
        self._secret = token.removeprefix(self._owner)
        self._hint = max(_PLAIN.findall(self._secret), key=len, default="").encode()

    @cached_property
    def _token(self) -> re.Pattern[bytes]:
        # Compiled on demand: that takes longer than a request, and most clients never need it.
        optional = "?" if len(self._secret) >= _MIN_SECRET else ""
        return re.compile(f"(?:{_spelled(self._owner)}){optional}{_spelled(self._secret)}".encode())

    def may_be_in(self, body: bytes) -> bool:
        """Return quickly whether a body can hold the token. Pages are long, and hardly ever do."""
        return (
            # From the end, as that takes Python half of the time.
            body.rfind(self._hint) >= 0
            or (_is_followed(body, b"\\", b"u") and _PRINTABLE_BY_NUMBER.search(body) is not None)
            or (_is_followed(body, b"%", b"234567") and _PLAIN_BY_PERCENT.search(body) is not None)
            or _is_followed(body, b"&", b"#")
        )

    def hide(self, body: bytes) -> bytes:
        """Return a body, or any other text, with the token replaced. JSON stays JSON."""
        return self._token.sub(MASK, body)

    def hide_in_text(self, text: str) -> str:
        """Return a text with the token replaced."""
        body = text.encode("utf-8", "surrogatepass")
        hidden = self.hide(body)
        return text if hidden == body else hidden.decode("utf-8", "surrogatepass")

    def hide_in_document(self, value: Any) -> Any:
        """Return a decoded JSON document, of bounded depth, with the token replaced in its names and texts."""
        if isinstance(value, str):
            return self.hide_in_text(value)
        if isinstance(value, dict):
            return {self.hide_in_text(name): self.hide_in_document(member) for name, member in value.items()}
        if isinstance(value, list):
            return [self.hide_in_document(member) for member in value]
        return value


def _is_followed(body: bytes, char: bytes, by: bytes) -> bool:
    """Return whether one of these bytes follows a character. Quick where it is rare: a pattern takes far longer."""
    at = body.find(char)
    while at >= 0:
        following = body[at + 1 : at + 2]
        if following and following in by:
            return True
        at = body.find(char, at + 1)
    return False


def _spelled(text: str) -> str:
    return "".join(map(_spellings, text))


@cache
def _spellings(char: str) -> str:
    code = ord(char)
    by_name = "".join(f"|&{name}" for name, meant in html5.items() if meant == char and name.endswith(";"))
    # All repetitions are bounded: a body that is nothing but backslashes must not take quadratic time.
    escaped = r"\\{0,8}" if char in '/"\\' else ""
    # In a form, a blank is a plus.
    blank = "| " if char == "+" else ""
    return (
        rf"(?:{escaped}{re.escape(char)}|\\{{1,8}}u(?i:{code:04x})|%(?:25){{0,8}}(?i:{code:02x})"
        rf"|&(?:amp;){{0,8}}#0{{0,8}}{code};?|&(?:amp;){{0,8}}#[xX]0{{0,8}}(?i:{code:x});?{by_name}{blank})"
    )
