"""Whether a list shows the prompt that was sent; the service may store it in another form. Pure."""

from __future__ import annotations

import unicodedata
from typing import Final, Literal

#: Minimum characters of a truncated prompt: many jobs share fewer.
MIN_TRUNCATED: Final = 100
#: What may mark the truncation: dots, or the rest of a multi-byte character.
_TRUNCATION_MARKS: Final = ".\N{HORIZONTAL ELLIPSIS}\N{REPLACEMENT CHARACTER} "


def match_prompt(shown: object, sent: str) -> Literal["exact", "truncated"] | None:
    """Return how the prompt in a list matches the prompt that was sent; None when it does not.

    Line ends, whitespace and the Unicode form of accents (NFC or NFD) are ignored.

    :param shown: the ``desc`` of a job.
    :return: ``"truncated"`` when it is only the beginning, which other prompts may share.
    """
    if not isinstance(shown, str | None):
        return None
    ours, theirs = _normalize(sent), _normalize(shown or "")
    if theirs == ours:
        return "exact"
    stem = theirs.rstrip(_TRUNCATION_MARKS)
    return "truncated" if len(stem) >= MIN_TRUNCATED and ours.startswith(stem) else None


def _normalize(text: str) -> str:
    # NFD, so that a prompt truncated between a letter and its accent still matches.
    return " ".join(unicodedata.normalize("NFD", text).split())
