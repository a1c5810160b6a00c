"""The plan with the fewest requests."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from airflow_provider_minimax.polling.poll_plan import (
    NOT_LISTED,
    ListedUnfinished,
    Rank,
    due_checks,
    pages_to_read,
    sample_ids,
    searches_again,
    should_read_next_page,
)


@pytest.mark.parametrize(
    ("ranks", "page_size", "pages"),
    [
        pytest.param([], 30, 0, id="nothing awaited"),
        pytest.param([None], 30, 0, id="one id is requested by itself"),
        pytest.param([0], 30, 0, id="also with a known place"),
        pytest.param([None, None], 30, 1, id="one page for two new ones"),
        pytest.param([None] * 31, 30, 1, id="a page and one id, or two pages: the same; ids are the smaller responses"),
        pytest.param([None] * 1000, 30, 34, id="1,000 new ones, pages of 30"),
        pytest.param([None] * 1000, 100, 10, id="1,000 new ones, pages of 100"),
        pytest.param([NOT_LISTED] * 1000, 100, 0, id="jobs that the list does not show are requested by id"),
        pytest.param([0, 1, 250], 100, 1, id="one straggler far back"),
        pytest.param([*range(500, 600)], 100, 6, id="many far back are worth the pages"),
        pytest.param([*range(500, 504)], 100, 0, id="few far back are not"),
        pytest.param([5, 6, *range(900, 920), NOT_LISTED], 100, 10, id="the pages of the far ones hold the near ones"),
    ],
)
def test_the_plan_needs_the_fewest_requests(ranks: Sequence[Rank], page_size: int, pages: int) -> None:
    assert pages_to_read(ranks, page_size) == pages


def test_no_other_number_of_pages_would_be_cheaper() -> None:
    """Compared with every other number of pages."""
    cases: list[list[Rank]] = [
        [(7 * n * n + seed) % 400 for n in range(size)] for seed in range(8) for size in (1, 9, 40)
    ]
    for ranks in cases:
        costs = [pages + sum(rank // 20 >= pages for rank in ranks if rank is not None) for pages in range(22)]
        assert costs[pages_to_read(ranks, 20)] == min(costs)


@pytest.mark.parametrize(
    ("read", "planned", "missing", "never_searched", "found", "continues"),
    [
        pytest.param(1, 3, 0, 0, 5, False, id="all found"),
        pytest.param(1, 3, 9, 0, 0, True, id="as planned"),
        pytest.param(3, 3, 9, 0, 20, True, id="pushed a little back"),
        pytest.param(3, 3, 9, 0, 0, False, id="pushed far back"),
        pytest.param(3, 3, 1, 0, 20, False, id="one left: by its id"),
        pytest.param(3, 1, 9, 9, 0, True, id="a first search continues"),
        pytest.param(9, 1, 9, 9, 0, False, id="but not for ever"),
    ],
)
def test_the_next_page_is_read_if_it_can_save_requests(
    read: int, planned: int, missing: int, never_searched: int, found: int, continues: bool
) -> None:
    state = {"read": read, "planned": planned, "missing": missing, "never_searched": never_searched, "found": found}
    assert should_read_next_page(**state) is continues


def test_jobs_missing_from_the_list_are_searched_again_early_and_then_every_eighth_round() -> None:
    assert [number for number in range(1, 33) if searches_again(number)] == [2, 4, 8, 16, 24, 32]


@pytest.mark.parametrize(
    ("listed", "now", "checked"),
    [
        pytest.param({}, 1000.0, 0, id="nothing unfinished"),
        pytest.param({"a": ListedUnfinished(0.0)}, 89.0, 0, id="not for long"),
        pytest.param({"a": ListedUnfinished(0.0)}, 90.0, 1, id="for long"),
        pytest.param({"a": ListedUnfinished(0.0, 1)}, 179.0, 0, id="the list was right once"),
        pytest.param({"a": ListedUnfinished(0.0, 1)}, 180.0, 1, id="twice as long"),
        pytest.param({"a": ListedUnfinished(0.0), "b": ListedUnfinished(50.0)}, 100.0, 1, id="each by its own age"),
        pytest.param({str(n): ListedUnfinished(0.0) for n in range(50)}, 100.0, 5, id="few in a round"),
        pytest.param({str(n): ListedUnfinished(0.0) for n in range(1000)}, 100.0, 20, id="one in fifty of very many"),
    ],
)
def test_jobs_that_the_list_shows_as_unfinished_for_long_are_checked(
    listed: dict[str, ListedUnfinished], now: float, checked: int
) -> None:
    assert len(due_checks(listed, now, seed=1)) == checked


def test_every_id_is_sampled_in_some_round() -> None:
    ids = [str(n) for n in range(10)]
    assert sample_ids(ids, 7, 10) == ids
    rounds = [sample_ids(ids, number, 3) for number in range(1, 21)]
    assert [len(set(of_round)) for of_round in rounds] == [3] * 20
    assert set().union(*rounds) == set(ids)
