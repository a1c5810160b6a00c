"""Ids of the service, parsed and checked without a request.

An id names its owner and its kind: ``user:<user>-minimax:<account>-<kind>:<bare id>``. Ids go into
paths raw (the vendor warns that an encoded ``:`` breaks path matching), so nothing that could alter
a URL may pass as one.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple, cast

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.validation import optional_text

#: Of ids; and ``"credits"``, for which a task can wait and which have none.
Kind = Literal["image", "video", "file", "credits"]

_ID = re.compile(r"user:(?P<user>\d+)-minimax:(?P<account>[\w.@]+)-(?P<kind>[a-z]+):(?P<bare>[\w.@:-]+)", re.ASCII)
_SHAPE = "user:<user>-minimax:<account>-{kind}:<{kind}_id>"


class ResourceId(NamedTuple):
    """The parts of a full id; ``account`` is the Hailuo account that owns the resource."""

    full: str
    account: str
    kind: str
    bare: str

    @property
    def owner(self) -> str:
        """User and account, as the id names them."""
        return self.full.partition(f"-{self.kind}:")[0]


def parse_id(value: object, kind: Kind, *, account: str | None = None) -> ResourceId:
    """Parse a full id, and refuse what the service would refuse later.

    :param value: the user's value, usually an XCom or a rendered template.
    :param kind: the expected kind of resource.
    :param account: if given, the account that must own the resource.
    :return: the parts of the id.
    :raises MiniMaxBadRequestError: not a full id, an id of another kind, or of another account.
    """
    wanted = _SHAPE.format(kind=kind)
    if not isinstance(value, str) or not value.strip():
        raise MiniMaxBadRequestError(f"No {kind} id was given (got {value!r}); expected {wanted}.")
    text = value.strip()
    match = _ID.fullmatch(text)
    if match is None:
        raise MiniMaxBadRequestError(f"{value!r} is not a full {kind} id; expected {wanted}.")
    found = ResourceId(text, match["account"], match["kind"], match["bare"])
    if found.kind != kind:
        raise MiniMaxBadRequestError(f"{text} is an id of kind {found.kind}; expected {wanted}.")
    account = optional_text("account", account)
    if account is not None and found.account != account:
        raise MiniMaxBadRequestError(
            f"{text} belongs to account {found.account}, but this task works on account {account}. "
            f"Set account={found.account!r} on the task, or use an id of account {account}."
        )
    return found


def parse_id_list(value: object, parameter: str) -> tuple[list[str], bool]:
    """Return the ids of a parameter, unchecked, and whether it is a single id instead of a list.

    :param value: an id, a list of ids, or the text of such a list, as a template renders it.
    :param parameter: its name, for the message.
    :raises MiniMaxBadRequestError: text that begins like a list but is not one.
    """
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError):
            raise MiniMaxBadRequestError(f"{parameter}: {value!r} is not a list of ids.") from None
    if isinstance(value, Iterable) and not isinstance(value, str | Mapping):
        return list(value), False
    # Parsing it later reports any fault.
    return [cast("str", value)], True
