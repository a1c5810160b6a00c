"""Where files are: the path or URL that a user gives, checked and brought into one form. No I/O."""

from __future__ import annotations

import os
import re
from typing import Final

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.validation import required_text

#: Storages whose first segment is not a bucket.
_WITHOUT_BUCKET: Final = ("file", "memory")
_WEB: Final = ("http", "https")
_HALF_URL: Final = re.compile(r"[a-z][a-z0-9+.-]+:/(?!/)", re.ASCII | re.IGNORECASE)
#: A segment of a path that was rendered to nothing, also as the value of a partition (``day=None``).
_NOTHING: Final = re.compile(r"(?:[^=]*=)?\s*(?:None)?\s*")


def required_location(parameter: str, value: object) -> str:
    """Return a file or folder as ``ObjectStoragePath`` takes it: a local path, or the URL of a storage.

    A leading ``~`` is the home of the user that the worker runs as. ``file://`` and ``file://localhost`` are this
    machine.

    :param value: text, or a path object.
    :raises MiniMaxBadRequestError: it, or a segment of it, was rendered to nothing; or it names another machine.
    """
    is_path = isinstance(value, os.PathLike) or hasattr(value, "protocol")
    if value is None or str(value).strip() in ("", "None"):
        raise MiniMaxBadRequestError(
            f"{parameter} must name a folder or a file, and was rendered to {value!r}: what its template names is "
            "missing. Nothing was read or written."
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
            "missing. Nothing was read or written."
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


def plain_url(path: str) -> str:
    """Return the URL of a stored file or folder, without the connection that Airflow writes before an ``@``."""
    scheme, separator, rest = path.partition("://")
    if not separator:
        return f"file://{os.path.abspath(path)}"  # noqa: PTH100 - nothing is resolved
    authority, slash, rest = rest.partition("/")
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{rest}"
