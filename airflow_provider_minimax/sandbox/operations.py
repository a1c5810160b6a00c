"""The names under which requests are counted and faults are queued."""

from __future__ import annotations

BASE_PATH = "/v1/minimax"

#: The vendor writes these with a slash at their end.
_LISTS = frozenset({"images", "videos", "files", "features", "scheduler"})
_NAMED = frozenset({"images/create", "videos/create", "videos/cancel", "scheduler/available"})


def operation_name(method: str, path: str) -> str:
    """Return the operation of a request, with ids replaced: ``GET /images/{id}``."""
    path = path.removeprefix(BASE_PATH).strip("/")
    collection, _, rest = path.partition("/")
    if not rest:
        return f"{method} /{collection}{'/' if collection in _LISTS else ''}"
    if path in _NAMED:
        return f"{method} /{path}"
    parameter = {"media": "name", "accounts": "account"}.get(collection, "id")
    return f"{method} /{collection}/{{{parameter}}}"
