"""Which images are meant."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pendulum
import pytest

from airflow_provider_minimax.api.cursors import Page
from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxScanLimitError
from airflow_provider_minimax.api.filters import PointInTime, Selection, select_pages

#: 2025-03-17T01:02:14.234Z
MOMENT = 1742173334234
AT = datetime(2025, 3, 17, 1, 2, 14, 234_000, tzinfo=UTC)


def at(*times: object) -> list[dict[str, Any]]:
    return [{"createTime": time, "status": 2} for time in times]


def accepted(selection: Selection, *times: int) -> list[int]:
    return [each["createTime"] for each in at(*times) if selection.accepts(each)]


def test_a_window_is_half_open_to_the_millisecond() -> None:
    window = Selection.parse(None, AT, AT + timedelta(milliseconds=2))
    times = (MOMENT - 1, MOMENT, MOMENT + 1, MOMENT + 2, MOMENT + 3)
    assert accepted(window, *times) == [MOMENT, MOMENT + 1]


def test_each_bound_alone_is_half_open_too() -> None:
    times = (MOMENT - 1, MOMENT, MOMENT + 1)
    assert accepted(Selection.parse(None, AT), *times) == [MOMENT, MOMENT + 1]
    assert accepted(Selection.parse(None, None, AT), *times) == [MOMENT - 1]


def test_no_millisecond_falls_between_two_windows() -> None:
    for millisecond in range(1000):
        seam = AT.replace(microsecond=millisecond * 1000)
        exact = MOMENT - 234 + millisecond
        assert accepted(Selection.parse(None, seam), exact - 1, exact) == [exact]
        assert accepted(Selection.parse(None, None, seam), exact - 1, exact) == [exact - 1]


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(AT, id="aware"),
        pytest.param(AT.replace(tzinfo=None), id="naive is UTC"),
        pytest.param(AT.astimezone(timezone(timedelta(hours=5, minutes=30))), id="offset"),
        pytest.param("2025-03-17T01:02:14.234Z", id="ISO with Z"),
        pytest.param("2025-03-17 01:02:14.234", id="ISO with a blank"),
        pytest.param("2025-03-17T01:02:14.234000+00:00", id="ISO in full"),
        pytest.param("2025-03-17T06:32:14.234+05:30", id="ISO with offset"),
        pytest.param("2025-03-16T20:02:14.234-0500", id="ISO with a short offset"),
    ],
)
def test_a_moment_may_be_written_in_many_ways(moment: PointInTime) -> None:
    assert Selection.parse(None, moment).created_from == AT
    assert Selection.parse(None, None, moment).created_to == AT


def test_a_date_alone_is_its_midnight() -> None:
    assert Selection.parse(None, "2025-03-17").created_from == datetime(2025, 3, 17, tzinfo=UTC)


def test_a_bound_that_is_not_given_is_no_bound() -> None:
    assert Selection.parse(None, None, None) == Selection()


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        pytest.param("1742173334234", AT, id="milliseconds as text"),
        pytest.param(1742173334234, AT, id="milliseconds"),
        pytest.param(1742173334234.0, AT, id="milliseconds as a float"),
        pytest.param("1742173334234.0", AT, id="milliseconds as the text of a float"),
        pytest.param("1.742173334234e12", AT, id="milliseconds with an exponent"),
        pytest.param(" 1742173334234\n", AT, id="blanks around"),
        pytest.param("1742173334", AT.replace(microsecond=0), id="seconds as text"),
        pytest.param(1742173334, AT.replace(microsecond=0), id="seconds"),
        pytest.param(1742173334.234, AT, id="seconds with a fraction"),
        pytest.param("1742173334.234", AT, id="seconds with a fraction as text"),
        pytest.param("20250317", datetime(2025, 3, 17, tzinfo=UTC), id="ds_nodash"),
        pytest.param(20250317, datetime(2025, 3, 17, tzinfo=UTC), id="ds_nodash as a native number"),
        pytest.param("20250317T010214Z", AT.replace(microsecond=0), id="ts_nodash"),
        pytest.param("2025-03-17\n", datetime(2025, 3, 17, tzinfo=UTC), id="ISO with blanks around"),
        pytest.param("2020-01-01", datetime(2020, 1, 1, tzinfo=UTC), id="the earliest"),
        pytest.param("2199-12-31", datetime(2199, 12, 31, tzinfo=UTC), id="the last day"),
        pytest.param(pendulum.datetime(2025, 3, 17, 6, 32, 14, 234000, tz="Asia/Kolkata"), AT, id="pendulum"),
    ],
)
def test_a_number_is_epoch_milliseconds_and_of_ten_digits_seconds(value: PointInTime, moment: datetime) -> None:
    assert Selection.parse(None, value).created_from == moment
    assert Selection.parse(None, None, value).created_to == moment


@pytest.mark.parametrize(
    "value",
    [
        *("2019-12-31T23:59:59Z", "1768-01-06", "2200-01-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"),
        *(
            "1000000000",
            1000000000,
            1_500_000_000_000,
            "17680106",
            19991231,
            datetime(1970, 1, 1),
            datetime(2300, 1, 1),
        ),
        *(0, 5, 253_402_300_799_999, "22000101"),
    ],
)
def test_a_time_that_cannot_be_meant_is_refused_by_name(value: Any) -> None:
    with pytest.raises(MiniMaxBadRequestError, match=r"created_from: .*(no time from 2020 to 2199|not an ISO time)"):
        Selection.parse(None, value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        pytest.param("yesterday", "created_from: 'yesterday' is not an ISO time.", id="no time"),
        pytest.param("None", "this run has no data interval", id="rendered None"),
        pytest.param("2025-13-01", "is not an ISO time", id="month 13"),
        pytest.param("", "is missing", id="rendered to nothing"),
        pytest.param(" \n", "is missing", id="rendered to blanks"),
        pytest.param(" None ", "this run has no data interval", id="rendered None with blanks"),
        pytest.param(True, "takes a datetime or an ISO string", id="bool"),
        pytest.param("2025", "is not an ISO time", id="a year"),
        pytest.param("2025031", "is not an ISO time", id="seven digits"),
        pytest.param("174217333423412", "no time from 2020 to 2199", id="fifteen digits"),
        pytest.param("1742173334234000", "is not an ISO time", id="microseconds"),
        pytest.param("1e400", "is not an ISO time", id="a number that is none"),
        pytest.param("1.2.3", "is not an ISO time", id="a version"),
        pytest.param(float("nan"), "is not an ISO time", id="NaN"),
        pytest.param(float("inf"), "is not an ISO time", id="infinity"),
        pytest.param("-1742173334234", "is not an ISO time", id="negative text"),
        pytest.param(-1742173334234, "is not an ISO time", id="negative"),
        pytest.param(date(2025, 3, 17), "takes a datetime or an ISO string", id="date object"),
        pytest.param(["2025-03-17"], "takes a datetime or an ISO string", id="list"),
    ],
)
def test_what_is_no_time_is_refused_by_name(value: Any, words: str) -> None:
    with pytest.raises(MiniMaxBadRequestError) as caught:
        Selection.parse(None, value)
    assert words in str(caught.value)
    assert "created_from" in str(caught.value)
    with pytest.raises(MiniMaxBadRequestError, match="created_to"):
        Selection.parse(None, None, value)


@pytest.mark.parametrize("length", [timedelta(0), timedelta(milliseconds=-1), timedelta(days=-1)])
def test_an_empty_window_is_refused_with_its_bounds(length: timedelta) -> None:
    with pytest.raises(MiniMaxBadRequestError) as caught:
        Selection.parse(None, AT, AT + length)
    assert AT.isoformat() in str(caught.value)
    assert "is empty" in str(caught.value)


def test_a_window_over_two_zones_is_compared_in_time_and_not_by_its_digits() -> None:
    with pytest.raises(MiniMaxBadRequestError, match="is empty"):
        Selection.parse(None, "2025-03-17T01:00:00Z", "2025-03-17T01:30:00+02:00")
    window = Selection.parse(None, "2025-03-17T01:30:00+02:00", "2025-03-17T01:00:00Z")
    assert accepted(window, 1742167800000 - 1, 1742167800000) == [1742167800000]


@pytest.mark.parametrize(
    ("statuses", "words"),
    [("completed", "list"), (["done"], "'done'"), ([], "empty list"), (["completed", "Failed"], "'Failed'")],
)
def test_statuses_that_cannot_match_are_refused(statuses: Any, words: str) -> None:
    with pytest.raises(MiniMaxBadRequestError, match=words):
        Selection.parse(statuses)


@pytest.mark.parametrize(
    ("statuses", "image", "is_meant"),
    [
        (["completed"], {"status": 2}, True),
        (["completed"], {"status": 3}, False),
        (["completed"], {"status": 3, "statusLabel": "completed"}, False),
        (["completed"], {"status": 2, "statusLabel": "Success", "statusFinal": True}, True),
        (["completed"], {"status": 10, "statusLabel": "Completed", "statusFinal": True}, True),
        (["completed"], {"status": 10, "statusFinal": True, "downloadURL": "u"}, True),
        (["failed"], {"status": 9, "statusLabel": "appeal rejected", "statusFinal": True}, True),
        (["failed"], {"status": 9, "statusLabel": "appeal rejected"}, False),
        (["moderated"], {"status": 14}, True),
        (["processing", "queued"], {"status": 11}, True),
        (["processing", "queued"], {"status": 0}, False),
        (["completed"], {}, False),
        (None, {}, True),
        (None, {"status": 99}, True),
    ],
)
def test_an_image_is_meant_by_the_label_of_its_status(statuses: Any, image: dict[str, Any], is_meant: bool) -> None:
    assert Selection.parse(statuses).accepts(image) is is_meant


@pytest.mark.parametrize("image", [{}, {"createTime": None}, {"createTime": "2025"}])
def test_an_image_without_a_time_lies_in_no_window(image: dict[str, Any]) -> None:
    assert not Selection.parse(None, "2020-01-01").accepts(image)
    assert not Selection.parse(None, None, "2199-01-01").accepts(image)
    assert Selection().accepts(image)


@pytest.mark.parametrize("created", [MOMENT, float(MOMENT), str(MOMENT), MOMENT // 1000, str(MOMENT // 1000)])
def test_a_time_of_creation_may_be_written_in_many_ways(created: object) -> None:
    window = Selection.parse(None, AT.replace(microsecond=0), AT + timedelta(seconds=1))
    assert window.accepts({"createTime": created})


def test_status_and_window_have_to_agree_both() -> None:
    both = Selection.parse(["completed"], AT)
    assert both.accepts({"status": 2, "createTime": MOMENT})
    assert not both.accepts({"status": 3, "createTime": MOMENT})
    assert not both.accepts({"status": 2, "createTime": MOMENT - 1})


@pytest.mark.parametrize(
    ("page", "is_behind"),
    [
        pytest.param(at(MOMENT - 1, MOMENT - 2), True, id="all older, in order"),
        pytest.param(at(MOMENT - 1), True, id="one, older"),
        pytest.param(at(MOMENT, MOMENT - 1), False, id="the first at the bound"),
        pytest.param(at(MOMENT - 1, MOMENT), False, id="the last at the bound"),
        pytest.param(at(MOMENT - 3, MOMENT, MOMENT - 4), False, id="one newer in the middle"),
        pytest.param(at(MOMENT - 9, MOMENT - 1), False, id="oldest first: the newer ones are still to come"),
        pytest.param(at(MOMENT - 1, None), False, id="one without a time"),
        pytest.param(at(None), False, id="none with a time"),
        pytest.param([], False, id="empty page"),
    ],
)
def test_a_walk_stops_only_when_a_page_lies_behind_the_window(page: list[dict[str, Any]], is_behind: bool) -> None:
    assert Selection.parse(None, AT).is_past(page) is is_behind


def test_without_a_lower_bound_no_page_lies_behind() -> None:
    assert not Selection.parse(["completed"], None, AT).is_past(at(1))


def test_a_selection_is_described_in_plain_json() -> None:
    assert Selection.parse(["moderated", "completed"], AT).describe() == {
        "statuses": ["completed", "moderated"],
        "created_from": "2025-03-17T01:02:14.234000+00:00",
        "created_to": None,
    }
    assert Selection().describe() == {"statuses": None, "created_from": None, "created_to": None}


class Pages:
    """Pages of a walk, and how many of them were asked for."""

    def __init__(self, *pages: list[dict[str, Any]]) -> None:
        self.taken = 0
        self._pages = pages

    def __iter__(self) -> Any:
        for page in self._pages:
            self.taken += 1
            yield Page(page, 99)


def test_all_pages_are_gone_through_without_a_bound() -> None:
    pages = Pages(at(5, 4), at(3, 2), at(1))
    chosen = list(select_pages(pages, Selection()))
    assert [len(each.images) for each in chosen] == [2, 2, 1]
    assert [each.scanned for each in chosen] == [2, 4, 5]


@pytest.mark.parametrize(
    ("limit", "sizes", "taken"), [(1, [1], 1), (2, [2], 1), (3, [2, 1], 2), (4, [2, 2], 2), (9, [2, 2, 1], 3)]
)
def test_no_page_is_read_beyond_the_limit(limit: int, sizes: list[int], taken: int) -> None:
    pages = Pages(at(5, 4), at(3, 2), at(1))
    assert [len(each.images) for each in select_pages(pages, Selection(), limit)] == sizes
    assert pages.taken == taken


def test_only_what_is_meant_counts_towards_the_limit() -> None:
    failed = [{"status": 3}, {"status": 2}, {"status": 3}]
    pages = Pages(failed, failed, failed)
    chosen = list(select_pages(pages, Selection.parse(["completed"]), 2))
    assert [(len(each.images), each.scanned) for each in chosen] == [(1, 3), (1, 6)]


def test_no_page_is_read_beyond_the_window() -> None:
    pages = Pages(at(MOMENT + 1, MOMENT), at(MOMENT - 1, MOMENT - 2), at(MOMENT - 3))
    chosen = list(select_pages(pages, Selection.parse(None, AT)))
    assert [(len(each.images), each.scanned) for each in chosen] == [(2, 2), (0, 4)]
    assert pages.taken == 2


@pytest.mark.parametrize(
    ("max_scanned", "limit", "taken"),
    [
        pytest.param(1, None, 1, id="within a page"),
        pytest.param(2, None, 2, id="at the end of a page"),
        pytest.param(4, None, 3, id="one short of the end"),
        pytest.param(3, 3, 2, id="the limit is not reached"),
    ],
)
def test_a_bound_that_is_reached_before_the_end_is_an_error(max_scanned: int, limit: int | None, taken: int) -> None:
    pages = Pages(at(5, 4), at(3, 2), at(1))
    met = []
    with pytest.raises(MiniMaxScanLimitError, match=f"max_scanned={max_scanned}: of the {max_scanned} newest"):
        met.extend(select_pages(pages, Selection.parse(["completed"]) if limit is None else _ODD, limit, max_scanned))
    assert met[-1].scanned <= max_scanned
    assert pages.taken == taken


#: Matches no image of ``at``.
_ODD = Selection.parse(["failed"])


@pytest.mark.parametrize(
    ("max_scanned", "limit", "selection"),
    [
        pytest.param(5, None, Selection(), id="the list ends there"),
        pytest.param(9, None, _ODD, id="the list ends before"),
        pytest.param(1, 1, Selection(), id="the limit is reached within the bound"),
        pytest.param(3, 3, Selection(), id="the limit is reached with it"),
        pytest.param(3, None, Selection.parse(None, AT), id="the window ends before"),
    ],
)
def test_a_bound_within_which_the_search_ends_is_no_error(
    max_scanned: int, limit: int | None, selection: Selection
) -> None:
    pages = Pages(at(5, 4), at(3, 2), at(1))
    chosen = list(select_pages(pages, selection, limit, max_scanned))
    assert chosen[-1].scanned <= max_scanned
