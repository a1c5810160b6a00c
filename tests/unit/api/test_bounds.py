"""What a response may take: time, bytes, decoded bytes, values and depth, from a service that keeps to none of them."""

from __future__ import annotations

import functools
import gzip
import io
import itertools
import socket
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from airflow_provider_minimax.api import errors, response_body
from airflow_provider_minimax.api.serialization import MAX_DEPTH, MAX_VALUES, UnreadableError, loads
from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.api.transport import Call, Transport
from airflow_provider_minimax.api.wire import Wire
from tests.unit.api.network import PATIENCE, Answer, Received, Service, answering, response
from tests.unit.api.support import Sleeps, error_of, settings

READ = Call("GET", "/images/", params={"limit": 30})
CREATE = Call("POST", "/images/create", json={"prompt": "p"}, billable=True)
CANCEL = Call("POST", "/videos/cancel", json={"videoId": "v"}, body_matters=False)
MIB = 2**20

calls = pytest.mark.parametrize(
    ("call", "kind"),
    [(READ, errors.MiniMaxUpstreamError), (CREATE, errors.MiniMaxUnknownOutcomeError)],
    ids=["a read", "a create"],
)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def send(service: Service, call: Call, **given: Any) -> Any:
    return Transport(settings(**{"base_url": service.base_url, "max_attempts": 1} | given), Sleeps()).send(call)


def fail(service: Service, call: Call, **given: Any) -> errors.MiniMaxError:
    return error_of(lambda: send(service, call, **given))


# Time


def dripping(pieces: Callable[[], Iterator[bytes]], sent: list[bytes]) -> Answer:
    """Send pieces, each soon enough for the read timeout, until nobody listens any more."""

    def answer(sock: socket.socket, _: Received) -> bool:
        for piece in pieces():
            sock.sendall(piece)
            sent.append(piece)
            time.sleep(0.02)
        return False

    return answer


DRIPS: dict[str, Callable[[], Iterator[bytes]]] = {
    "the status line": lambda: itertools.repeat(b"H", 3000),
    "headers": lambda: itertools.chain([b"HTTP/1.1 200 OK\r\n"], itertools.repeat(b"X-A: b\r\n", 90), drip_of_a_line()),
    "a body": lambda: itertools.chain([response(b"x" * 3000)[:-3000]], itertools.repeat(b" ", 2999)),
    "a body without end": lambda: itertools.chain([b"HTTP/1.1 200 OK\r\n\r\n"], itertools.repeat(b" ", 3000)),
    "chunks": lambda: itertools.chain(
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"], itertools.repeat(b"1\r\n \r\n", 3000)
    ),
    "the size of a chunk": lambda: itertools.chain(
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"], itertools.repeat(b"0", 3000)
    ),
    "interim responses": lambda: itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n", 3000),
}


def drip_of_a_line() -> Iterator[bytes]:
    return itertools.repeat(b"x", 3000)


def end_a_drip(pieces: Callable[[], Iterator[bytes]], call: Call) -> errors.MiniMaxError:
    sent: list[bytes] = []
    with Service(dripping(pieces, sent)) as service:
        error = fail(service, call, read_timeout=0.2)
        # By the time for the whole; on a machine that stands still, by the read timeout itself.
        assert "read timeout" in str(error)
        assert len(service.received) == 1
    assert len(sent) < 1000, "about 30 pieces were waited for, of 3,000"
    return error


@pytest.mark.parametrize("pieces", DRIPS.values(), ids=DRIPS)
def test_a_response_that_drips_does_not_go_on_for_ever(pieces: Callable[[], Iterator[bytes]]) -> None:
    assert type(end_a_drip(pieces, CREATE)) is errors.MiniMaxUnknownOutcomeError


def test_a_read_that_drips_is_a_fault_of_the_service() -> None:
    assert type(end_a_drip(DRIPS["a body"], READ)) is errors.MiniMaxUpstreamError


def test_an_upload_that_is_read_too_slowly_ends_too() -> None:
    taken = 0

    class Slow(Service):
        def serve(self, sock: socket.socket) -> None:
            nonlocal taken
            while piece := sock.recv(20_000):
                taken += len(piece)
                time.sleep(0.02)

    call = Call("POST", "/files/", upload=io.BytesIO(bytes(100 * MIB)), content_type="image/png")
    with Slow(answering(response())) as service:
        error = fail(service, call, read_timeout=0.3)
    assert type(error) is errors.MiniMaxUpstreamError
    assert taken < 50 * MIB


