"""What the client asks for, and what it makes of a good answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from requests_mock import Mocker

from airflow_provider_minimax.api import errors
from tests.unit.api.support import BASE, FILE, IMAGE, VIDEO, Sleeps, answer_all, client, last, sent_json

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40


def image(number: int) -> dict[str, Any]:
    return {"id": str(number), "imageId": f"user:1-minimax:2-image:{number}", "createTime": number}


# Paths and parameters


def test_an_id_goes_into_the_path_as_it_is(requests_mock: Mocker) -> None:
    answer_all(requests_mock, json={"status": 2})
    client().get_image(IMAGE)
    assert last(requests_mock).url == f"{BASE}/images/{IMAGE}"
    client().get_video(VIDEO)
    assert last(requests_mock).url == f"{BASE}/videos/{VIDEO}"


@pytest.mark.parametrize("bad", ["900001", VIDEO, "", None, f"{IMAGE}/../../accounts", f"{IMAGE}?x=1"])
def test_what_is_no_image_id_is_refused_before_any_request(requests_mock: Mocker, bad: Any) -> None:
    with pytest.raises(errors.MiniMaxBadRequestError, match="-image:<image_id>"):
        client().get_image(bad)
    assert requests_mock.call_count == 0


def test_an_id_of_another_account_is_refused_before_any_request(requests_mock: Mocker) -> None:
    with pytest.raises(errors.MiniMaxBadRequestError, match="belongs to account 42"):
        client(account="43").get_image(IMAGE)
    with pytest.raises(errors.MiniMaxBadRequestError, match="belongs to account 42"):
        client(account="43").cancel_video(VIDEO)
    assert requests_mock.call_count == 0


def query(mocker: Mocker) -> dict[str, list[str]]:
    return dict(last(mocker).qs)


def test_a_list_asks_for_thirty_images_and_for_no_account_by_default(requests_mock: Mocker) -> None:
    answer_all(requests_mock, json={"images": []})
    client().list_images()
    assert last(requests_mock).url.startswith(f"{BASE}/images/?")
    assert query(requests_mock) == {"limit": ["30"]}


def test_a_list_goes_on_from_an_image_on_the_account_that_is_asked_for(requests_mock: Mocker) -> None:
    answer_all(requests_mock, json={"images": []})
    client(account="42").list_images(7, IMAGE, "43")
    assert query(requests_mock) == {"limit": ["7"], "lastimageid": [IMAGE], "account": ["43"]}
    assert "lastImageId=" in last(requests_mock).url


@pytest.mark.parametrize("operation", ["list_images", "list_videos", "get_features"])
def test_the_account_of_the_settings_is_the_default(requests_mock: Mocker, operation: str) -> None:
    answer_all(requests_mock, json={"images": [], "videos": []})
    getattr(client(account="42"), operation)()
    assert query(requests_mock)["account"] == ["42"]
    getattr(client(account="42"), operation)(account="43")
    assert query(requests_mock)["account"] == ["43"]
    getattr(client(), operation)()
    assert "account" not in query(requests_mock)


@pytest.mark.parametrize("limit", [0, -1])
@pytest.mark.parametrize("operation", ["list_images", "list_videos"])
def test_a_list_of_less_than_one_is_refused_before_any_request(
    requests_mock: Mocker, operation: str, limit: int
) -> None:
    with pytest.raises(errors.MiniMaxBadRequestError, match="limit must be an integer of at least 1"):
        getattr(client(), operation)(limit)
    assert requests_mock.call_count == 0


# Good answers


def test_a_page_comes_as_the_service_sent_it(requests_mock: Mocker) -> None:
    text = (
        '{"images":[{"imageId":"x","userID":923847293472394123,"desc":"ü\\n\\ud83e","new":{"a":[1]}}],"hasPre":false}'
    )
    answer_all(requests_mock, content=text.encode())
    assert client().list_images() == {
        "images": [{"imageId": "x", "userID": 923847293472394123, "desc": "ü\n\ud83e", "new": {"a": [1]}}],
        "hasPre": False,
    }


def test_the_ids_of_created_images_come_in_their_order(requests_mock: Mocker) -> None:
    made = [f"{IMAGE}2", f"{IMAGE}1"]
    answer_all(requests_mock, json={"imageIds": made, "other": 1})
    assert client(account="42").create_image("a cat", quantity=2, aspect_ratio="1:1") == made
    assert last(requests_mock).url == f"{BASE}/images/create"
    assert sent_json(requests_mock) == {"prompt": "a cat", "quantity": 2, "aspectRatio": "1:1", "account": "42"}


def test_a_created_video_is_named_and_made_on_the_account_of_its_file(requests_mock: Mocker) -> None:
    answer_all(requests_mock, json={"videoId": VIDEO})
    assert client().create_video("go", file_id=FILE) == VIDEO
    assert last(requests_mock).url == f"{BASE}/videos/create"
    assert sent_json(requests_mock) == {"prompt": "go", "fileID": FILE, "account": "42"}


def test_the_account_of_a_call_wins_over_that_of_the_settings(requests_mock: Mocker) -> None:
    answer_all(requests_mock, json={"imageIds": [IMAGE], "videoId": VIDEO})
    client(account="1").create_image("p", "2")
    assert sent_json(requests_mock)["account"] == "2"
    client(account="1").create_video("p", "2")
    assert sent_json(requests_mock)["account"] == "2"


def test_a_body_that_is_refused_here_is_never_sent(requests_mock: Mocker) -> None:
    with pytest.raises(errors.MiniMaxBadRequestError):
        client().create_image("p", quantity=5)
    with pytest.raises(errors.MiniMaxBadRequestError):
        client(account="43").create_video("p", file_id=FILE)
    assert requests_mock.call_count == 0


@pytest.mark.parametrize("wrap", [lambda videos: videos, lambda videos: {"videos": videos, "hasNext": False}])
def test_a_list_of_videos_is_read_bare_or_wrapped(requests_mock: Mocker, wrap: Any) -> None:
    answer_all(requests_mock, json=wrap([{"videoId": VIDEO}]))
    assert client().list_videos(5, VIDEO) == [{"videoId": VIDEO}]
    assert query(requests_mock) == {"limit": ["5"], "lastvideoid": [VIDEO]}


@pytest.mark.parametrize("answer", [{"text": ""}, {"json": {}}, {"text": "<html>"}, {"status_code": 204}])
def test_a_cancel_names_the_video_and_needs_no_answer(requests_mock: Mocker, answer: dict[str, Any]) -> None:
    answer_all(requests_mock, **answer)
    client().cancel_video(VIDEO)
    assert (last(requests_mock).method, last(requests_mock).url) == ("POST", f"{BASE}/videos/cancel")
    assert sent_json(requests_mock) == {"videoId": VIDEO}


def test_accounts_are_listed_without_what_belongs_to_their_session(requests_mock: Mocker) -> None:
    config = {
        "account": "42", "maxJobs": 3, "supportVideo": True, "supportMusic": False, "supportAudio": True,
        "error": "expired", "jwt": {"token": "eyJ...", "user": {"name": "me"}}, "url": "https://hailuo", "token": "x",
    }  # fmt: skip
    answer_all(requests_mock, json={"42": config, "note": "no account"})
    assert client().list_accounts() == {
        "42": {
            "account": "42", "maxJobs": 3, "supportVideo": True, "supportMusic": False, "supportAudio": True,
            "error": "expired",
        }
    }  # fmt: skip


def test_the_features_come_as_the_service_sent_them(requests_mock: Mocker) -> None:
    answer_all(requests_mock, json={"totalCredits": 10})
    assert client().get_features() == {"totalCredits": 10}
    assert last(requests_mock).url == f"{BASE}/features/"


@pytest.mark.parametrize(("kind", "job_id"), [("image", IMAGE), ("video", VIDEO)])
def test_a_job_is_asked_for_by_its_kind(requests_mock: Mocker, kind: Any, job_id: str) -> None:
    answer_all(requests_mock, json={"status": 2})
    assert client().get_job(kind, job_id) == {"status": 2}
    assert last(requests_mock).url == f"{BASE}/{kind}s/{job_id}"


# Walks


def serve(mocker: Mocker, count: int) -> None:
    images = [image(number) for number in range(count, 0, -1)]

    def answer(request: Any, _: Any) -> dict[str, Any]:
        size, cursor = int(request.qs["limit"][0]), request.qs.get("lastimageid")
        start = count - int(cursor[0]) + 1 if cursor else 0
        return {"images": images[start : start + size], "hasNext": start + size < count, "total": count}

    mocker.get(f"{BASE}/images/", json=answer)


def test_images_are_iterated_over_page_by_page(requests_mock: Mocker) -> None:
    serve(requests_mock, 25)
    assert [each["createTime"] for each in client().iter_images(page_size=10)] == list(range(25, 0, -1))
    assert requests_mock.call_count == 3


@pytest.mark.parametrize(("most", "calls"), [(1, 1), (9, 1), (10, 1), (11, 2), (20, 2), (25, 3), (99, 3)])
def test_no_page_is_asked_for_beyond_the_images_wanted(requests_mock: Mocker, most: int, calls: int) -> None:
    serve(requests_mock, 25)
    assert len(list(client().iter_images(page_size=10, max_images=most))) == min(most, 25)
    assert requests_mock.call_count == calls


@pytest.mark.parametrize("most", [0, -1])
def test_a_walk_over_no_images_is_refused_by_name(requests_mock: Mocker, most: int) -> None:
    with pytest.raises(errors.MiniMaxBadRequestError, match="max_images must be an integer of at least 1"):
        list(client().iter_images(max_images=most))
    assert requests_mock.call_count == 0


@pytest.mark.parametrize("size", [0, -1])
def test_a_page_of_less_than_one_image_is_refused_before_any_request(requests_mock: Mocker, size: int) -> None:
    with pytest.raises(errors.MiniMaxBadRequestError, match="page_size"):
        client().iter_pages(page_size=size)
    assert requests_mock.call_count == 0


def test_a_page_of_one_image_still_moves(requests_mock: Mocker) -> None:
    serve(requests_mock, 3)
    assert len(list(client().iter_images(page_size=1))) == 3
    assert last(requests_mock).qs["limit"] == ["2"]


def test_a_service_that_refuses_a_large_page_is_asked_for_the_documented_size(requests_mock: Mocker) -> None:
    def answer(request: Any, context: Any) -> dict[str, Any]:
        if int(request.qs["limit"][0]) > 30:
            context.status_code = 400
            return {"error": "limit is too large"}
        return {"images": [image(1)], "hasNext": False}

    requests_mock.get(f"{BASE}/images/", json=answer)
    assert len(list(client().iter_images())) == 1
    assert [request.qs["limit"] for request in requests_mock.request_history] == [["100"], ["30"]]


def test_a_refusal_that_has_nothing_to_do_with_the_size_is_told(requests_mock: Mocker) -> None:
    answer_all(requests_mock, status_code=400, json={"error": "account is required"})
    with pytest.raises(errors.MiniMaxBadRequestError, match="account is required"):
        list(client().iter_images())
    with pytest.raises(errors.MiniMaxBadRequestError, match="account is required"):
        list(client().iter_images(page_size=30))
    assert [request.qs["limit"] for request in requests_mock.request_history] == [["100"], ["30"], ["30"]]


def test_a_page_that_fails_is_repeated_on_its_own(requests_mock: Mocker) -> None:
    pages = [{"images": [image(3), image(2)], "hasNext": True}, {"images": [image(1)], "hasNext": False}]
    answer_all(requests_mock, {"json": pages[0]}, {"status_code": 502, "text": "<html>"}, {"json": pages[1]})
    sleeps = Sleeps()
    assert len(list(client(sleeps).iter_images())) == 3
    cursors = [request.qs.get("lastimageid") for request in requests_mock.request_history]
    assert cursors == [None, ["2"], ["2"]]
    assert len(sleeps) == 1


# Uploads


def receive(mocker: Mocker, *statuses: int) -> list[bytes]:
    """Answer uploads, and return the bodies that arrived."""
    bodies: list[bytes] = []
    left = list(statuses)

    def answer(request: Any, context: Any) -> dict[str, Any]:
        bodies.append(request.body.read())
        context.status_code = left.pop(0) if left else 200
        return {"fileID": FILE, "ossPath": "x"}

    mocker.post(f"{BASE}/files/", json=answer)
    return bodies


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.png", PNG, "image/png"),
        ("lies.png", b"\xff\xd8\xff\xe0" + bytes(50), "image/jpeg"),
        ("a.webp", b"RIFF\x10\x00\x00\x00WEBPVP8 " + bytes(50), "image/jpeg"),
        ("a.mp3", b"ID3\x04" + bytes(50), "audio/mpeg"),
        ("a.wav", b"RIFF\x10\x00\x00\x00WAVEfmt " + bytes(50), "audio/wav"),
        ("a", b"\x00\x00\x00\x18ftypisom" + bytes(50), "video/mp4"),
    ],
)
def test_a_file_is_sent_raw_under_the_type_that_its_bytes_tell(
    requests_mock: Mocker, tmp_path: Path, name: str, content: bytes, kind: str
) -> None:
    (tmp_path / name).write_bytes(content)
    bodies = receive(requests_mock)
    assert client().upload_file(str(tmp_path / name)) == FILE
    assert bodies == [content]
    assert last(requests_mock).headers["Content-Type"] == kind
    assert last(requests_mock).headers["Content-Length"] == str(len(content))
    assert last(requests_mock).url == f"{BASE}/files/"


def test_a_file_goes_to_the_account_in_the_query(requests_mock: Mocker, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    receive(requests_mock)
    client(account="42").upload_file(tmp_path / "a.png")
    client(account="42").upload_file(tmp_path / "a.png", "43")
    assert [request.query for request in requests_mock.request_history] == ["account=42", "account=43"]


def test_an_upload_that_is_repeated_begins_at_the_first_byte(requests_mock: Mocker, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    bodies = receive(requests_mock, 502, 429)
    client().upload_file(tmp_path / "a.png")
    assert bodies == [PNG] * 3


@pytest.mark.parametrize("content", [b"", b"GIF89a" + bytes(50), b"plain text"])
def test_a_file_of_another_kind_is_refused_before_any_request(
    requests_mock: Mocker, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(errors.MiniMaxBadRequestError) as caught:
        client().upload_file(path)
    assert str(path) in str(caught.value)
    assert requests_mock.call_count == 0


@pytest.mark.parametrize(
    ("name", "reason"), [("missing.png", "No such file"), ("", "directory"), ("nul\x00.png", "null")]
)
def test_a_file_that_cannot_be_read_is_refused_before_any_request(
    requests_mock: Mocker, tmp_path: Path, name: str, reason: str
) -> None:
    with pytest.raises(errors.MiniMaxBadRequestError, match=f"(?i){reason}") as caught:
        client().upload_file(tmp_path / name)
    assert str(tmp_path) in str(caught.value)
    assert requests_mock.call_count == 0


# The scheduler


def test_the_running_jobs_and_the_accounts_with_room_are_read(requests_mock: Mocker) -> None:
    running = [{"videoId": VIDEO, "replyRef": "ref"}]
    requests_mock.get(f"{BASE}/scheduler/", json=running)
    requests_mock.get(f"{BASE}/scheduler/available", json={"executing": [], "available": [{"account": "42"}]})
    assert client().list_running() == running
    assert client().list_available() == [{"account": "42"}]


@pytest.mark.parametrize("answer", [{}, [1], {"available": 1}, {"available": [1]}])
def test_a_scheduler_that_answers_something_else(requests_mock: Mocker, answer: Any) -> None:
    answer_all(requests_mock, json=answer)
    for ask in (client().list_running, client().list_available):
        with pytest.raises(errors.MiniMaxUpstreamError):
            ask()


def test_a_client_in_a_hurry_tries_once_and_briefly(requests_mock: Mocker) -> None:
    answer_all(requests_mock, status_code=500)
    with pytest.raises(errors.MiniMaxUpstreamError):
        client().with_short_timeouts(1.0, 1.5).list_running()
    assert last(requests_mock).timeout == (1.0, 1.5)
    assert requests_mock.call_count == 1


# What a model takes


def test_nothing_is_sent_that_a_model_is_documented_not_to_take(requests_mock: Mocker) -> None:
    with pytest.raises(errors.MiniMaxBadRequestError, match="Nothing was sent"):
        client().create_image("p", quality="low")
    with pytest.raises(errors.MiniMaxBadRequestError, match="Nothing was sent"):
        client().create_video("p", options="768p-6sec")
    assert not requests_mock.called
