"""Which items are new, round by round, and what a watch remembers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.kinds import IMAGES, VIDEOS, MediaKind
from airflow_provider_minimax.polling import new_media
from airflow_provider_minimax.polling.new_media import Item, View, WatchSpec, WatchState, take_round, wants_next_page

#: Epoch milliseconds; items are created a second apart.
BASE = 1_780_000_000_000


def job(number: int, status: int = 2, kind: MediaKind = IMAGES, account: int = 2, **fields: Any) -> dict[str, Any]:
    """Return an item as the API sends it: one with a time, if it is an image."""
    created = {"createTime": BASE + number * 1000} if kind is IMAGES else {}
    return {kind.id_field: f"user:1-minimax:{account}-{kind.name}:{number}", "status": status, **created, **fields}


def view(*jobs: dict[str, Any], kind: MediaKind = IMAGES, at: int = BASE, **by_id: dict[str, Any] | None) -> View:
    """Return what a round has read: the head of the list, and jobs by id (``n7=job(7)``)."""
    items = [item for one in jobs if (item := Item.read(one, kind))]
    return View(items, {key[1:]: one and Item.read(one, kind) for key, one in by_id.items()}, at)


def images(*numbers: int | tuple[int, int]) -> View:
    """Return a list of images, completed unless a status follows the number."""
    return view(*(job(*one) if isinstance(one, tuple) else job(one) for one in numbers))


def videos(*numbers: int | tuple[int, int]) -> View:
    """Return a list of videos, which shows no times."""
    pairs = [one if isinstance(one, tuple) else (one, 2) for one in numbers]
    return view(*(job(number, status, VIDEOS) for number, status in pairs), kind=VIDEOS)


def events(state: WatchState, *views: View) -> list[list[int]]:
    """Return the numbers of the events of each round; each state is stored and loaded."""
    found = []
    for one in views:
        progress = take_round(state, one)
        found.append([int(item.id.bare) for item in progress.ended])
        state = WatchState.from_json(json.loads(json.dumps(progress.state.to_json(), sort_keys=True)))
        assert state == progress.state
    return found


@pytest.mark.parametrize(
    ("rounds", "expected"),
    [
        pytest.param([(3, 2, 1), (3, 2, 1)], [[], []], id="what is there at first is not new"),
        pytest.param([(3, 2, 1), (5, 4, 3, 2, 1), (5, 4, 3, 2, 1)], [[], [4, 5], []], id="once, oldest first"),
        pytest.param([(3,), (4, 3), (5, 4, 3)], [[], [4], [5]], id="one a round"),
        pytest.param([((3, 1), 2), (3, 2)], [[], [3]], id="unfinished at first"),
        pytest.param([(3,), ((4, 1), 3), (5, (4, 12), 3), (5, 4, 3)], [[], [], [5], [4]], id="late completion"),
        pytest.param([(3,), ((4, 1), 3), ((4, 5), 3), ((4, 5), 3)], [[], [], [4], []], id="moderated"),
        pytest.param([(3,), ((4, 1), 3), (3,), (5, 3), (5, 4, 3)], [[], [], [], [5], [4]], id="not listed for a while"),
        pytest.param([(), (), (1,), (2, 1)], [[], [], [1], [2]], id="an empty account"),
        pytest.param([(3, 2), (), (3, 2), (4, 3, 2)], [[], [], [], [4]], id="the list fails for a round"),
        pytest.param([(4, 3, 2), (2,), (4, 3, 2), (5, 4, 3, 2)], [[], [], [], [5]], id="half of it fails"),
        pytest.param([(9, 8, 7), (10, 9, 8), (10, 9)], [[], [10], []], id="the oldest are deleted"),
    ],
)
@pytest.mark.parametrize("listed", [images, videos])
def test_events_of_rounds(listed: Any, rounds: list[tuple[Any, ...]], expected: list[list[int]]) -> None:
    assert events(WatchState(), *(listed(*numbers) for numbers in rounds)) == expected


@pytest.mark.parametrize("listed", [images, videos])
def test_older_items_that_come_into_sight_are_not_new(listed: Any) -> None:
    """Others were deleted. A later page of the list shows what the first one did not."""
    assert events(WatchState(), listed(9, 8, 7), listed(10, 8, 7, 6, 5), listed(7, 6, 5)) == [[], [10], []]


def test_a_list_without_times_and_without_anything_known_has_no_events() -> None:
    """All of the history may look like that. Images tell by their times."""
    state = take_round(WatchState(), videos(9, 8, 7)).state
    progress = take_round(state, videos(6, 5))
    assert (progress.ended, progress.unclear) == ([], 2)
    assert events(progress.state, videos(10, 6, 5)) == [[10]]
    assert events(WatchState(), images(9, 8, 7), images(6, 5), images(10, 6, 5)) == [[], [], [10]]
    assert events(WatchState(), images(9, 8, 7), images(11, 10)) == [[], [10, 11]]


def test_images_of_one_create_may_appear_one_after_the_other() -> None:
    first, second = (job(number, createTime=BASE) for number in (1, 2))
    assert events(WatchState(), view(first), view(second, first), view(second, first)) == [[], [2], []]


def test_an_older_image_of_the_same_create_as_the_last_one_of_the_first_page_is_not_new() -> None:
    page = [job(200 - number, createTime=BASE + 200 - number) for number in range(99)]
    same = [job(number, createTime=BASE + 1) for number in (2, 1)]
    assert events(WatchState(), view(*page, same[0]), view(*page[1:], *same)) == [[], []]


def test_images_that_the_list_shows_late_are_new() -> None:
    assert events(WatchState(), images(1), images(5, 4, 1), images(5, 4, 3, 1)) == [[], [4, 5], [3]]


@pytest.mark.parametrize(
    ("start", "expected"),
    [("now", []), (datetime.fromtimestamp((BASE + 7000) / 1000, UTC), [7, 8, 9]), (BASE + 8500, [9])],
)
def test_where_a_watch_begins(start: Any, expected: list[int]) -> None:
    state = WatchSpec(IMAGES, start=start).checked().first_state()
    assert events(state, images(9, 8, 7, 6), images(9, 8, 7, 6)) == [expected, []]


def test_videos_without_times_begin_now_and_say_so() -> None:
    progress = take_round(WatchSpec(VIDEOS, start=BASE).first_state(), videos(9, 8))
    assert (progress.ended, progress.unclear) == ([], 2)
    assert events(progress.state, videos(10, 9, 8)) == [[10]]


def test_an_account_that_seemed_empty_shows_no_history_as_new() -> None:
    later = BASE + 10 * 3_600_000
    state = take_round(WatchState(), view(at=later)).state
    assert take_round(state, images(9, 8, 7)).ended == []


def test_unfinished_jobs_are_followed_by_id_where_the_list_does_not_show_them() -> None:
    state = take_round(WatchState(), images((3, 1), (2, 1), (1, 1))).state
    progress = take_round(state, view(job(9), n3=job(3), n2=job(2, 1), n1=None))
    assert [item.id.bare for item in progress.ended] == ["3", "9"]
    assert list(progress.state.pending) == ["2"]
    assert take_round(progress.state, view(job(9), at=BASE + new_media.PENDING_FOR)).state.pending == {}


def test_another_account_behind_the_connection_has_no_history() -> None:
    state = take_round(WatchState(), images((3, 1), 2)).state
    other = view(job(8, account=7), job(7, account=7))
    assert take_round(state, other).ended == []
    assert take_round(state, other).state == take_round(WatchState(), other).state


def test_the_state_is_bounded() -> None:
    """However many items there are, and although ids are long; Airflow warns above 65,535 bytes."""
    count = 3 * new_media.MAX_KNOWN
    long = 10**18
    state = take_round(WatchState(), view(job(1))).state
    first = view(*(job(long + number, 1, createTime=BASE + number) for number in range(count, 0, -1)))
    progress = take_round(state, first)
    assert (len(progress.state.known or ()), len(progress.state.pending)) == (
        new_media.MAX_KNOWN,
        new_media.MAX_PENDING,
    )
    assert len(json.dumps(progress.state.to_json())) < 65_535
    # What is not remembered any more is old.
    again = take_round(progress.state, view(*(job(long + number, createTime=BASE + number) for number in (900, 800))))
    assert again.ended == []


@pytest.mark.parametrize(
    ("state", "numbers", "expected"),
    [
        pytest.param(WatchState(), (9, 8), False, id="the first page is enough to begin"),
        pytest.param(WatchState(floor=BASE), (9, 8), True, id="a start in the past, not reached"),
        pytest.param(WatchState(floor=BASE + 20_000), (9, 8), False, id="a start in the past, reached"),
        pytest.param(WatchState(BASE, {"8": BASE + 8000}), (9, 8), False, id="something known"),
        pytest.param(WatchState(BASE, {"7": BASE + 7000}), (9, 8), True, id="nothing known"),
        pytest.param(WatchState(None, {"7": 0}), (9, 8), True, id="nothing known, no times"),
    ],
)
def test_how_far_a_round_reads(state: WatchState, numbers: tuple[int, ...], expected: bool) -> None:
    assert wants_next_page(state, images(*numbers).items) is expected


SHIP = {"desc": "A paper ship", "modelID": "image-01"}


@pytest.mark.parametrize(
    ("options", "fields", "expected"),
    [
        ({}, {}, True),
        ({}, {"status": 5}, False),
        ({"statuses": ["failed", "moderated"]}, {"status": 7}, True),
        ({"models": ["image-01"]}, SHIP, True),
        ({"models": ["nano-banana-2"]}, SHIP, False),
        ({"models": ["nano-banana-2"]}, {"modelID": "nano_banana21_flash"}, True),
        ({"models": ["a-new-one"]}, {"modelID": "a-new-one"}, True),
        ({"models": ["image-01"]}, {}, False),
        ({"prompt_pattern": "(?i)SHIP$"}, SHIP, True),
        ({"prompt_pattern": "^ship"}, SHIP, False),
        ({"prompt_pattern": "ship"}, {"desc": None}, False),
        ({"prompt_pattern": "end$"}, {"desc": "a" * 500 + "end"}, True),
    ],
)
def test_selection(options: dict[str, Any], fields: dict[str, Any], expected: bool) -> None:
    (item,) = view(job(7, **({"status": 2} | fields))).items
    assert WatchSpec(IMAGES, **options).checked().selects(item) is expected


def test_payloads_are_small_and_name_no_link() -> None:
    links = dict.fromkeys(("downloadURL", "videoURL", "coverURL"), "https://cdn.invalid/secret")
    found = view(*(job(number, desc="long " * 500, fileID="f", modelID="m", **links) for number in range(5))).items
    payloads = WatchSpec(IMAGES, max_per_event=2).payloads(found)
    assert [len(payload["images"]) for payload in payloads] == [2, 2, 1]
    assert payloads[2]["images"] == [
        {
            "imageId": "user:1-minimax:2-image:4", "fileID": "f", "status": 2, "statusLabel": "completed",
            "createTime": BASE + 4000, "modelID": "m", "desc": ("long " * 500)[:100],
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"statuses": ["processing"]}, "unknown status label 'processing'"),
        ({"statuses": []}, "statuses is an empty list"),
        ({"statuses": "completed"}, "such as ['completed']"),
        ({"models": "image-01"}, "models takes a list"),
        ({"models": []}, "models takes a list"),
        ({"prompt_pattern": "("}, "no regular expression"),
        ({"max_per_event": 0}, "max_per_event"),
        ({"poke_interval": "30"}, "poke_interval takes seconds"),
        ({"look_back": -1}, "look_back takes seconds"),
        ({"start": "yesterday"}, "start: 'yesterday'"),
        ({"start": 5}, "start"),
        ({"account": ""}, "account"),
        ({"minimax_conn_id": None}, "minimax_conn_id"),
    ],
)
def test_what_is_refused(options: dict[str, Any], part: str) -> None:
    with pytest.raises(MiniMaxBadRequestError) as caught:
        WatchSpec(IMAGES, **options).checked()
    assert part in str(caught.value)


def test_another_selection_has_another_state_and_another_pace_has_not() -> None:
    key = WatchSpec(IMAGES).checked().state_key
    same = [{"poke_interval": 5}, {"max_per_event": 3}, {"look_back": 60}]
    others = [{"statuses": ["failed"]}, {"models": ["m"]}, {"prompt_pattern": "a"}, {"account": "7"}, {"start": BASE}]
    assert {WatchSpec(IMAGES, **options).checked().state_key for options in same} == {key}
    assert len({key, *(WatchSpec(IMAGES, **options).checked().state_key for options in others)}) == 6
    assert WatchSpec(VIDEOS).checked().state_key != key


@pytest.mark.parametrize("stored", [{}, [], "x", {"floor": "1", "known": [], "pending": [], "owner": ""}])
def test_an_unknown_state_is_seen(stored: Any) -> None:
    with pytest.raises(ValueError, match="not the state"):
        WatchState.from_json(stored)
