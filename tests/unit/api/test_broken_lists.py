"""A walk over pages that break the contract: an error, and not the end of the list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_minimax.api.cursors import image_key
from airflow_provider_minimax.api.errors import (
    MiniMaxBadRequestError,
    MiniMaxCapacityError,
    MiniMaxError,
    MiniMaxNotFoundError,
    MiniMaxUpstreamError,
)
from airflow_provider_minimax.api.pagination import walk
from tests.unit.api.lists import collect, history, image, no_next_page


def test_an_empty_first_page_that_has_a_next_one_is_an_error_and_not_the_end() -> None:
    with pytest.raises(MiniMaxUpstreamError, match="retry"):
        list(walk({"images": [], "hasNext": True}, no_next_page))


def test_a_cursor_that_does_not_move_is_an_error_and_not_the_end() -> None:
    first = {"images": history(30)[:10], "hasNext": True}
    found: list[str | None] = []
    fetched: list[str] = []

    def fetch(cursor: str) -> dict[str, Any]:
        fetched.append(cursor)
        return first

    with pytest.raises(MiniMaxUpstreamError) as caught:
        collect(walk(first, fetch), found)
    assert str(image_key(image(21))) in str(caught.value)
    assert "retry" in str(caught.value)
    assert len(found) == 10
    assert len(fetched) <= 2


def test_a_page_of_the_cursors_image_alone_that_promises_more_is_an_error() -> None:
    first = {"images": history(2), "hasNext": True}
    with pytest.raises(MiniMaxUpstreamError):
        list(walk(first, lambda cursor: {"images": [image(1)], "hasNext": True}))


@pytest.mark.parametrize("start", [1, 2, 5])
@pytest.mark.parametrize("length", [2, 3, 5, 17, 64])
def test_pages_in_a_circle_end_in_an_error_after_a_bounded_number_of_requests(start: int, length: int) -> None:
    """The list leads into a circle without its head; without creation times nothing else shows it."""
    pages = [[{"imageId": f"i{page}-{n}"} for n in range(3)] for page in range(start + length)]
    after = {str(pages[n][-1]["imageId"]): pages[n + 1] for n in range(len(pages) - 1)}
    after[str(pages[-1][-1]["imageId"])] = pages[start]
    fetched: list[str] = []

    def fetch(cursor: str) -> dict[str, Any]:
        fetched.append(cursor)
        assert len(fetched) < 8 * (start + length), "the circle is not detected"
        return {"images": after[cursor], "hasNext": True}

    with pytest.raises(MiniMaxUpstreamError, match="circles"):
        list(walk({"images": pages[0], "hasNext": True}, fetch))


def test_pages_that_lead_back_to_the_head_end_in_an_error() -> None:
    images = history(6)
    after = {"5": images[2:4], "3": images[4:], "1": images[:2]}
    bare = lambda cursor: cursor.rpartition(":")[2]  # noqa: E731
    with pytest.raises(MiniMaxUpstreamError):
        list(
            walk(
                {"images": images[:2], "hasNext": True}, lambda cursor: {"images": after[bare(cursor)], "hasNext": True}
            )
        )


def test_a_page_that_ends_with_an_image_without_a_name_is_an_error_and_not_the_end() -> None:
    with pytest.raises(MiniMaxUpstreamError):
        list(walk({"images": [image(2), {"desc": "who am I"}], "hasNext": True}, no_next_page))


@pytest.mark.parametrize("refusal", [MiniMaxBadRequestError, MiniMaxNotFoundError])
def test_a_service_that_refuses_every_form_of_cursor_is_an_error_with_the_refusal(
    refusal: Callable[[str], MiniMaxError],
) -> None:
    def fetch(cursor: str) -> dict[str, Any]:
        raise refusal("lastImageId is unknown")

    with pytest.raises(MiniMaxError, match="lastImageId is unknown"):
        list(walk({"images": history(2), "hasNext": True}, fetch))


def test_a_temporary_failure_is_raised_as_it_is() -> None:
    cursors: list[str] = []

    def fetch(cursor: str) -> dict[str, Any]:
        cursors.append(cursor)
        raise MiniMaxCapacityError("busy", status=429)

    with pytest.raises(MiniMaxCapacityError):
        list(walk({"images": history(2), "hasNext": True}, fetch))
    assert cursors == ["1"], "only a refusal leads to another form"