def test_a_response_has_three_read_time_outs() -> None:
    assert (Settings("t").total_timeout, Settings("t", read_timeout=5).total_timeout) == (180.0, 15.0)


def test_each_request_of_a_connection_has_the_whole_time() -> None:
    now = 0.0
    begun = response()[:-2]
    answers = iter([(8.0, response()), (8.0, response()), (8.0, response()), (9.0, begun + b"{}"), (11.0, begun)])

    def answer(sock: socket.socket, _: Received) -> bool:
        nonlocal now
        seconds, sent = next(answers)
        now += seconds
        sock.sendall(sent)
        return True

    wire = Wire(10.0, MIB, clock=lambda: now)
    with Service(answer) as service, requests.Session() as session:
        session.mount("http://", wire)
        ask = functools.partial(session.get, service.base_url, timeout=PATIENCE)
        assert [ask().text for _ in range(4)] == ["{}"] * 4
        with pytest.raises(requests.RequestException):
            ask()
        assert wire.may_have_left
        assert wire.is_overdue
        assert service.accepted == 1


# Size


def zipped(size: int) -> bytes:
    """Return gzip that unfolds to so many zeros."""
    stream = zlib.compressobj(9, wbits=31)
    piece = bytes(MIB)
    return b"".join(stream.compress(piece) for _ in range(size // MIB)) + stream.flush()


BOMB = zipped(1024 * MIB)


def peak(operation: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        operation()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@calls
def test_a_small_body_that_unfolds_takes_no_more_than_the_bound(call: Call, kind: type[errors.MiniMaxError]) -> None:
    caught: list[errors.MiniMaxError] = []
    with Service(answering(response(BOMB, Content_Encoding="gzip"))) as service:
        used = peak(lambda: caught.append(fail(service, call)))
    assert type(caught[0]) is kind
    assert f"larger than {64 * MIB} bytes" in str(caught[0])
    assert len(BOMB) < 1.1 * MIB
    assert used < 80 * MIB


def test_the_bound_is_a_setting() -> None:
    with Service(answering(response(zipped(8 * MIB), Content_Encoding="gzip"))) as service:
        used = peak(lambda: fail(service, READ, max_response_bytes=2 * MIB))
        assert used < 8 * MIB
    with Service(answering(response(gzip.compress(b'"' + b"x" * 5000 + b'"'), Content_Encoding="gzip"))) as service:
        assert send(service, READ, max_response_bytes=5002) == "x" * 5000
        assert "larger than 5001 bytes" in str(fail(service, READ, max_response_bytes=5001))


@pytest.mark.parametrize("status", ["500 Error", "404 Not Found", "302 Found"])
def test_the_body_of_an_error_takes_less(status: str) -> None:
    caught: list[errors.MiniMaxError] = []
    with Service(answering(response(BOMB, status, Content_Encoding="gzip", Location="/x"))) as service:
        used = peak(lambda: caught.append(fail(service, READ)))
    assert caught[0].status == int(status[:3])
    assert f"({status[:3]}): " in str(caught[0])
    assert f"a body that is larger than {MIB} bytes" in str(caught[0])
    assert used < 8 * MIB


ENDLESS = {
    "a body": b"HTTP/1.1 200 OK\r\n\r\n",
    "the size of a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a trailer": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
}


@calls
@pytest.mark.parametrize("head", ENDLESS.values(), ids=ENDLESS)
def test_a_response_without_end_is_left(head: bytes, call: Call, kind: type[errors.MiniMaxError]) -> None:
    def answer(sock: socket.socket, _: Received) -> bool:
        sock.sendall(head)
        while True:
            sock.sendall(b"0" * 65_536)

    caught: list[errors.MiniMaxError] = []
    with Service(answer) as service:
        used = peak(lambda: caught.append(fail(service, call, max_response_bytes=MIB)))
    assert type(caught[0]) is kind
    assert used < 12 * MIB


def test_a_body_that_is_left_takes_its_connection_with_it() -> None:
    answers = itertools.chain([response(b"x" * 3 * MIB)], itertools.repeat(response(b"[1]")))

    def answer(sock: socket.socket, _: Received) -> bool:
        sock.sendall(next(answers))
        return True

    with Service(answer) as service:
        sender = Transport(settings(base_url=service.base_url, max_response_bytes=MIB), Sleeps())
        assert sender.send(READ) == [1]
        assert (service.accepted, len(service.received)) == (2, 2)


def test_a_body_that_does_not_matter_may_be_anything() -> None:
    with Service(answering(response(BOMB, Content_Encoding="gzip"))) as service:
        assert send(service, CANCEL, max_response_bytes=MIB) is None


# Encoding


def test_one_encoding_is_asked_for() -> None:
    heads: list[bytes] = []

    class Listening(Service):
        def serve(self, sock: socket.socket) -> None:
            heads.append(sock.recv(10_000))
            sock.sendall(response())

    with Listening(answering(b"")) as service:
        send(service, READ)
    assert b"Accept-Encoding: gzip\r\n" in heads[0]


@pytest.mark.parametrize("name", ["gzip", "GZIP", " x-gzip "])
@pytest.mark.parametrize("size", [1, 7, 10**6])
def test_gzip_is_read_in_any_pieces(name: str, size: int) -> None:
    whole = bytes(range(256)) * 5000
    packed = gzip.compress(whole)
    pieces = [packed[at : at + size] for at in range(0, len(packed), size)]
    assert response_body.read_body(pieces, name, len(whole)) == whole


@pytest.mark.parametrize(
    ("body", "encoding", "words"),
    [
        pytest.param(b"{}", "br", "encoded as 'br'", id="brotli"),
        pytest.param(b"{}", "gzip, gzip", "encoded as 'gzip, gzip'", id="twice"),
        pytest.param(b"{}", "deflate", "encoded as 'deflate'", id="deflate"),
        pytest.param(b"{}", "x" * 1000, f"encoded as '{'x' * 20}'", id="a long name"),
        pytest.param(b"{}", "gzip", "not the gzip", id="no gzip"),
        pytest.param(gzip.compress(b"{}")[:-9], "gzip", "gzip that breaks off", id="half"),
        pytest.param(b"", "gzip", "gzip that breaks off", id="nothing"),
        pytest.param(gzip.compress(b"{}")[:-8] + bytes(8), "gzip", "not the gzip", id="wrong sum"),
    ],
)
def test_what_cannot_be_decoded_is_an_error_of_the_service(body: bytes, encoding: str, words: str) -> None:
    with Service(answering(response(body, Content_Encoding=encoding))) as service:
        error = fail(service, READ)
        assert (type(error), error.status) == (errors.MiniMaxUpstreamError, 200)
        assert words in str(error)


def test_what_follows_gzip_is_passed_over() -> None:
    many = gzip.compress(b"{}") + gzip.compress(b"") * 100_000
    assert response_body.read_body([many], "gzip", 10) == b"{}"


# Values and depth


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")], ids=["lists", "objects"])
@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 1000, 100_000])
@calls
def test_json_that_is_nested_too_deep_is_an_error_by_name(
    opening: bytes, closing: bytes, depth: int, call: Call, kind: type[errors.MiniMaxError]
) -> None:
    with Service(answering(response(opening * depth + b"1" + closing * depth))) as service:
        error = fail(service, call)
        assert (type(error), error.status) == (kind, 200)
        assert f"nested deeper than {MAX_DEPTH} levels" in str(error)


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 100_000])
def test_an_error_that_is_nested_too_deep_keeps_its_status(depth: int) -> None:
    with Service(answering(response(b"[" * depth + b"]" * depth, "412 Precondition Failed"))) as service:
        assert type(fail(service, CREATE)) is errors.MiniMaxOutOfCreditsError


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")], ids=["lists", "objects"])
def test_the_depth_that_is_allowed_is_read(opening: bytes, closing: bytes) -> None:
    assert loads(opening * MAX_DEPTH + b"1" + closing * MAX_DEPTH)


def test_json_of_too_many_values_is_not_decoded() -> None:
    assert len(loads(b"[" + b"1," * MAX_VALUES + b"1]")) == MAX_VALUES + 1
    with pytest.raises(UnreadableError, match="JSON of more than 1000000 values"):
        loads(b"[" + b"1," * (MAX_VALUES + 1) + b"1]")
    assert loads(b'"' + b"x" * (2 * MAX_VALUES) + b'"')
