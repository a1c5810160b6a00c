"""Which Hailuo account takes a job when the task leaves that open. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from airflow_provider_minimax.api.ids import Kind

#: What a task writes for "whichever has room".
AUTO: Final = "auto"


def candidates(
    kind: Kind, accounts: Mapping[str, Mapping[str, Any]], available: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Return the accounts that may take a job, the one with most room first.

    :param accounts: of GET /accounts; one with an ``error`` is left out.
    :param available: of GET /scheduler/available, which counts videos only and leaves out accounts without room.
        An image therefore may go to any account, those with room first.
    """
    usable = [name for name, config in accounts.items() if not config.get("error")]
    if kind == "video":
        usable = [name for name in usable if accounts[name].get("supportVideo") is not False]
    # Where the service leaves the number out, being listed means room.
    room = {str(entry.get("account")): _number(entry.get("available"), 1) for entry in available}
    with_room = [name for name in usable if room.get(name, 0) > 0]
    with_room.sort(key=lambda name: -room[name])
    return with_room if kind == "video" else with_room + [name for name in usable if name not in with_room]


def _number(value: object, default: int) -> int:
    return value if isinstance(value, int) else default
