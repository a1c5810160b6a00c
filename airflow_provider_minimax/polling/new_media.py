"""Which images and videos of a list are new: pure decisions of a watch, and the state that it carries on.

The service sends no events, so a watch compares the head of the list with what it has seen before. Images show when
they were created, videos may not, so a watch remembers ids: the newest of the list, and those of unfinished jobs, which
may complete long after newer ones. Both are bounded, and so is the stored state.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, NamedTuple, Self

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.filters import PointInTime, point_in_time
from airflow_provider_minimax.api.ids import ResourceId, parse_id
from airflow_provider_minimax.api.jobs import COMPLETED, FINAL_LABELS, Job, check_labels, compact, created_at, outcome
from airflow_provider_minimax.api.kinds import MediaKind
from airflow_provider_minimax.api.models import match_model
from airflow_provider_minimax.api.validation import SAFE_PAGE_SIZE, at_least_one, is_list, optional_text, required_text
from airflow_provider_minimax.hooks.minimax import MiniMaxHook

NOW: Final = "now"
#: Ids of the newest items that a watch remembers. An account that makes more of them between two polls loses none; an
#: item that appears in the list behind so many newer ones is taken for an old one.
MAX_KNOWN: Final = 500
#: Unfinished jobs that a watch follows.
MAX_PENDING: Final = 500
#: Milliseconds for which it follows one. No job is known to take hours.
PENDING_FOR: Final = 24 * 3_600_000
#: Items that one round reads at most.
MAX_SCANNED: Final = 10_000
#: Milliseconds before the first poll. A list that was empty then, by a fault of the service perhaps, shows no older
#: items as new when they appear.
_EMPTY_LIST_MARGIN: Final = 3_600_000
#: Characters of a prompt in an event.
_MAX_PROMPT: Final = 100
#: Fields of an event's item, by the API's names. No link: Airflow logs and stores events.
_EVENT_FIELDS: Final = ("imageId", "videoId", "fileID", "status", "statusLabel", "createTime", "modelID", "desc")


@dataclass(frozen=True, slots=True)
class WatchSpec:
    """What a watch is for, as its trigger stores it. The parameters are those of the triggers."""

    kind: MediaKind
    minimax_conn_id: str = MiniMaxHook.default_conn_name
    account: str | None = None
    poke_interval: float = 60.0
    start: PointInTime = NOW
    max_per_event: int = 10
    statuses: Collection[str] = (COMPLETED,)
    models: Collection[str] | None = None
    prompt_pattern: str | None = None
    look_back: float = 0.0

    def checked(self) -> Self:
        """Return the watch with plain values.

        :raises MiniMaxBadRequestError: one of them cannot be used.
        """
        at_least_one("max_per_event", self.max_per_event)
        statuses = check_labels("statuses", self.statuses, FINAL_LABELS)
        if not statuses:
            raise MiniMaxBadRequestError("statuses is an empty list: nothing can match.")
        if self.models is not None and not (is_list(self.models) and self.models):
            raise MiniMaxBadRequestError(f"models takes a list of names, not {self.models!r}.")
        try:
            re.compile(self.prompt_pattern or "")
        except re.error as error:
            raise MiniMaxBadRequestError(
                f"prompt_pattern {self.prompt_pattern!r} is no regular expression: {error}."
            ) from None
        return replace(
            self,
            minimax_conn_id=required_text("minimax_conn_id", self.minimax_conn_id),
            account=optional_text("account", self.account),
            poke_interval=_seconds("poke_interval", self.poke_interval),
            start=NOW if self.start == NOW else point_in_time("start", self.start).isoformat(),
            statuses=sorted(statuses),
            models=None if self.models is None else sorted(map(str, self.models)),
            look_back=_seconds("look_back", self.look_back),
        )

    def to_kwargs(self) -> dict[str, Any]:
        """Return the parameters of a checked watch, as Airflow can store them."""
        return {one.name: getattr(self, one.name) for one in fields(self)[1:]}

    @property
    def label(self) -> str:
        """What is watched, for a log."""
        where = f"account {self.account}" if self.account else "the connection's account"
        return f"{self.kind.plural} of {where} (connection {self.minimax_conn_id!r})"

    @property
    def state_key(self) -> str:
        """The name of the stored state: another one for another selection, the same for another pace."""
        pace = {"poke_interval", "max_per_event", "look_back"}
        chosen = {name: value for name, value in self.to_kwargs().items() if name not in pace}
        digest = hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:16]
        return f"minimax_new_{self.kind.plural}_{digest}"

    def first_state(self) -> WatchState:
        """Return the state of a watch that begins."""
        start = None if self.start == NOW else point_in_time("start", self.start)
        return WatchState(floor=None if start is None else int(start.timestamp() * 1000) - 1)

    def selects(self, item: Item) -> bool:
        """Return whether a final item is an event."""
        if self.models is not None:
            model = item.fields.get("modelID")
            if all(match_model(self.kind.name, {"model": one}, model) != "same" for one in self.models):
                return False
        return item.outcome in self.statuses and re.search(self.prompt_pattern or "", item.prompt) is not None

    def payloads(self, items: Sequence[Item]) -> list[dict[str, Any]]:
        """Return the payloads of the events for some items: small, plain and without secrets."""
        return [
            {self.kind.plural: [item.fields for item in items[first : first + self.max_per_event]]}
            for first in range(0, len(items), self.max_per_event)
        ]


class Item(NamedTuple):
    """An item of the list, as far as a watch is concerned.

    :param created: epoch milliseconds; None where the list shows none.
    :param outcome: the label of its final status; None while it runs.
    :param prompt: whole.
    :param fields: those of an event.
    """

    id: ResourceId
    created: int | None
    outcome: str | None
    prompt: str
    fields: Mapping[str, Any]

    @classmethod
    def read(cls, job: Job, kind: MediaKind) -> Self | None:
        """Return an item; None for one without a full id."""
        try:
            found = parse_id(job.get(kind.id_field), kind.name)
        except MiniMaxBadRequestError:
            return None
        row = compact(job, kind.name)
        prompt = row["desc"] if isinstance(row["desc"], str) else ""
        shown = {name: row[name] for name in _EVENT_FIELDS if row.get(name) is not None}
        return cls(found, created_at(job), outcome(job), prompt, shown | {"desc": prompt[:_MAX_PROMPT]})


@dataclass(frozen=True, slots=True)
class View:
    """What a round has read.

    :param items: the head of the list, newest first.
    :param by_id: unfinished jobs that were requested by their bare id; None for one that no longer exists.
    :param at: when it was read, in epoch milliseconds.
    """

    items: Sequence[Item]
    by_id: Mapping[str, Item | None]
    at: int

    @property
    def owner(self) -> str:
        """User and account of the items; empty without items."""
        return self.items[0].id.owner if self.items else ""


@dataclass(frozen=True, slots=True)
class WatchState:
    """What a watch has seen. Ids are bare.

    :param floor: epoch milliseconds. Items that were created then or before are not new; None where times say nothing.
    :param known: the newest items that were seen, newest first, with their time of creation (0 without one); None
        before the first round.
    :param pending: unfinished items, oldest first, with the time when each was first seen, in epoch milliseconds.
    :param owner: user and account of the items.
    """

    floor: int | None = None
    known: Mapping[str, int] | None = None
    pending: Mapping[str, int] = field(default_factory=dict)
    owner: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the state as Airflow can store it: some 40 kB at most. A database may reorder the keys of a dict."""
        known, pending = [list(one) for one in (self.known or {}).items()], [list(one) for one in self.pending.items()]
        return {"floor": self.floor, "known": known, "pending": pending, "owner": self.owner}

    @classmethod
    def from_json(cls, stored: object) -> Self:
        """Return a stored state.

        :raises ValueError: it is none.
        """
        match stored:
            case {"floor": int() | None as floor, "known": [*known], "pending": [*pending], "owner": str(owner)}:
                return cls(floor, dict(known), dict(pending), owner)
        raise ValueError("not the state of a watch")


