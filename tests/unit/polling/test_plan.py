"""Which way of asking takes the fewest requests."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from airflow_provider_minimax.polling.poll_plan import (
    BEYOND,
    Listed,
    Rank,
    doubtful,
    in_turn,
    looks_again,
    pages_worth_reading,
    worth_another_page,
)


@pytest.mark.parametrize(
    ("ranks", "page_size", "pages"),
    [
        pytest.param([], 30, 0, id="nothing awaited"),
        pytest.param([None], 30, 0, id="one id is asked for by itself"),
        pytest.param([0], 30, 0, id="also where its place is known"),
        pytest.param([None, None], 30, 1, id="one page for two new ones"),
        pytest.param([None] * 31, 30, 1, id="a page and one id, or two pages: the same; ids are the smaller answers"),
        pytest.param([None] * 1000, 30, 34, id="1,000 new ones, pages of 30"),
        pytest.param([None] * 1000, 100, 10, id="1,000 new ones, pages of 100"),
        pytest.param([BEYOND] * 1000, 100, 0, id="what the list does not show is asked for by id"),
        pytest.param([0, 1, 250], 100, 1, id="one straggler far back"),
        pytest.param([*range(500, 600)], 100, 6, id="many far back are worth the way"),
        pytest.param([*range(500, 504)], 100, 0, id="few far back are not"),
        pytest.param([5, 6, *range(900, 920), BEYOND], 100, 10, id="the way to the far ones passes the near ones"),
    ],
)
def test_pages_and_ids_are_fewest_together(ranks: Sequence[Rank], page_size: int, pages: int) -> None:
    assert pages_worth_reading(ranks, page_size) == pages


def test_no_other_number_of_pages_would_be_cheaper() -> None:
    """Held against trying all of them."""
    cases: list[list[Rank]] = [
        [(7 * n * n + seed) % 400 for n in range(size)] for seed in range(8) for size in (1, 9, 40)
    ]
    for ranks in cases:
        costs = [pages + sum(rank // 20 >= pages for rank in ranks if rank is not None) for pages in range(22)]
        assert costs[pages_worth_reading(ranks, 20)] == min(costs)


@pytest.mark.parametrize(
    ("state", "goes_on"),
    [
        pytest.param({"read": 1, "planned": 3, "unseen": 0, "unknown": 0, "met": 5}, False, id="all met"),
        pytest.param({"read": 1, "planned": 3, "unseen": 9, "unknown": 0, "met": 0}, True, id="as planned"),
        pytest.param({"read": 3, "planned": 3, "unseen": 9, "unknown": 0, "met": 20}, True, id="pushed a little back"),
        pytest.param({"read": 3, "planned": 3, "unseen": 9, "unknown": 0, "met": 0}, False, id="pushed far back"),
        pytest.param({"read": 3, "planned": 3, "unseen": 1, "unknown": 0, "met": 20}, False, id="one left: by its id"),
        pytest.param({"read": 3, "planned": 1, "unseen": 9, "unknown": 9, "met": 0}, True, id="first search goes on"),
        pytest.param({"read": 9, "planned": 1, "unseen": 9, "unknown": 9, "met": 0}, False, id="but not for ever"),
    ],
)
def test_another_page_is_read_where_it_can_pay(state: dict[str, int], goes_on: bool) -> None:
    assert worth_another_page(**state) is goes_on


def test_what_the_list_did_not_show_is_looked_for_again_soon_and_then_now_and_then() -> None:
    assert [number for number in range(1, 33) if looks_again(number)] == [2, 4, 8, 16, 24, 32]


@pytest.mark.parametrize(
    ("listed", "now", "doubted"),
    [
        pytest.param({}, 1000.0, 0, id="nothing unfinished"),
        pytest.param({"a": Listed(0.0)}, 89.0, 0, id="not for long"),
        pytest.param({"a": Listed(0.0)}, 90.0, 1, id="for long"),
        pytest.param({"a": Listed(0.0, 1)}, 179.0, 0, id="the list was right once"),
        pytest.param({"a": Listed(0.0, 1)}, 180.0, 1, id="twice as long"),
        pytest.param({"a": Listed(0.0), "b": Listed(50.0)}, 100.0, 1, id="each by its own age"),
        pytest.param({str(n): Listed(0.0) for n in range(50)}, 100.0, 5, id="few in a round"),
        pytest.param({str(n): Listed(0.0) for n in range(1000)}, 100.0, 20, id="one in fifty of very many"),
    ],
)
def test_what_the_list_calls_unfinished_for_long_is_doubted(
    listed: dict[str, Listed], now: float, doubted: int
) -> None:
    assert len(doubtful(listed, now, number=1)) == doubted


def test_each_has_its_turn() -> None:
    ids = [str(n) for n in range(10)]
    assert in_turn(ids, 7, 10) == ids
    rounds = [in_turn(ids, number, 3) for number in range(1, 21)]
    assert [len(set(of_round)) for of_round in rounds] == [3] * 20
    assert set().union(*rounds) == set(ids)
