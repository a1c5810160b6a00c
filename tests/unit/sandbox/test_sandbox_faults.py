"""Each fault as a client sees it."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

import pytest
import requests

from airflow_provider_minimax.sandbox import Fault, SandboxConfig
from airflow_provider_minimax.sandbox.faults import KINDS, PLAIN, FaultQueue, parse_fault

LIST = "GET /images/"
CREATE = "POST /images/create"


@pytest.mark.parametrize("kind", sorted(PLAIN))
def test_plain_statuses_carry_the_error_object(api, sandbox, kind):
    sandbox.fail(kind, LIST)
    response = api.get("/images/")
    assert response.status_code == response.json()["code"] == int(kind)
    assert isinstance(response.json()["error"], str)
    assert "Retry-After" not in response.headers
    assert api.get("/images/").status_code == 200


def test_retry_after_in_seconds_as_a_date_and_huge(api, sandbox):
    sandbox.fail("429", LIST, retry_after=1)
    sandbox.fail("429", LIST, retry_after="date")
    sandbox.fail("huge-retry-after", LIST)
    values = [api.get("/images/").headers["Retry-After"] for _ in range(3)]
    assert (values[0], values[2]) == ("1", "86400")
    assert 0 <= parsedate_to_datetime(values[1]).timestamp() - time.time() <= 3


@pytest.mark.parametrize(("kind", "status"), [("502-html", 502), ("522", 522), ("not-json", 200)])
def test_html_in_place_of_json(api, sandbox, kind, status):
    sandbox.fail(kind)
    response = api.get("/images/")
    assert (response.status_code, response.headers["Content-Type"]) == (status, "text/html; charset=UTF-8")
    assert "<html>" in response.text
    with pytest.raises(requests.JSONDecodeError):
        response.json()


def test_shapes_that_are_not_the_contracts(api, sandbox):
    sandbox.fail("wrong-shape", LIST)
    assert isinstance(api.get("/images/").json(), list)
    sandbox.fail("error-object", LIST, status=503)
    response = api.get("/images/")
    assert response.status_code == 503
    assert list(response.json()) == ["error"]
    assert response.json()["error"].keys() >= {"code", "message"}


@pytest.mark.parametrize(("kind", "status"), [("accepted-504", 504), ("accepted-502", 502), ("accepted-reset", None)])
def test_accepted_but_the_response_is_lost(api, sandbox, kind, status):
    sandbox.fail(kind, CREATE)
    if status is None:
        with pytest.raises(requests.ConnectionError):
            api.post("/images/create", {"prompt": "paid once"})
    else:
        assert api.post("/images/create", {"prompt": "paid once"}).status_code == status
    assert sandbox.stats.creates == {"images": 1}
    assert sandbox.all_images()[0]["desc"] == "paid once"


def test_reset_before_any_response(api, sandbox):
    sandbox.fail("reset", CREATE)
    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        api.post("/images/create", {"prompt": "x"})
    assert sandbox.stats.creates == {}
    assert sandbox.stats.statuses[0] == 1
    assert api.get("/images/").status_code == 200


def test_truncated(api, sandbox):
    sandbox.fail("truncated", LIST)
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        api.get("/images/")
    assert api.get("/images/").status_code == 200


def test_slow_waits_before_the_response(api, sandbox):
    sandbox.fail("slow", LIST, delay=30)
    with pytest.raises(requests.ReadTimeout):
        api.get("/images/", timeout=0.1)


def test_drip_starts_at_once_and_takes_its_time(api, sandbox):
    sandbox.fail("drip", LIST, delay=0.2)
    start = time.monotonic()
    response = api.get("/images/", stream=True)
    assert response.status_code == 200
    assert not response.raw.isclosed()
    assert len(response.json()["images"]) == 30
    assert time.monotonic() - start >= 0.19


def test_creates_without_ids(api, sandbox):
    sandbox.fail("empty-ids", "POST /*/create", times=2)
    assert api.post("/images/create", {"prompt": "x"}).json() == {"imageIds": []}
    assert api.post("/videos/create", {"prompt": "x"}).json() == {}
    assert sandbox.stats.creates == {}


def test_redirect(api, sandbox):
    sandbox.fail("redirect", location="http://127.0.0.1:1/elsewhere")
    response = api.get("/images/")
    assert (response.status_code, response.headers["Location"]) == (302, "http://127.0.0.1:1/elsewhere")


def test_unknown_status(api, sandbox):
    expected = sandbox.all_images()[0]
    sandbox.fail("unknown-status", times=2)
    listed = api.get("/images/").json()["images"][0]
    assert listed == api.get(f"/images/{expected['imageId']}").json()
    assert listed["status"] == 99
    assert expected.keys() - listed.keys() == {"statusLabel", "statusFinal"}
    assert listed["userID"] == expected["userID"]


def test_an_empty_page_is_correct_in_all_else(api, sandbox):
    sandbox.fail("empty-page", LIST)
    spoilt, page = (api.get("/images/", params={"limit": 5}).json() for _ in range(2))
    assert spoilt == page | {"images": []}
    assert (spoilt["hasNext"], spoilt["total"]) == (True, 60)


def test_arrivals_between_two_pages(api, sandbox):
    before = [item["imageId"] for item in sandbox.all_images()]
    sandbox.fail("arrive", LIST, skip=1, count=3)
    first = api.get("/images/", params={"limit": 5}).json()
    second = api.get("/images/", params={"limit": 5, "lastImageId": first["images"][-1]["id"]}).json()
    assert [item["imageId"] for item in first["images"] + second["images"]] == before[:10]
    assert (first["total"], second["total"]) == (60, 63)


def test_every_kind_ends_in_a_response_or_a_cut(api, sandbox):
    """No kind breaks the sandbox itself; the fixture looks at its internal errors."""
    for kind in sorted(KINDS):
        for method, path in (("GET", "/images/"), ("POST", "/images/create"), ("GET", "/accounts")):
            sandbox.fail(kind, delay=0)
            try:
                api(method, path, json={"prompt": "x"} if method == "POST" else None)
            except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
                assert kind in ("reset", "truncated", "accepted-reset")
    assert sandbox.stats.faults.keys() == KINDS


# The queue


def kinds(queue, operations):
    return [fault.kind if (fault := queue.take(operation)) else None for operation in operations]


def test_skip_and_times():
    queue = FaultQueue([Fault("429", LIST, skip=1, times=2)])
    assert kinds(queue, [CREATE, LIST, LIST, CREATE, LIST, LIST]) == [None, None, "429", None, "429", None]
    assert queue.pending() == []


def test_the_first_in_the_queue_wins_and_the_other_waits():
    queue = FaultQueue([Fault("429"), Fault("500", LIST)])
    assert kinds(queue, [LIST, LIST, LIST]) == ["429", "500", None]


def test_without_end():
    queue = FaultQueue([Fault("503", times=0)])
    assert kinds(queue, [LIST] * 5) == ["503"] * 5
    queue.clear()
    assert kinds(queue, [LIST]) == [None]


def test_media_meet_a_fault_only_by_name():
    assert not Fault("500").matches("GET /media/{name}")
    assert Fault("500", "GET /media/{name}").matches("GET /media/{name}")
    assert Fault("500", "GET /images").matches(LIST)
    assert not Fault("500", LIST).matches("GET /images/{id}")


def test_the_token_is_checked_before_a_fault_is_used_up(api, sandbox):
    sandbox.fail("429", LIST)
    assert api.get("/images/", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert api.get("/images/").status_code == 429


def test_faults_from_the_configuration_come_back_with_a_reset(api, sandbox):
    sandbox.reset(SandboxConfig(faults=(Fault("503", LIST),)))
    for _ in range(2):
        assert [api.get("/images/").status_code for _ in range(2)] == [503, 200]
        sandbox.reset()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("reset", Fault("reset")),
        ("429@GET /images/:skip=1,times=2,retry_after=1", Fault("429", LIST, 1, 2, 1.0)),
        ("429@GET /images/{id}:retry_after=date", Fault("429", "GET /images/{id}", retry_after="date")),
        ("slow@*:delay=0.5", Fault("slow", delay=0.5)),
        ("redirect@*:location=http://127.0.0.1:8/", Fault("redirect", location="http://127.0.0.1:8/")),
    ],
)
def test_faults_of_the_command_line(text, fault):
    assert parse_fault(text) == fault


@pytest.mark.parametrize("text", ["", "418", "429@*:when=1", "429@*:skip", "429@*:skip=x", "429@*:skip=-1"])
def test_faults_that_are_refused(text):
    with pytest.raises(ValueError, match=r"fault|invalid|skip"):
        parse_fault(text)
