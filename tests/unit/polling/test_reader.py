"""The requests of each round, counted by a fake service."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.api.jobs import Job
from airflow_provider_minimax.polling.reader import Reader
from airflow_provider_minimax.polling.results import RoundResult


def image_id(number: int, account: int = 1) -> str:
    return f"user:1-minimax:{account}-image:{number}"


class Service:
    """Accounts with lists of images, newest first, that counts its requests."""

    def __init__(self, page_size: int, **accounts: Sequence[str]) -> None:
        self.lists = {name.removeprefix("account"): list(ids) for name, ids in accounts.items()}
        self.page_size = page_size
        self.hidden: set[str] = set()
        self.pages = self.ids = 0
        self.failing: errors.MiniMaxError | None = None
        #: The error in the response to an id, or to the list of an account.
        self.refusals: dict[str, errors.MiniMaxError] = {}

    @property
    def requests(self) -> int:
        return self.pages + self.ids

    def get_job(self, job_id: str) -> Job:
        self.ids += 1
        self._fail(job_id)
        if not any(job_id in ids for ids in self.lists.values()) and job_id not in self.hidden:
            raise errors.MiniMaxNotFoundError("gone", status=404)
        return {"imageId": job_id, "status": 2}

    def iter_pages(self, account: str) -> Iterator[list[Job]]:
        ids = self.lists[account]
        for start in range(0, len(ids), self.page_size):
            self.pages += 1
            self._fail(account)
            yield [{"imageId": job_id, "status": 2} for job_id in ids[start : start + self.page_size]]

    def _fail(self, name: str) -> None:
        error = self.failing or self.refusals.get(name)
        if error is not None:
            raise error

    def reader(self, **options: Any) -> Reader:
        return Reader("image", self.get_job, self.iter_pages, **options)

    def round(self, reader: Reader, ids: Sequence[str]) -> int:
        """Return the requests of a round, which has to return a result for every id."""
        before = self.requests
        result = reader.read(ids)
        assert set(result.jobs) == set(ids)
        assert result.failure is None
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


def test_images_missing_from_the_list_are_searched_once_and_then_requested_by_id() -> None:
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


def test_an_image_that_was_not_listed_is_found_when_the_list_is_read_for_others() -> None:
    ids = [image_id(n) for n in range(100)]
    service = Service(100, account1=ids[:50])
    service.hidden = set(ids)
    reader = service.reader()
    for _ in range(4):
        service.round(reader, ids)
    service.lists["1"] = ids
    assert [service.round(reader, ids) for _ in range(2)] == [1, 1]


def test_many_images_far_back_are_found_and_their_place_is_remembered() -> None:
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


def test_a_missing_image_does_not_fail_the_round() -> None:
    ids = [image_id(n) for n in range(5)]
    service = Service(100, account1=ids)
    result = service.reader().read([*ids, image_id(77)])
    assert isinstance(result.jobs[image_id(77)], errors.MiniMaxNotFoundError)
    assert result.failure is None


DOWN = errors.MiniMaxUpstreamError("down", status=502)
STUCK = errors.MiniMaxUpstreamError("the cursor does not move", status=200)
UNREACHABLE = errors.MiniMaxUpstreamError("no connection")
BUSY = errors.MiniMaxCapacityError("busy", status=429, retry_after=7.0)
ON_HOLD = errors.MiniMaxAccountOnHoldError("on hold", status=596)
UNAUTHORIZED = errors.MiniMaxAuthError("401", status=401)
UNPAID = errors.MiniMaxAuthError("402", status=402)
FORBIDDEN = errors.MiniMaxAuthError("403", status=403)
BAD = errors.MiniMaxBadRequestError("400", status=400)


@pytest.mark.parametrize("count", [1, 50])
@pytest.mark.parametrize("failure", [UNREACHABLE, BUSY, UNAUTHORIZED], ids=str)
def test_a_failure_that_concerns_all_ends_the_round_with_one_request(failure: errors.MiniMaxError, count: int) -> None:
    service = Service(100, account1=[])
    service.failing = failure
    result = service.reader().read([image_id(n) for n in range(count)])
    assert (result.jobs, result.failure, service.requests) == ({}, failure, 1)


@pytest.mark.parametrize("refusal", [DOWN, BAD, FORBIDDEN, UNPAID, ON_HOLD], ids=str)
def test_if_every_id_is_refused_a_round_sends_three_requests_and_later_rounds_one(
    refusal: errors.MiniMaxError,
) -> None:
    """Each is a response to the requested id; nothing is known of the others."""
    service = Service(100, account1=[])
    service.failing = refusal
    reader, ids = service.reader(), [image_id(n) for n in range(50)]
    result = reader.read(ids)
    assert result.jobs == dict.fromkeys(ids[:3], refusal)
    assert (type(result.failure).__name__, service.requests) == ("MiniMaxUpstreamError", 3)
    assert reader.read(ids[3:]).jobs == {ids[3]: refusal}
    assert service.requests == 4


def test_a_list_on_hold_stands_for_all_jobs_of_its_account_and_for_no_other() -> None:
    first, second = [image_id(n, 1) for n in range(9)], [image_id(n, 2) for n in range(9)]
    service = Service(100, account1=first, account2=second)
    service.refusals["1"] = ON_HOLD
    result = service.reader().read([*first, *second])
    assert {job_id for job_id, found in result.jobs.items() if found is ON_HOLD} == set(first)
    assert (len(result.jobs), result.failure, service.requests) == (18, None, 2)


# A list that is stale


def stale_service(count: int) -> tuple[Service, list[str]]:
    """Return a service whose list shows completed jobs as unfinished for ever, and its ids."""

    class Stale(Service):
        def iter_pages(self, account: str) -> Iterator[list[Job]]:
            for page in super().iter_pages(account):
                yield [{**job, "status": 1} for job in page]

    ids = [image_id(n) for n in range(count)]
    return Stale(100, account1=ids), ids


def completed(result: RoundResult) -> set[str]:
    return {
        job_id for job_id, job in result.jobs.items() if not isinstance(job, errors.MiniMaxError) and job["status"] == 2
    }


def ten_seconds_a_round(reader: Reader, clock: list[float], ids: Sequence[str]) -> RoundResult:
    clock[0] += 10.0
    return reader.read(ids)


@pytest.mark.parametrize(("count", "most"), [(2, 2), (10, 5), (100, 5), (1000, 20)])
def test_jobs_that_a_stale_list_shows_as_unfinished_are_checked_few_in_a_round(count: int, most: int) -> None:
    service, ids = stale_service(count)
    clock = [0.0]
    reader, awaited, requested = service.reader(clock=lambda: clock[0]), list(ids), []
    for _ in range(180):
        before = service.ids
        done = completed(ten_seconds_a_round(reader, clock, awaited)) if awaited else set()
        requested.append(service.ids - before)
        awaited = [job_id for job_id in awaited if job_id not in done]
    assert awaited == []
    assert (requested[:9], max(requested)) == ([0] * 9, most)


def test_a_list_that_proves_right_is_checked_less_and_less() -> None:
    class Running(Service):
        def get_job(self, job_id: str) -> Job:
            return {**super().get_job(job_id), "status": 1}

        def iter_pages(self, account: str) -> Iterator[list[Job]]:
            for page in super().iter_pages(account):
                yield [{**job, "status": 1} for job in page]

    ids = [image_id(n) for n in range(3)]
    service, clock = Running(100, account1=ids), [-10.0]
    reader = service.reader(clock=lambda: clock[0])
    checked = []
    for _ in range(100):
        before = service.ids
        ten_seconds_a_round(reader, clock, ids)
        checked += [clock[0]] * (service.ids > before)
    assert checked == [90.0, 180.0, 360.0, 720.0]


def test_a_new_process_at_each_round_still_checks_a_stale_list() -> None:
    service, ids = stale_service(10)
    ages = [float(age) for age in range(0, 200, 10)]
    rounds = [completed(service.reader(age=age).read(ids)) for age in ages]
    assert [len(done) for age, done in zip(ages, rounds, strict=True) if age < 90] == [0] * 9
    assert set(itertools.chain.from_iterable(rounds)) == set(ids)


@pytest.mark.parametrize(("count", "pages", "requested"), [(1, 0, 1), (30, 0, 30), (31, 1, 30), (1000, 10, 30)])
def test_the_last_round_requests_jobs_by_id_up_to_a_maximum(count: int, pages: int, requested: int) -> None:
    service, ids = stale_service(count)
    result = service.reader().read_for_last_time(ids)
    assert (len(completed(result)), len(result.jobs)) == (requested, count)
    assert (service.pages, service.ids) == (pages, requested)


@pytest.mark.parametrize(
    ("refusal", "end"),
    [(DOWN, "unfinished"), (FORBIDDEN, "unfinished"), (errors.MiniMaxNotFoundError("gone", status=404), "gone")],
    ids=str,
)
def test_a_refused_check_keeps_what_the_list_shows(refusal: errors.MiniMaxError, end: str) -> None:
    service, ids = stale_service(2)
    service.refusals[ids[0]] = refusal
    result = service.reader(age=90.0).read(ids)
    found = result.jobs[ids[0]]
    assert (str(found) if isinstance(found, errors.MiniMaxError) else "unfinished") == end
    assert result.failure is None


@pytest.mark.parametrize("refusal", [DOWN, BAD, FORBIDDEN], ids=str)
@pytest.mark.parametrize("others", [1, 9, 60])
def test_one_refused_id_does_not_affect_the_others(refusal: errors.MiniMaxError, others: int) -> None:
    ids = [image_id(n) for n in range(others)]
    service = Service(100, account1=ids)
    service.refusals[image_id(777)] = refusal
    reader = service.reader()
    for _ in range(20):
        result = reader.read([image_id(777), *ids])
        assert set(ids) <= set(result.jobs)
        assert result.failure is None


@pytest.mark.parametrize("refusal", [DOWN, UNREACHABLE], ids=str)
def test_refused_ids_come_last_so_that_no_other_starves(refusal: errors.MiniMaxError) -> None:
    bad, good = [image_id(n) for n in range(8)], [image_id(n) for n in range(100, 103)]
    service = Service(100, account1=[])
    service.hidden = set(good)
    service.refusals = dict.fromkeys(bad, refusal)
    reader = service.reader()
    rounds = [set(reader.read([*bad, *good]).jobs) for _ in range(20)]
    assert all(set(good) <= results for results in rounds[len(bad) :])


def test_a_refused_id_among_others_is_not_requested_in_each_round() -> None:
    ids = [image_id(n) for n in range(50)]
    service = Service(100, account1=ids)
    service.refusals[image_id(777)] = DOWN
    reader = service.reader()
    for _ in range(40):
        reader.read([image_id(777), *ids])
    assert service.ids == 1 + 1 + 40 // 4


def test_a_lone_refused_id_is_requested_in_each_round_and_fails_the_round() -> None:
    service = Service(100, account1=[])
    service.refusals[image_id(1)] = DOWN
    reader = service.reader()
    assert [reader.read([image_id(1)]) for _ in range(9)] == [({image_id(1): DOWN}, DOWN)] * 9
    assert service.requests == 9


@pytest.mark.parametrize("refusal", [DOWN, STUCK, BAD, FORBIDDEN], ids=str)
def test_a_refused_list_is_replaced_by_requests_by_id_and_read_again_later(refusal: errors.MiniMaxError) -> None:
    ids = [image_id(n) for n in range(80)]
    service = Service(100, account1=ids)
    service.refusals["1"] = refusal
    reader = service.reader()
    costs = [service.round(reader, ids) for _ in range(8)]
    assert (sum(costs) - 8 * len(ids), service.pages) == (4, 4)
    service.refusals.clear()
    assert sum(service.round(reader, ids) for _ in range(8)) == 3 * len(ids) + 5


def test_jobs_on_the_pages_before_a_failure_are_not_requested_again() -> None:
    class Breaking(Service):
        def iter_pages(self, account: str) -> Iterator[list[Job]]:
            yield next(super().iter_pages(account))
            raise STUCK

    ids = [image_id(n) for n in range(80)]
    service = Breaking(30, account1=ids)
    assert service.round(service.reader(), ids) == 1 + 50