def wants_next_page(state: WatchState, page: Sequence[Item]) -> bool:
    """Return whether a watch may find new items on the page after this one."""
    if state.known is None and state.floor is None:
        return False
    if any(item.id.bare in (state.known or ()) for item in page):
        return False
    return state.floor is None or any(item.created is None or item.created > state.floor for item in page)


class Progress(NamedTuple):
    """What a round means to a watch.

    :param ended: items that are new, or were unfinished before, and have ended; oldest first.
    :param state: of the watch, once their events are stored.
    :param unclear: items that may be new: they show no time, and stand beside none that was seen before. They are taken
        for old ones, since all of the history may look like that.
    """

    ended: list[Item]
    state: WatchState
    unclear: int = 0


def take_round(state: WatchState, view: View) -> Progress:
    """Return what a round means to a watch."""
    if state.owner and view.owner not in ("", state.owner):
        # The connection leads to another account now, and its history is not new.
        state = WatchState()
    if not view.items and state.known is None:
        return Progress([], WatchState(view.at - _EMPTY_LIST_MARGIN if state.floor is None else state.floor, {}))
    if state.known and not state.pending and all(item.id.bare in state.known for item in view.items):
        return Progress([], state)
    followed = {bare: since for bare, since in state.pending.items() if view.at - since < PENDING_FOR}
    fresh, unclear = _fresh(state, view)
    followed |= {bare: view.at for bare in fresh if bare not in followed}
    read = {**view.by_id, **{item.id.bare: item for item in view.items}}
    ended, pending = [], {}
    for bare, since in followed.items():
        # An item that no longer exists is forgotten.
        item = read.get(bare)
        if item is not None and item.outcome is not None:
            ended.append(item)
        elif item is not None or bare not in read:
            pending[bare] = since
    floor, known = _remember(state, view)
    pending = dict(list(pending.items())[-MAX_PENDING:])
    return Progress(ended, WatchState(floor, known, pending, view.owner or state.owner), unclear)


