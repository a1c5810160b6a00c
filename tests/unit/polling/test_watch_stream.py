"""How soon a watch polls again after a failure, and what a round reads."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.api.kinds import IMAGES
from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.polling.new_media import View, WatchState, take_round
from airflow_provider_minimax.polling.watch_stream import WatchReader, retry_delay
from airflow_provider_minimax.sandbox import Sandbox

LIST = "GET /images/"
READ = "GET /images/{id}"


@pytest.mark.parametrize(
    ("interval", "failures", "error", "at_least", "at_most"),
    [
        (10.0, 1, errors.MiniMaxUpstreamError("", status=500), 20.0, 20.5),
        (10.0, 9, errors.MiniMaxUpstreamError("", status=500), 60.0, 60.5),
        (90.0, 9, errors.MiniMaxUpstreamError("", status=500), 90.0, 90.5),
        (10.0, 1, errors.MiniMaxCapacityError("", status=429, retry_after=40.0), 40.0, 40.5),
        (10.0, 1, errors.MiniMaxAuthError("", status=401), 300.0, 300.0),
        (10.0, 1, errors.MiniMaxBadRequestError("", status=400), 300.0, 300.0),
        (900.0, 1, errors.MiniMaxAuthError("", status=401), 900.0, 900.5),
        (10.0, 1, OSError(), 20.0, 20.5),
    ],
)
def test_the_delay_after_a_failure(
    interval: float, failures: int, error: Exception, at_least: float, at_most: float
) -> None:
    assert at_least <= retry_delay(interval, failures, error) <= at_most


class Reading:
    """A reader of the sandbox and the state of one watch."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._reader = WatchReader(Settings(sandbox.token, sandbox.base_url), IMAGES)
        self.state = WatchState()

    def abandoned_round(self) -> None:
        stop = threading.Event()
        stop.set()
        self._reader.read([self.state], stop)

    def round(self, *others: WatchState) -> list[str]:
        view: View = self._reader.read([self.state, *others], threading.Event())
        progress = take_round(self.state, view)
        self.state = progress.state
        return [item.id.full for item in progress.ended]


def test_a_round_costs_one_request_and_reads_on_only_where_more_is_new(sandbox: Sandbox) -> None:
    sandbox.reset(replace(sandbox.config, images=500))
    watch = Reading(sandbox)
    assert (watch.round(), watch.round(), sandbox.stats.count()) == ([], [], 2)
    arrived = sandbox.arrive(250)
    assert (watch.round(), sandbox.stats.count()) == (arrived, 5)


def test_a_round_reads_as_far_as_each_watch_needs(sandbox: Sandbox) -> None:
    sandbox.reset(replace(sandbox.config, images=500))
    watch, behind = Reading(sandbox), Reading(sandbox)
    behind.round()
    arrived = sandbox.arrive(150)
    watch.round()
    before = sandbox.stats.count()
    assert watch.round(behind.state) == []
    assert sandbox.stats.count() - before == 2
    assert behind.round() == arrived


def test_unfinished_jobs_behind_the_first_page_are_read_by_id_or_page(sandbox: Sandbox) -> None:
    watch = Reading(sandbox)
    watch.round()
    pending = [sandbox.create_image(f"lamp {number} [hold]")[0] for number in range(3)]
    watch.round()
    sandbox.arrive(200)
    watch.round()
    before = sandbox.stats.requests.copy()
    sandbox.release(pending[0])
    sandbox.finish(pending[0])
    assert watch.round() == pending[:1]
    assert (sandbox.stats.requests - before)[READ] == 3

    # Many of them: page by page.
    many = [sandbox.create_image(f"lamp {number} [hold]")[0] for number in range(120)]
    watch.round()
    for image_id in many:
        sandbox.finish(image_id)
    before = sandbox.stats.requests.copy()
    assert watch.round() == many
    assert (sandbox.stats.requests - before)[LIST] == 2


def test_an_abandoned_round_ends_with_the_request_that_it_has_sent(sandbox: Sandbox) -> None:
    """The watch that is started again waits for it."""
    watch = Reading(sandbox)
    watch.round()
    for number in range(3):
        sandbox.create_image(f"lamp {number} [hold]")
    watch.round()
    sandbox.arrive(200)
    watch.round()
    before = sandbox.stats.count()
    watch.abandoned_round()
    assert sandbox.stats.count() - before == 1


def test_a_job_that_cannot_be_read_ends_no_round(sandbox: Sandbox) -> None:
    watch = Reading(sandbox)
    watch.round()
    (pending,) = sandbox.create_image("lamp [hold]")
    watch.round()
    sandbox.arrive(200)
    watch.round()
    sandbox.fail("500", operation=READ, times=0)
    sandbox.finish(pending)
    arrived = sandbox.arrive(1)
    assert watch.round() == arrived
    sandbox.clear_faults()
    assert watch.round() == [pending]


def test_an_account_that_is_empty_is_read_twice_before_it_counts_as_empty(sandbox: Sandbox) -> None:
    sandbox.reset(replace(sandbox.config, images=0))
    watch = Reading(sandbox)
    assert (watch.round(), sandbox.stats.count()) == ([], 2)
    assert (watch.round(), sandbox.stats.count()) == ([], 3)
    arrived = sandbox.arrive(1)
    assert watch.round() == arrived
