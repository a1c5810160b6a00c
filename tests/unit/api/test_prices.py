"""What a create costs: the three lists of prices, as a table."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.prices import (
    Cost,
    UserPrices,
    check_max_credits,
    cost_of,
    read_max_credits,
    read_prices,
)

ACCOUNT = "from the account's price list"
MINE = "mine"


def user(table: object) -> UserPrices:
    return UserPrices("the extra", MINE, table)


def control(*entries: tuple[str, object]) -> list[dict[str, object]]:
    return [{"modelId": model, "videoCost": cost, "durations": [], "resolutions": []} for model, cost in entries]


DOCUMENTED = [
    ("image", {}, 1, "third-party report, September 2026"),
    ("image", {"quantity": 4}, 4, "third-party report, September 2026"),
    ("image", {"resolution": "HD"}, 1, "third-party report, September 2026"),
    ("image", {"model": "nano-banana-2", "resolution": "1K"}, 4, "third-party report, September 2026"),
    ("image", {"model": "nano-banana-2", "resolution": "4K", "quantity": 2}, 16, "third-party report, September 2026"),
    # Nobody says which resolution it takes by itself, nor what this one costs.
    ("image", {"model": "nano-banana-2"}, None, None),
    ("image", {"model": "nano-banana-2", "resolution": "512P"}, None, None),
    ("image", {"model": "gpt-image-1.5", "resolution": "Medium"}, 8, "third-party report, September 2026"),
    ("image", {"model": "gpt-image-2", "resolution": "2K"}, 5, "documented May 2026"),
    ("image", {"model": "gpt-image-2", "resolution": "4K", "quality": "high"}, 160, "documented May 2026"),
    ("image", {"model": "gpt-image-2", "quality": "high"}, None, None),
    ("image", {"model": "seedream-5.0", "resolution": "3K"}, 4, "third-party report, September 2026"),
    # It makes four images, whatever is asked for.
    ("image", {"model": "midjourney-v7"}, 12, "third-party report, September 2026"),
    ("image", {"model": "of-tomorrow"}, None, None),
    ("video", {}, 25, "documented February 2026"),
    ("video", {"fileID": "user:1-minimax:2-file:3"}, 25, "documented February 2026"),
    ("video", {"model": "T2V-2.3", "options": "768p-6sec"}, 25, "documented February 2026"),
    ("video", {"model": "T2V-2.3", "options": "1080p-6sec"}, None, None),
    ("video", {"model": "T2V-2.3"}, None, None),
    ("video", {"model": "Seedance-2.0"}, 105, "documented October 2026"),
    ("video", {"model": "Seedance-2.0", "resolution": "4K", "duration": 15}, 1500, "documented October 2026"),
    ("video", {"model": "Seedance-2.0-Mini"}, None, None),
    ("video", {"model": "Sora-2", "options": "720p-4sec"}, None, None),
]


@pytest.mark.parametrize(("kind", "body", "expected", "source"), DOCUMENTED)
def test_documented_prices(kind: Any, body: dict[str, Any], expected: float | None, source: str | None) -> None:
    assert cost_of(kind, body) == Cost(expected, source)


@pytest.mark.parametrize(
    ("kind", "body", "listed", "expected", "source"),
    [
        pytest.param("image", {}, control(("image-01", 2)), 2, ACCOUNT, id="the account's before ours"),
        pytest.param("image", {"quantity": 3}, control(("image-01", 2)), 6, ACCOUNT, id="for each image"),
        pytest.param("video", {}, control(("23000", 30)), 30, ACCOUNT, id="under the name of the list"),
        pytest.param(
            "image", {"model": "nano-banana-2"}, control(("nano_banana21_flash", 4)), 4, ACCOUNT, id="upstream name"
        ),
        pytest.param(
            "image", {"model": "nano-banana-pro"}, control(("nano-banana2", 6)), 6, ACCOUNT, id="names cross over"
        ),
        pytest.param(
            "video",
            {"model": "T2V-2.3"},
            control(("23204", 25), ("23217", 28)),
            28,
            ACCOUNT,
            id="the highest of several",
        ),
        # The list shows one number, and the documented 4K costs twice as much as 1K.
        pytest.param(
            "image",
            {"model": "nano-banana-2", "resolution": "4K"},
            control(("nano-banana-2", 4)),
            8,
            "third-party report, September 2026",
            id="not for a named resolution",
        ),
        pytest.param(
            "video",
            {"model": "Seedance-2.0", "duration": 10},
            control(("Seedance-2.0", 105)),
            210,
            "documented October 2026",
            id="not for a named length",
        ),
        pytest.param(
            "image", {}, control(("image-01", 0)), 1, "third-party report, September 2026", id="0 is no price"
        ),
        pytest.param("image", {"model": "new"}, control(("new", None)), None, None, id="nor is nothing"),
        pytest.param("image", {"model": "new"}, control(("new", "many")), None, None, id="nor a word"),
        pytest.param("image", {"model": "new"}, control(("new", True)), None, None, id="nor true"),
        pytest.param("image", {"model": "new"}, control(("new", 1e308)), None, None, id="nor what no account can hold"),
        pytest.param("image", {"model": "new"}, {"new": 3}, None, None, id="another form"),
        pytest.param("image", {"model": "new"}, [3, None, "new"], None, None, id="entries of another form"),
        pytest.param("image", {"model": "new"}, control(("NEW", 2.5)), 2.5, ACCOUNT, id="in other letters"),
    ],
)
def test_the_account_s_own_list(
    kind: Any, body: dict[str, Any], listed: object, expected: float | None, source: str | None
) -> None:
    assert cost_of(kind, body, listed) == Cost(expected, source)


@pytest.mark.parametrize(
    ("kind", "body", "table", "expected"),
    [
        pytest.param("image", {}, {"image-01": 2}, 2, id="before ours"),
        pytest.param("image", {"quantity": 2}, '{"image-01": 2}', 4, id="as text"),
        pytest.param("image", {}, {"image-01": 0}, 0, id="a user's 0 is a price"),
        pytest.param("image", {"model": "New"}, {"new": "1.5"}, 1.5, id="a number as text"),
        pytest.param("image", {"model": "new", "resolution": "4k"}, {"new": {"4K": 8, "*": 3}}, 8, id="a resolution"),
        pytest.param("image", {"model": "new", "resolution": "2K"}, {"new": {"4K": 8, "*": 3}}, 3, id="any other"),
        pytest.param("image", {"model": "new"}, {"new": {"4K": 8, "*": 3}}, 3, id="none named"),
        pytest.param("image", {"model": "new"}, {"new": {"4K": 8}}, None, id="none that fits"),
        pytest.param(
            "image", {"model": "new", "resolution": "4K", "quality": "high"},
            {"new": {"4K": 8, "high": 9, "high 4K": 20}}, 20, id="the one with most words",
        ),
        pytest.param("video", {"model": "Sora-2", "options": "720p-8sec"}, {"Sora-2": "5/s"}, 40, id="an option"),
        pytest.param("video", {"model": "new", "duration": 6}, {"new": "5 / s"}, 30, id="for each second"),
        pytest.param("video", {"model": "Sora-2"}, {"Sora-2": "5/s"}, None, id="of unknown length"),
    ],
)  # fmt: skip
def test_a_user_s_table(kind: Any, body: dict[str, Any], table: object, expected: float | None) -> None:
    assert cost_of(kind, body, None, user(table)) == Cost(expected, None if expected is None else MINE)


def test_the_account_wins_over_the_user_and_the_user_over_the_documentation() -> None:
    listed, table = control(("image-01", 5)), user({"image-01": 3})
    assert cost_of("image", {}, listed, table) == Cost(5, ACCOUNT)
    assert cost_of("image", {}, None, table) == Cost(3, MINE)
    assert cost_of("image", {}) == Cost(1, "third-party report, September 2026")


@pytest.mark.parametrize(
    "table",
    ["{", "[1]", [1], 3, {"image-01": "cheap"}, {"image-01": -1}, {"image-01": None}, {"image-01": True},
     {"image-01": {"4K": "1/m"}}, {"image-01": [1]}, {"image-01": float("inf")}, '{"image-01": NaN}',
     {"image-01": 1e308}],
)  # fmt: skip
def test_a_malformed_table_is_refused_by_its_place(table: object) -> None:
    with pytest.raises(MiniMaxBadRequestError, match=r"^the extra"):
        read_prices(user(table))


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        (Cost(4, ACCOUNT), "4 credits (from the account's price list)"),
        (Cost(1.0, "documented May 2026"), "1 credit (documented May 2026)"),
        (Cost(2.5, MINE), "2.5 credits (mine)"),
        (Cost(0, MINE), "0 credits (mine)"),
        (Cost(), "unknown price"),
    ],
)
def test_a_cost_in_a_log(cost: Cost, text: str) -> None:
    assert str(cost) == text


@pytest.mark.parametrize(("expected", "limit"), [(4, 4), (4, 7), (0, 0), (4, None), (None, None)])
def test_within_the_limit(expected: float | None, limit: float | None) -> None:
    check_max_credits(Cost(expected, MINE if expected is not None else None), limit, "image", {})


def test_above_the_limit() -> None:
    with pytest.raises(MiniMaxBadRequestError) as refused:
        check_max_credits(Cost(4, ACCOUNT), 3, "image", {})
    assert str(refused.value) == (
        "This create costs 4 credits (from the account's price list), more than max_credits=3. Nothing was sent, and a "
        "retry will not help: raise max_credits, or request less."
    )


def test_an_unknown_price_is_refused_and_the_error_shows_how_to_set_it() -> None:
    body = {"model": "Sora-2", "options": "720p-4sec"}
    with pytest.raises(MiniMaxBadRequestError) as refused:
        check_max_credits(Cost(), 50, "video", body)
    assert str(refused.value) == (
        "The price of model Sora-2 (720p-4sec) is unknown, so max_credits=50 cannot be kept. Nothing was sent. Set the "
        "price in the connection's extra `prices` or in Airflow's `[minimax] prices`, such as "
        '{"Sora-2": {"720p-4sec": 10}}, or leave max_credits out.'
    )
    assert cost_of("video", body, None, user('{"Sora-2": {"720p-4sec": 10}}')) == Cost(10, MINE)


@pytest.mark.parametrize(("given", "limit"), [(None, None), (7, 7), ("7", 7), ("2.5", 2.5), (0, 0)])
def test_a_limit(given: object, limit: float | None) -> None:
    assert read_max_credits(given) == limit


@pytest.mark.parametrize("given", ["", "None", "many", -1, True, float("nan"), [7]])
def test_no_limit_is_read_from_anything_else(given: object) -> None:
    with pytest.raises(MiniMaxBadRequestError, match="max_credits must be a number of at least 0"):
        read_max_credits(given)
