"""The page on which a person chooses: one option for each image or video, and a Markdown body that shows them.

Prompts are untrusted text. In an option, which Airflow shows as it is, they are one short line; in the body nothing
of them is Markdown, HTML or a link. Only ``http`` and ``https`` addresses become pictures and links.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Final
from urllib.parse import quote, urlsplit

#: Characters of an option. Airflow shows up to four options as buttons side by side, and more as a list.
MAX_OPTION: Final = 24
#: Characters of a prompt, or of what stands in for a picture, in the body.
MAX_PROMPT: Final = 300

#: Control characters, invisible format characters (they can reverse the direction of a text) and halves of an emoji.
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs"})
#: Format characters that emoji and some scripts are written with.
_JOINERS: Final = "\u200c\u200d"
_PUNCTUATION: Final = re.compile(r"[!-/:-@\[-`{-~]")
#: Where GitHub-flavoured Markdown finds a link in plain text, after it has read the backslashes.
_AUTOLINK: Final = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<=@)", re.IGNORECASE)
#: Invisible, without width, and no place to break a line at.
_WORD_JOINER: Final = "\u2060"
#: What is left as it is in an address: the characters of RFC 3986, and ``%``.
_URL_CHARACTERS: Final = "%:/?#[]@!$&'()*+,;=~"


def one_line(text: object, limit: int) -> str:
    """Return text as one line without invisible characters, cut to ``limit`` characters; None is empty."""
    characters = str(text) if text is not None else ""
    visible = (c for c in characters if c.isspace() or c in _JOINERS or unicodedata.category(c) not in _INVISIBLE)
    line = " ".join("".join(visible).split())
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"


def escape(line: str) -> str:
    """Return Markdown that shows a line of text as it is: no markup, no HTML, no link."""
    return _PUNCTUATION.sub(r"\\\g<0>", _AUTOLINK.sub(_WORD_JOINER, line))


def web_address(url: object) -> str | None:
    """Return an address that may stand between ``<`` and ``>`` in Markdown; None if it is not ``http`` or ``https``."""
    if not isinstance(url, str):
        return None
    try:
        parts = urlsplit(url)
        is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return None
    # Airflow's pages read a character reference in an address, such as `&lt;`, as the character.
    return quote(url, safe=_URL_CHARACTERS, errors="replace").replace("&", "&amp;") if is_web else None


def options(media: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the options: number and prompt, each of its own and of bounded length."""
    return [one_line(f"{number}. {_title(item)}", MAX_OPTION) for number, item in enumerate(media, start=1)]


def body(media: Sequence[Mapping[str, Any]], introduction: str | None = None) -> str:
    """Return the Markdown of the page: the pictures under their prompt, each with the number of its option.

    :param media: compact images and videos.
    :param introduction: Markdown of the DAG's author, shown above.
    """
    blocks = [introduction] if introduction else []
    numbered = enumerate(media, start=1)
    for title, group in groupby(numbered, key=lambda pair: one_line(_title(pair[1]), MAX_PROMPT)):
        # In one paragraph, as Airflow shows links side by side as far as the page is wide.
        blocks += [escape(title), "\n".join(_show(number, item) for number, item in group)]
    return "\n\n".join(blocks)


def is_video(item: Mapping[str, Any]) -> bool:
    """Return whether it is a video, and not an image."""
    return bool(item.get("videoId"))


def _title(item: Mapping[str, Any]) -> str:
    return one_line(item.get("desc"), MAX_PROMPT) or ("Video" if is_video(item) else "Image")


def _show(number: int, item: Mapping[str, Any]) -> str:
    """Return a picture that links to its file; for a video without a poster the link alone."""
    url = item.get("url")
    link = web_address(url)
    if link is None:
        return f"**{number}** {escape(one_line(url, MAX_PROMPT) or 'no file')}"
    picture = web_address(item.get("coverURL")) if is_video(item) else link
    shown = f"![{number}](<{picture}>)" if picture else "Play the video"
    return f"[**{number}** {shown}](<{link}>)"
