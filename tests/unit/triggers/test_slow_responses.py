"""A shared poll with responses that are slow, drip or never come: they delay only the waits for them."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from airflow_provider_minimax.polling import shared_poll, timing
from airflow_provider_minimax.polling.senders import MAX_PENDING
from tests.support import connect, image_id
from tests.unit.triggers.support import Triggerer, run, trigger

pytestmark = pytest.mark.usefixtures("quick_rounds")

LIST = "list"


class Service:
    """Responds for the images in ``statuses``, and holds some of its responses.

    ``held`` are names of images, or ``LIST``; a response that is held drips a blank now and then until it is released.
    """

    def __init__(self) -> None:
        self.statuses: dict[str, int] = {}
        self.listed: list[str] = []
        self.held: set[str] = set()
        self.refused: dict[str, int] = {}
        self.requests: Counter[str] = Counter()
        self.holding: Counter[str] = Counter()
        self.max_held = 0
        self.on_request: Callable[[], None] = lambda: None
        self._released = threading.Event()
        self._lock = threading.Lock()

    def release(self) -> None:
        self.held.clear()
        self._released.set()

    def respond(self, path: str, drip: Callable[[], None]) -> tuple[int, Any]:
        name = path.partition("?")[0].rpartition(":")[2] if "image:" in path else LIST
        with self._lock:
            self.requests[name] += 1
            is_held = name in self.held
            self.holding[name] += is_held
            self.max_held = max(self.max_held, self.holding.total())
        self.on_request()
        if is_held:
            while not self._released.wait(0.1):
                drip()
            with self._lock:
                self.holding[name] -= 1
        if name in self.refused:
            return self.refused[name], {"error": "refused"}
        if name == LIST:
            return 200, {"images": [self._image(one) for one in self.listed], "hasNext": False}
        return (200, self._image(name)) if name in self.statuses else (404, {"error": "Not found."})

    def _image(self, name: str) -> dict[str, Any]:
        return {"id": name, "imageId": image_id(name), "status": self.statuses[name]}


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    served = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_started = False
            try:
                status, body = served.respond(self.path, self._drip)
                if not self.send_started:
                    self._start(status)
                self.wfile.write(json.dumps(body).encode())
            except OSError:
                # Whoever asked has gone.
                self.close_connection = True

        def _drip(self) -> None:
            if not self.send_started:
                self._start(200)
            self.wfile.write(b" ")

        def _start(self, status: int) -> None:
            self.send_started = True
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    connect(monkeypatch, f"http://127.0.0.1:{server.server_address[1]}/v1/minimax", "user:1-token")
    yield served
    served.release()
    server.shutdown()
    thread.join()
    server.server_close()


async def ends(waits: list[asyncio.Task[Any]]) -> list[str]:
    return [event["end"] for (event,) in await asyncio.gather(*waits)]


@pytest.mark.parametrize("held", [1, 3])
def test_ten_healthy_waits_end_while_others_hang(service: Service, triggerer: Triggerer, held: int) -> None:
    """None of them is in the list, so each is requested by its id, and the hanging ones come first."""
    hanging, healthy = [f"hangs{n}" for n in range(held)], [f"healthy{n}" for n in range(10)]
    service.statuses = dict.fromkeys([*hanging, *healthy], 2)
    service.held = set(hanging)

    async def wait() -> None:
        stuck = [asyncio.create_task(triggerer.run(trigger(image_id(name)))) for name in hanging]
        await asyncio.sleep(0)
        waits = [asyncio.create_task(triggerer.run(trigger(image_id(name)))) for name in healthy]
        assert await ends(waits) == ["completed"] * 10
        assert not any(task.done() for task in stuck)
        assert {name: service.requests[name] for name in hanging} == dict.fromkeys(hanging, 1)
        service.release()
        # What comes late is told as soon as it has come.
        assert await ends(stuck) == ["completed"] * held

    run(wait())
    assert service.max_held == held
    assert shared_poll.streams == {}


def test_no_more_than_a_few_requests_hang_at_the_same_time(
    service: Service, triggerer: Triggerer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = [f"hangs{n}" for n in range(12)]
    service.statuses = dict.fromkeys(hanging, 2)
    service.held = {*hanging, LIST}

    async def wait() -> None:
        many_rounds, real, full = asyncio.Event(), shared_poll.Stream._poll, []

        async def look(*args: Any) -> Any:
            if service.holding.total() >= MAX_PENDING:
                full.append(True)
            if len(full) == 10:
                many_rounds.set()
            return await real(*args)

        monkeypatch.setattr(shared_poll.Stream, "_poll", look)
        waits = [asyncio.create_task(triggerer.run(trigger(image_id(name)))) for name in hanging]
        await many_rounds.wait()
        assert service.requests.total() == MAX_PENDING
        service.release()
        assert await ends(waits) == ["completed"] * 12

    run(wait())
    assert service.max_held == MAX_PENDING


def test_a_hanging_list_is_replaced_by_requests_by_id(service: Service, triggerer: Triggerer) -> None:
    healthy = [f"healthy{n}" for n in range(10)]
    service.statuses = dict.fromkeys(healthy, 2)
    service.listed = healthy
    service.held = {LIST}

    async def wait() -> None:
        waits = [asyncio.create_task(triggerer.run(trigger(image_id(name)))) for name in healthy]
        assert await ends(waits) == ["completed"] * 10

    run(wait())
    assert service.requests == {LIST: 1} | dict.fromkeys(healthy, 1)


def test_an_image_completed_just_before_the_deadline_is_returned_beside_a_hanging_one(
    service: Service, triggerer: Triggerer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "min_deferral", lambda _: 0.0)
    service.statuses = {"hangs": 2, "late": 1}
    service.held = {"hangs"}

    async def wait() -> None:
        stuck = asyncio.create_task(triggerer.run(trigger(image_id("hangs"), poke_interval=3600.0)))
        late = asyncio.create_task(triggerer.run(trigger(image_id("late"), seconds=0.5, poke_interval=3600.0)))
        await asyncio.sleep(0.1)
        service.statuses["late"] = 2
        assert await ends([late]) == ["completed"]
        assert not stuck.done()
        stuck.cancel()
        await asyncio.wait([stuck])

    run(wait())


@pytest.mark.parametrize("status", [400, 402, 403, 404, 422, 500, 596])
def test_a_response_to_some_ids_ends_no_wait_for_others(service: Service, triggerer: Triggerer, status: int) -> None:
    """Not even when each of the first three requests gets it."""
    refused, healthy = [f"refused{n}" for n in range(3)], [f"healthy{n}" for n in range(10)]
    service.statuses = dict.fromkeys(healthy, 2)
    service.refused = dict.fromkeys(refused, status)

    async def wait() -> None:
        bad = [asyncio.create_task(triggerer.run(trigger(image_id(name)))) for name in refused]
        await asyncio.sleep(0)
        good = [asyncio.create_task(triggerer.run(trigger(image_id(name)))) for name in healthy]
        assert await ends(good) == ["completed"] * 10
        assert await ends(bad) == ["failed"] * 3

    run(wait())


def test_a_stale_list_delays_no_wait_beyond_its_deadline(service: Service, triggerer: Triggerer) -> None:
    """The list calls them unfinished for ever; the jobs themselves say that they are completed."""
    names = [f"stale{n}" for n in range(10)]
    service.statuses = dict.fromkeys(names, 2)

    def stale_list() -> tuple[int, Any]:
        return 200, {"images": [{"id": name, "imageId": image_id(name), "status": 1} for name in names]}

    real = service.respond
    service.respond = lambda path, drip: real(path, drip) if "image:" in path else stale_list()  # type: ignore[method-assign]

    async def wait() -> None:
        one = asyncio.create_task(triggerer.run(trigger(*map(image_id, names), seconds=1.0)))
        others = [asyncio.create_task(triggerer.run(trigger(image_id(name), seconds=1.0))) for name in names]
        assert await ends([one, *others]) == ["completed"] * 11

    run(wait())


def test_the_next_driver_does_not_wait_for_a_hanging_request(service: Service, triggerer: Triggerer) -> None:
    service.statuses = {"hangs": 2, "healthy": 2}
    service.held = {"hangs"}

    async def wait() -> None:
        asked = asyncio.Event()
        loop = asyncio.get_running_loop()
        service.on_request = lambda: loop.call_soon_threadsafe(asked.set)
        stuck = asyncio.create_task(triggerer.run(trigger(image_id("hangs"))))
        await asked.wait()
        stuck.cancel()
        await asyncio.wait([stuck])
        assert await ends([asyncio.create_task(triggerer.run(trigger(image_id("healthy"))))]) == ["completed"]

    run(wait())