def _fresh(state: WatchState, view: View) -> tuple[list[str], int]:
    """Return the ids that a watch follows from now on, oldest first, and the number of unclear items."""
    known = state.known or {}
    unknown = [(place, item) for place, item in enumerate(view.items) if item.id.bare not in known]
    last_known = max((place for place, item in enumerate(view.items) if item.id.bare in known), default=-1)
    fresh = [
        item.id.bare
        for place, item in reversed(unknown)
        # Nothing is known before the first round, but an unfinished item is not old, whenever it was created.
        if _is_new(state, item, place < last_known) or (state.known is None and item.outcome is None)
    ]
    expects_new = bool(known) if state.known is not None else state.floor is not None
    if last_known >= 0 or not expects_new:
        return fresh, 0
    return fresh, sum(item.created is None or state.floor is None for _, item in unknown)


def _is_new(state: WatchState, item: Item, is_above_known: bool) -> bool:
    """Return whether an unknown item is new.

    :param is_above_known: a known item stands below it in the list. Those below all known ones are older, and come
        into sight when items are deleted.
    """
    if item.created is not None and state.floor is not None:
        return item.created > state.floor
    return state.known is not None and (is_above_known or not state.known)


def _remember(state: WatchState, view: View) -> tuple[int | None, dict[str, int]]:
    """Return the floor and the known items after a round."""
    seen = {
        item.id.bare: item.created or 0
        for item in view.items
        if state.floor is None or item.created is None or item.created > state.floor
    }
    known = list((seen | {bare: at for bare, at in (state.known or {}).items() if bare not in seen}).items())
    floors = [] if state.floor is None else [state.floor]
    if state.known is None and state.floor is None and any(seen.values()):
        # What is older than the first page has not been seen. Images of one create have the same time: of the oldest
        # one, some may stand on the next page. A short page has none, and some may still appear.
        floors.append(min(at for at in seen.values() if at) - (len(view.items) < SAFE_PAGE_SIZE))
    floors += [at for _, at in known[MAX_KNOWN:] if at]
    return max(floors, default=None), dict(known[:MAX_KNOWN])


def _seconds(parameter: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise MiniMaxBadRequestError(f"{parameter} takes seconds, not {value!r}.")
    return float(value)
