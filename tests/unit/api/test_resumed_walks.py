"""A walk that resumes after the last image of an earlier one."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_minimax.api.cursors import Place, Position, image_key
from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxUpstreamError
from airflow_provider_minimax.api.pagination import PositionLostError, resume_walk, walk
from tests.unit.api.lists import FORMS, NEWEST, ListService, collect, history, image, keys


def place(number: int, *, before: int | None, head: int = 12, count: int = 9) -> Position:
    met = tuple(str(image_key(each)) for each in history(head)[:count])
    last, earlier = image(number), None if before is None else Place.of(image(before))
    return Position(last["id"], last["imageId"], met, NEWEST + head, earlier, count)


@pytest.mark.parametrize("flag", [True, False], ids=["hasNext", "no hasNext"])
@pytest.mark.parametrize("inclusive", [False, True], ids=["exclusive", "inclusive"])
@pytest.mark.parametrize("forms", FORMS)
def test_a_walk_resumes_after_each_image(forms: str, inclusive: bool, flag: bool) -> None:
    accepted, wrong_form = FORMS[forms]
    for arrivals in (0, 3, 20):
        for last in range(1, 13):
            service = ListService(history(12), 5, inclusive, accepted, wrong_form, arrivals, flag)
            before = last + 1 if last < 12 else None
            found = keys(resume_walk(place(last, before=before, count=13 - last), service.fetch))
            assert found == [image_key(image(number)) for number in range(last - 1, 0, -1)], f"{last}, {arrivals}"


@pytest.mark.parametrize("before", [5, None])
@pytest.mark.parametrize("arrivals", [0, 1, 5, 40])
@pytest.mark.parametrize("response", ["error", "first page", "empty"])
def test_a_position_that_the_service_no_longer_knows_is_lost_and_not_the_end(
    response: str, arrivals: int, before: int | None
) -> None:
    service = ListService(history(12), 6, forms=frozenset(), wrong_form=response, arrivals=arrivals)
    position = place(4, before=before)
    if response == "first page" and not arrivals:
        # Each image of the first page is known.
        position = replace(position, head=tuple(str(image_key(each)) for each in history(12)[:6]))
    with pytest.raises(PositionLostError):
        list(resume_walk(position, service.fetch))


def test_new_images_are_not_taken_for_those_after_a_position_within_the_first_page() -> None:
    """The service no longer knows the cursor and sends its head, of which a part is new."""
    service = ListService(history(12), 17, forms=frozenset(), wrong_form="first page", arrivals=5)
    with pytest.raises(PositionLostError):
        list(resume_walk(place(4, before=5), service.fetch))


@pytest.mark.parametrize("response", ["empty", "error", "first page"])
@pytest.mark.parametrize("is_resumed", [False, True])
def test_a_cursor_whose_image_was_deleted_in_the_meantime(response: str, is_resumed: bool) -> None:
    """The walk continues from the image before it, unless the service hides that it does not know the cursor."""

    def fetch(cursor: str) -> dict[str, Any]:
        if cursor.rpartition(":")[2] == "4":
            if response == "error":
                raise MiniMaxBadRequestError("lastImageId?", status=400)
            return {"images": history(12)[:4] if response == "first page" else [], "hasNext": response == "first page"}
        service = ListService([each for each in history(12) if each["id"] != "4"], 4)
        return service.fetch(cursor)

    found: list[str | None] = []
    with pytest.raises(MiniMaxUpstreamError) if response == "first page" else contextlib.nullcontext():
        if is_resumed:
            collect(resume_walk(place(4, before=5), fetch), found)
        else:
            collect(walk({"images": history(12)[:9], "hasNext": True}, fetch), found)
    numbers = range(3 if is_resumed else 12, 3 if response == "first page" else 0, -1)
    assert found == [image_key(image(number)) for number in numbers]
