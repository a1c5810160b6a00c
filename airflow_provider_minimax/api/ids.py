"""Ids of the service, parsed and checked without a request.

An id names its owner and its kind: ``user:<user>-minimax:<account>-<kind>:<bare id>``. Ids go into
paths raw (the vendor warns that an encoded ``:`` breaks path matching), so nothing that could alter
a URL may pass as one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final, Literal, NamedTuple, cast

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.validation import is_list, members, optional_text, quoted, read_literal, required_text

#: Of ids; and ``"credits"``, for which a task can wait and which have none.
Kind = Literal["image", "video", "file", "credits"]

#: One id: its text, or a compact dict that holds it.
AnyId = str | Mapping[str, Any]

#: The field that holds the id in a compact dict, and in the service's own object.
_ID_FIELDS: Final[Mapping[Kind, str]] = {"image": "imageId", "video": "videoId", "file": "fileID"}

_ID = re.compile(r"user:(?P<user>\d+)-minimax:(?P<account>[\w.@]+)-(?P<kind>[a-z]+):(?P<bare>[\w.@:-]+)", re.ASCII)
_SHAPE = "user:<user>-minimax:<account>-{kind}:<{kind}_id>"


class ResourceId(NamedTuple):
    """The parts of a full id; ``account`` is the Hailuo account that owns the resource."""

    full: str
    account: str
    kind: Kind
    bare: str

    @property
    def owner(self) -> str:
        """User and account, as the id names them."""
        return self.full.partition(f"-{self.kind}:")[0]


def parse_id(value: object, kind: Kind, *, account: str | None = None) -> ResourceId:
    """Parse a full id, and refuse what the service would refuse later.

    :param value: the user's value, usually an XCom or a rendered template.
    :param account: the account that must own the resource; None for any.
    :raises MiniMaxBadRequestError: not a full id, an id of another kind, or of another account.
    """
    wanted = _SHAPE.format(kind=kind)
    if not isinstance(value, str) or value.strip() in ("", "None"):
        raise MiniMaxBadRequestError(f"No {kind} id was given (got {quoted(value)}); expected {wanted}.")
    text = value.strip()
    match = _ID.fullmatch(text)
    if match is None:
        raise MiniMaxBadRequestError(f"{value!r} is not a full {kind} id; expected {wanted}.")
    if match["kind"] != kind:
        raise MiniMaxBadRequestError(f"{text} is an id of kind {match['kind']}; expected {wanted}.")
    found = ResourceId(text, match["account"], kind, match["bare"])
    account = optional_text("account", account)
    if account is not None and found.account != account:
        raise MiniMaxBadRequestError(
            f"{text} belongs to account {found.account}, but this task works on account {account}. "
            f"Set account={found.account!r} on the task, or use an id of account {account}."
        )
    return found


def parse_media_id(value: object, *, account: str | None = None) -> ResourceId:
    """Parse the full id of an image or a video; see ``parse_id``.

    :raises MiniMaxBadRequestError: as there; or an id of neither.
    """
    match = _ID.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or match["kind"] not in ("image", "video"):
        wanted = " or ".join(_SHAPE.format(kind=kind) for kind in ("image", "video"))
        raise MiniMaxBadRequestError(f"{quoted(value)} is not the full id of an image or a video; expected {wanted}.")
    return parse_id(value, cast("Kind", match["kind"]), account=account)


def parse_media_ids(value: object, parameter: str, account: str | None) -> list[ResourceId]:
    """Parse the images and videos of a parameter; see ``parse_id_list`` and ``parse_media_id``."""
    given, _ = parse_id_list(value, parameter)
    return [parse_media_id(required_text(parameter, one), account=account) for one in given]


def parse_id_list(value: object, parameter: str, *kinds: Kind) -> tuple[list[str], bool]:
    """Return the ids of a parameter, flat, and whether it is a single id instead of a list.

    The ids themselves are not checked: ``parse_id`` does that.

    :param value: a full id, a compact dict that holds one, a list of these, a list of lists (the results of a mapped
        task), or the text of any of them, in Python or JSON, as a template renders it.
    :param parameter: its name, for the error.
    :param kinds: the kinds of id that it takes; images and videos by default.
    :raises MiniMaxBadRequestError: text that begins like a list but is not one, or a dict without such an id.
    """
    value = read_literal(parameter, value, "a list of ids")
    if isinstance(value, Mapping):
        return [_id_of(value, parameter, kinds or ("image", "video"))], True
    if is_list(value):
        return [one for member in members(value) for one in parse_id_list(member, parameter, *kinds)[0]], False
    # Parsing it later reports any fault.
    return [cast("str", value)], True


def parse_one_id(value: object, parameter: str, kind: Kind) -> str | None:
    """Return the one id of a parameter, with ``parse_id_list``'s forms; None if it was not given.

    :raises MiniMaxBadRequestError: as there; or it holds none, several, or what rendered to nothing.
    """
    if value is None:
        return None
    ids, _ = parse_id_list(value, parameter, kind)
    if len(ids) != 1:
        found = f"a list of {len(ids)}: name one of them" if ids else "an empty list"
        raise MiniMaxBadRequestError(f"{parameter} takes one {kind} id, and got {found}. Nothing was sent.")
    return required_text(parameter, ids[0])


def read_id(value: object, kind: Kind, *, account: str | None = None) -> ResourceId:
    """Parse one id in any of ``parse_id_list``'s forms; the parameters and errors are ``parse_id``'s."""
    parameter = f"{kind} id"
    value = read_literal(parameter, value, "an id")
    is_text = not isinstance(value, Mapping) and not is_list(value)
    return parse_id(value if is_text else parse_one_id(value, parameter, kind), kind, account=account)


def _id_of(found: Mapping[Any, Any], parameter: str, kinds: Collection[Kind]) -> str:
    """Return the id that a dict holds."""
    fields = [_ID_FIELDS[kind] for kind in kinds]
    for field in fields:
        if found.get(field):
            return cast("str", found[field])
    own = next((field for field in _ID_FIELDS.values() if found.get(field)), None)
    what = f"the dict of {own} {found[own]}" if own else f"the dict {quoted(dict(found))}"
    state = f" ({found['statusLabel']})" if found.get("statusLabel") else ""
    raise MiniMaxBadRequestError(f"{parameter}: {what}{state} has no {' or '.join(fields)}. Nothing was sent.")
