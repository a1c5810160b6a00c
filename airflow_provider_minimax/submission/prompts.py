"""Whether a list shows the prompt that was sent. The service may have stored it in another form. Pure."""

from __future__ import annotations

import unicodedata
from typing import Final, Literal

#: Characters that a cut prompt shows at least: fewer are shared by too many.
MIN_CUT: Final = 100
#: What may stand where a prompt was cut: dots, or what is left of a character of several bytes.
_CUT_MARKS: Final = ".\N{HORIZONTAL ELLIPSIS}\N{REPLACEMENT CHARACTER} "


def agreement(shown: object, sent: str) -> Literal["same", "cut"] | None:
    """Tell how what a list shows agrees with the prompt that was sent; None when it does not.

    Line ends, blanks and the form of accented characters (NFC or NFD) say nothing.

    :param shown: the ``desc`` of a job.
    :return: ``"cut"`` when it is a beginning of the prompt, which other prompts may share.
    """
    if not isinstance(shown, str | None):
        return None
    ours, theirs = _plain(sent), _plain(shown or "")
    if theirs == ours:
        return "same"
    stem = theirs.rstrip(_CUT_MARKS)
    return "cut" if len(stem) >= MIN_CUT and ours.startswith(stem) else None


def _plain(text: str) -> str:
    # NFD, so that a character which was cut between its letter and its accent still agrees.
    return " ".join(unicodedata.normalize("NFD", text).split())
