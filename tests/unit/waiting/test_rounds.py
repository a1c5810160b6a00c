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
        #: What an id, or the list of an account, answers instead.
        self.refusals: dict[str, errors.MiniMaxError] = {}

    @property
    def requests(self) -> int:
        return self.pages + self.ids

    def ask(self, job_id: str) -> Job:
        self.ids += 1
        self._fail(job_id)
        if not any(job_id in ids for ids in self.lists.values()) and job_id not in self.hidden:
            raise errors.MiniMaxNotFoundError("gone", status=404)
        return {"imageId": job_id, "status": 2}

    def walk(self, account: str) -> Iterator[list[Job]]:
        ids = self.lists[account]
        for start in range(0, len(ids), self.page_size):
            self.pages += 1
            self._fail(account)
            yield [{"imageId": job_id, "status": 2} for job_id in ids[start : start + self.page_size]]

    def _fail(self, name: str) -> None:
        error = self.failing or self.refusals.get(name)
        if error is not None:
            raise error

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
    costs = [service.round(reader, old) for _ in range(64)]
    assert max(costs) <= 2 * len(old)
    assert costs.count(len(old)) == 64 - 1 - len({2, 4, *range(8, 65, 8)})


def test_images_that_the_list_shows_late_are_found_in_it_soon() -> None:
    ids = [image_id(n) for n in range(200)]
    service = Service(100, account1=[image_id(-1)])
    service.hidden = set(ids)
    reader = service.reader()
    service.round(reader, ids)
    service.lists["1"] = ids
    assert [service.round(reader, ids) for _ in range(3)] == [2, 2, 2]


def test_an_image_beyond_is_found_by_the_way_when_others_are_read_from_the_list() -> None:
    ids = [image_id(n) for n in range(100)]
    service = Service(100, account1=ids[:50])
    service.hidden = set(ids)
    reader = service.reader()
    for _ in range(4):
        service.round(reader, ids)
    service.lists["1"] = ids
    assert [service.round(reader, ids) for _ in range(2)] == [1, 1]


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


DOWN = errors.MiniMaxUpstreamError("down", status=502)
STUCK = errors.MiniMaxUpstreamError("the cursor does not move", status=200)
UNREACHABLE = errors.MiniMaxUpstreamError("no connection")
BUSY = errors.MiniMaxCapacityError("busy", status=429, retry_after=7.0)
ON_HOLD = errors.MiniMaxAccountOnHoldError("on hold", status=596)
UNAUTHORIZED = errors.MiniMaxAuthError("401", status=401)
FORBIDDEN = errors.MiniMaxAuthError("403", status=403)
BAD = errors.MiniMaxBadRequestError("400", status=400)


@pytest.mark.parametrize("count", [1, 50])
@pytest.mark.parametrize("failure", [UNREACHABLE, BUSY, ON_HOLD, UNAUTHORIZED], ids=str)
def test_a_failure_that_concerns_all_ends_the_round_with_one_request(failure: errors.MiniMaxError, count: int) -> None:
    service = Service(100, account1=[])
    service.failing = failure
    answers = service.reader().read([image_id(n) for n in range(count)])
    assert (answers.jobs, answers.failure, service.requests) == ({}, failure, 1)


@pytest.mark.parametrize(
    ("refusal", "failure"),
    [(DOWN, "MiniMaxUpstreamError"), (BAD, "MiniMaxUpstreamError"), (FORBIDDEN, "MiniMaxAuthError")],
)
def test_where_everything_is_refused_three_requests_are_sent(refusal: errors.MiniMaxError, failure: str) -> None:
    service = Service(100, account1=[])
    service.failing = refusal
    answers = service.reader().read([image_id(n) for n in range(50)])
    assert (type(answers.failure).__name__, service.requests) == (failure, 3)


@pytest.mark.parametrize("refusal", [DOWN, BAD, FORBIDDEN], ids=str)
@pytest.mark.parametrize("others", [1, 9, 60])
def test_one_id_that_is_refused_spoils_no_other(refusal: errors.MiniMaxError, others: int) -> None:
    ids = [image_id(n) for n in range(others)]
    service = Service(100, account1=ids)
    service.refusals[image_id(777)] = refusal
    reader = service.reader()
    for _ in range(20):
        answers = reader.read([image_id(777), *ids])
        assert set(ids) <= set(answers.jobs)
        assert answers.failure is None


@pytest.mark.parametrize("refusal", [DOWN, UNREACHABLE], ids=str)
def test_refused_ids_come_last_so_that_no_other_starves(refusal: errors.MiniMaxError) -> None:
    bad, good = [image_id(n) for n in range(8)], [image_id(n) for n in range(100, 103)]
    service = Service(100, account1=[])
    service.hidden = set(good)
    service.refusals = dict.fromkeys(bad, refusal)
    reader = service.reader()
    rounds = [set(reader.read([*bad, *good]).jobs) for _ in range(20)]
    assert all(set(good) <= answered for answered in rounds[len(bad) :])


def test_an_id_that_is_refused_among_others_is_not_asked_for_in_each_round() -> None:
    ids = [image_id(n) for n in range(50)]
    service = Service(100, account1=ids)
    service.refusals[image_id(777)] = DOWN
    reader = service.reader()
    for _ in range(40):
        reader.read([image_id(777), *ids])
    assert service.ids == 1 + 1 + 40 // 4


def test_a_lone_id_that_is_refused_is_asked_for_in_each_round_and_is_a_failure_of_the_round() -> None:
    service = Service(100, account1=[])
    service.refusals[image_id(1)] = DOWN
    reader = service.reader()
    assert [reader.read([image_id(1)]) for _ in range(9)] == [({image_id(1): DOWN}, DOWN)] * 9
    assert service.requests == 9


@pytest.mark.parametrize("refusal", [DOWN, STUCK, BAD, FORBIDDEN], ids=str)
def test_a_list_that_is_refused_is_made_up_for_id_by_id_and_tried_again_later(refusal: errors.MiniMaxError) -> None:
    ids = [image_id(n) for n in range(80)]
    service = Service(100, account1=ids)
    service.refusals["1"] = refusal
    reader = service.reader()
    costs = [service.round(reader, ids) for _ in range(8)]
    assert (sum(costs) - 8 * len(ids), service.pages) == (4, 4)
    service.refusals.clear()
    assert sum(service.round(reader, ids) for _ in range(8)) == 3 * len(ids) + 5


def test_what_a_list_has_shown_before_it_broke_is_not_asked_for_again() -> None:
    class Breaking(Service):
        def walk(self, account: str) -> Iterator[list[Job]]:
            yield next(super().walk(account))
            raise STUCK

    ids = [image_id(n) for n in range(80)]
    service = Breaking(30, account1=ids)
    assert service.round(service.reader(), ids) == 1 + 50
