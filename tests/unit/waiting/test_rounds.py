"""Rounds of asking, counted, over a service that is written here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.api.jobs import Job
from airflow_provider_minimax.waiting.rounds import Reader


def image_id(number: int, account: int = 1) -> str:
    return f"user:1-minimax:{account}-image:{number}"


class Service:
    """Accounts with lists of images, newest first, that counts what it is asked."""

    def __init__(self, page_size: int, **accounts: Sequence[str]) -> None:
        self.lists = {name.removeprefix("account"): list(ids) for name, ids in accounts.items()}
        self.page_size = page_size
        self.hidden: set[str] = set()
        self.pages = self.ids = 0
        self.failing: errors.MiniMaxError | None = None

    @property
    def requests(self) -> int:
        return self.pages + self.ids

    def ask(self, job_id: str) -> Job:
        self.ids += 1
        self._fail()
        if not any(job_id in ids for ids in self.lists.values()) and job_id not in self.hidden:
            raise errors.MiniMaxNotFoundError("gone", status=404)
        return {"imageId": job_id, "status": 2}

    def walk(self, account: str) -> Iterator[list[Job]]:
        ids = self.lists[account]
        for start in range(0, len(ids), self.page_size):
            self.pages += 1
            self._fail()
            yield [{"imageId": job_id, "status": 2} for job_id in ids[start : start + self.page_size]]

    def _fail(self) -> None:
        if self.failing is not None:
            raise self.failing

    def reader(self) -> Reader:
        return Reader("image", self.ask, self.walk)

    def round(self, reader: Reader, ids: Sequence[str]) -> int:
        """Return what a round costs; it has to answer for every id."""
        before = self.requests
        answers = reader.read(ids)
        assert set(answers.jobs) == set(ids)
        assert answers.failure is None
        return self.requests - before


@pytest.mark.parametrize(("page_size", "most"), [(30, 35), (100, 11)])
def test_a_thousand_new_images_cost_as_many_requests_as_their_pages(page_size: int, most: int) -> None:
    ids = [image_id(n) for n in range(5000)]
    service = Service(page_size, account1=ids)
    reader = service.reader()
    first, *later = (service.round(reader, ids[:1000]) for _ in range(3))
    assert max(later) <= first <= most


def test_one_image_costs_one_request() -> None:
    ids = [image_id(n) for n in range(500)]
    service = Service(100, account1=ids)
    reader = service.reader()
    assert [service.round(reader, ids[7:8]) for _ in range(3)] == [1, 1, 1]


def test_images_that_the_list_does_not_show_are_looked_for_once_and_then_asked_for_by_id() -> None:
    service = Service(10, account1=[image_id(n) for n in range(1000)])
    old = [image_id(5000 + n) for n in range(4)]
    service.hidden = set(old)
    reader = service.reader()
    costs = [service.round(reader, old) for _ in range(3)]
    assert costs[0] <= 2 * len(old)
    assert costs[1:] == [len(old), len(old)]


def test_many_far_back_are_found_and_their_place_is_remembered() -> None:
    ids = [image_id(n) for n in range(3000)]
    service = Service(100, account1=ids)
    reader = service.reader()
    assert [service.round(reader, ids[1500:1800]) for _ in range(2)] == [18, 18]


def test_new_images_at_the_head_push_the_awaited_ones_back() -> None:
    ids = [image_id(n) for n in range(3000)]
    service = Service(100, account1=ids)
    reader = service.reader()
    service.round(reader, ids[:300])
    service.lists["1"] = [image_id(9000 + n) for n in range(40)] + ids
    assert service.round(reader, ids[:300]) == 4


def test_each_account_has_its_own_list() -> None:
    first = [image_id(n, 1) for n in range(50)]
    second = [image_id(n, 2) for n in range(50)]
    service = Service(100, account1=first, account2=second)
    assert service.round(service.reader(), first[:9] + second[:9]) == 2


def test_an_image_that_is_gone_does_not_spoil_the_round() -> None:
    ids = [image_id(n) for n in range(5)]
    service = Service(100, account1=ids)
    answers = service.reader().read([*ids, image_id(77)])
    assert isinstance(answers.jobs[image_id(77)], errors.MiniMaxNotFoundError)
    assert answers.failure is None


@pytest.mark.parametrize("count", [1, 50])
def test_the_first_failure_ends_the_round(count: int) -> None:
    ids = [image_id(n) for n in range(50)]
    service = Service(100, account1=ids)
    service.failing = errors.MiniMaxUpstreamError("down", status=502)
    answers = service.reader().read(ids[:count])
    assert (answers.jobs, answers.failure, service.requests) == ({}, service.failing, 1)
