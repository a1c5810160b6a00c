"""Checks that many parameters share, and the sizes of pages.

Most parameters are templates. A missing value (a key of ``conf``, an XCom) renders to nothing, or to the text ``None``:
using that would read another account, or write to a folder of that name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from typing import Final

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError

#: Images or videos per page of a walk. The service's maximum is not documented.
PAGE_SIZE: Final = 100
#: The documented default of ``limit``, which the service always accepts.
SAFE_PAGE_SIZE: Final = 30


def at_least_one(parameter: str, value: object) -> None:
    """Check a count.

    :raises MiniMaxBadRequestError: it is not an integer of at least 1.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise MiniMaxBadRequestError(f"{parameter} must be an integer of at least 1, not {value!r}.")


def one_of(parameter: str, value: object, allowed: Collection[str]) -> None:
    """Check a word.

    :raises MiniMaxBadRequestError: it is not one of these.
    """
    if value not in allowed:
        raise MiniMaxBadRequestError(f"{parameter} must be one of {', '.join(allowed)}, not {value!r}.")


def optional_text(parameter: str, value: object) -> str | None:
    """Return the text of a parameter; None if it was not given.

    :param value: text, or a number, as a template rendered to a native object gives it.
    :raises MiniMaxBadRequestError: it rendered to nothing, or is not text.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise MiniMaxBadRequestError(f"{parameter} takes text, not {value!r}. Nothing was sent.")
    text = str(value)
    if text.strip() in ("", "None"):
        raise rendered_to_nothing(parameter, value)
    return text


def required_text(parameter: str, value: object) -> str:
    """Return the stripped text of a required parameter.

    :raises MiniMaxBadRequestError: it was not given, rendered to nothing, or is not text.
    """
    text = optional_text(parameter, value)
    if text is None:
        raise rendered_to_nothing(parameter, value)
    return text.strip()


def rendered_to_nothing(parameter: str, value: object) -> MiniMaxBadRequestError:
    """Return the error for a parameter whose template names a missing value."""
    return MiniMaxBadRequestError(
        f"{parameter} was rendered to {value!r}: what its template names is not there. Nothing was sent."
    )


#: Storages whose first segment is not a bucket.
_WITHOUT_BUCKET: Final = ("file", "memory")
_WEB: Final = ("http", "https")
_HALF_URL: Final = re.compile(r"[a-z][a-z0-9+.-]+:/(?!/)", re.ASCII | re.IGNORECASE)
#: A segment of a path that was rendered to nothing, also as the value of a partition (``day=None``).
_NOTHING: Final = re.compile(r"(?:[^=]*=)?\s*(?:None)?\s*")


def location(parameter: str, value: object) -> str:
    """Return a file or folder as ``ObjectStoragePath`` takes it: a local path, or the URL of a storage.

    A leading ``~`` is the home of the user that the worker runs as. ``file://`` and ``file://localhost`` are this
    machine.

    :param value: text, or a path object.
    :raises MiniMaxBadRequestError: it, or a segment of it, was rendered to nothing; or it names another machine.
    """
    is_path = isinstance(value, os.PathLike) or hasattr(value, "protocol")
    if value is None or str(value).strip() in ("", "None"):
        raise MiniMaxBadRequestError(
            f"{parameter} must name a folder or a file, and was rendered to {value!r}: what its template names is not "
            "there. Nothing was read or written."
        )
    text = required_text(parameter, str(value) if is_path else value)
    if _HALF_URL.match(text):
        # A `Path` collapses two slashes into one.
        text = text.replace(":/", "://" if not text.startswith("file:") else ":///", 1)
    scheme, separator, path = text.partition("://")
    scheme = scheme.lower()
    if not separator or scheme == "local":
        scheme, path = "file", path if separator else text
    if not _is_complete(scheme, path):
        raise MiniMaxBadRequestError(
            f"{parameter} was rendered to {text!r}, of which a segment is empty or None: what its template names is "
            "not there. Nothing was read or written."
        )
    if scheme != "file":
        return text
    if separator:
        host, slash, rest = path.partition("/")
        host = host.rpartition("@")[2]
        if host not in ("", "localhost") or not slash:
            raise MiniMaxBadRequestError(
                f"{parameter}: {text!r} names the host {host!r}. A file URL names this machine: file:///path."
            )
        return slash + rest
    home = os.path.expanduser(path)  # noqa: PTH111 - a Path would lose the slash at the end
    if home.startswith("~"):
        raise MiniMaxBadRequestError(f"{parameter}: {text!r} begins with the home of a user that is not known here.")
    return home


def _is_complete(scheme: str, path: str) -> bool:
    """Return whether no segment of a path rendered to nothing."""
    if scheme in _WEB:
        # An empty segment is valid in a URL.
        return not any(segment.strip() == "None" for segment in path.partition("?")[0].split("/"))
    segments = path.rstrip("/").split("/")
    # Before an ``@`` stands a connection.
    segments[0] = segments[0].rpartition("@")[2]
    if scheme in _WITHOUT_BUCKET and segments[0] == "" and len(segments) > 1:
        del segments[0]
    return not any(_NOTHING.fullmatch(segment) for segment in segments) or path == "/"
