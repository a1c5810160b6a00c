"""Jobs move with the clock, end as their prompt asks, and can be held and released."""

from __future__ import annotations

import pytest
import requests

from airflow_provider_minimax.sandbox import SandboxConfig

STATUSES = [(0, "pending"), (11, "queued"), (1, "processing"), (12, "processing")]


@pytest.fixture(autouse=True)
def _slow_clock(sandbox, clock):
    sandbox.reset(SandboxConfig(step_seconds=10, clock=clock))


def image(api, image_id):
    return api.get(f"/images/{image_id}").json()


def video(api, video_id):
    return api.get(f"/videos/{video_id}").json()


def test_an_image_passes_through_all_statuses(api, clock):
    image_id = api.post("/images/create", {"prompt": "x"}).json()["imageIds"][0]
    percents = []
    for status, label in STATUSES:
        item = image(api, image_id)
        assert (item["status"], item["statusLabel"], item["statusFinal"]) == (status, label, False)
        assert item["message"]
        assert not item["downloadURL"]
        assert not item["videoURL"]
        assert api.get("/images/").json()["processing"] is True
        assert image(api, image_id) == item
        percents.append(item["percent"])
        clock.now += 10
    assert percents == sorted(set(percents))
    item = image(api, image_id)
    assert (item["status"], item["statusLabel"], item["statusFinal"]) == (2, "completed", True)
    assert item["downloadURL"] != item["videoURL"]
    assert "percent" not in item
    assert api.get("/images/").json()["processing"] is False


@pytest.mark.parametrize(
    ("prompt", "statuses"),
    [
        ("x", [2, 2, 2]),
        ("x [fail]", [3, 3, 3]),
        ("x [fail:2]", [2, 3, 2]),
        ("x [moderate]", [5, 5, 5]),
        ("x [moderate:7]", [7, 7, 7]),
        ("x [moderate:14:3]", [2, 2, 14]),
        ("x [stuck:1] [fail:3]", [1, 2, 3]),
        ("x [hold]", [0, 0, 0]),
        ("x [hold:11:2]", [2, 11, 2]),
        ("x [unknown:1]", [99, 2, 2]),
        ("x [status] [status:3:2]", [99, 3, 99]),
    ],
)
def test_a_prompt_may_choose_its_final_status(api, clock, prompt, statuses):
    made = api.post("/images/create", {"prompt": prompt, "quantity": 3}).json()["imageIds"]
    clock.now += 1000
    items = [image(api, image_id) for image_id in made]
    assert [item["status"] for item in items] == statuses
    for item in items:
        assert ("statusLabel" in item) == ("statusFinal" in item) == (item["status"] != 99)


@pytest.mark.parametrize(("status", "final", "has_file"), [(6, False, False), (9, True, False), (10, True, True)])
def test_a_status_of_the_web_application_has_no_label(api, clock, status, final, has_file):
    (made,) = api.post("/images/create", {"prompt": f"x [status:{status}]"}).json()["imageIds"]
    clock.now += 1000
    item = image(api, made)
    assert (item["status"], item["statusFinal"], bool(item.get("downloadURL"))) == (status, final, has_file)
    assert "statusLabel" not in item
    if has_file:
        assert requests.get(item["downloadURL"], timeout=10).status_code == 200


def test_hold_release_and_finish(sandbox, api, clock):
    image_id, other = sandbox.create_image("x", 2)
    clock.now += 15
    sandbox.hold(image_id)
    clock.now += 1000
    assert (image(api, image_id)["status"], image(api, other)["status"]) == (11, 2)
    sandbox.release(image_id)
    assert image(api, image_id)["status"] == 11
    clock.now += 10
    assert image(api, image_id)["status"] == 1
    sandbox.finish(image_id, 7)
    assert image(api, image_id)["status"] == 7
    with pytest.raises(KeyError):
        sandbox.hold("unknown")


def test_control_calls_change_jobs_too(sandbox, api, clock):
    (image_id,) = sandbox.create_image("x [hold:12]")
    url = f"{sandbox.url}/_sandbox/jobs/{image_id}"
    clock.now += 1000
    assert image(api, image_id)["status"] == 12
    assert requests.post(url, json={"release": True}, timeout=10).json() == {"id": image_id, "status": 12}
    assert requests.post(url, json={"hold": True}, timeout=10).status_code == 200
    clock.now += 1000
    assert image(api, image_id)["status"] == 12
    assert requests.post(url, json={"status": 3}, timeout=10).json()["status"] == 3
    assert requests.post(url, json={}, timeout=10).status_code == 400
    assert requests.post(url + "0", json={"hold": True}, timeout=10).status_code == 404


# Videos


def test_a_video_passes_through_all_statuses(api, clock):
    made = api.post("/videos/create", {"prompt": "waves", "maxJobs": 1}).json()
    assert list(made) == ["videoId"]
    for status, label in STATUSES:
        item = video(api, made["videoId"])
        assert (item["status"], item["statusLabel"], item["statusFinal"]) == (status, label, False)
        assert item["message"]
        clock.now += 10
    item = video(api, made["videoId"])
    assert (item["status"], item["width"], item["height"]) == (2, 1300, 760)
    file = requests.get(item["downloadURL"], timeout=10)
    assert file.headers["Content-Type"] == "video/mp4"
    assert file.content[4:8] == b"ftyp"


def test_a_video_needs_a_prompt_or_a_file(api):
    for body in ({}, {"prompt": "x", "maxJobs": 11}, {"fileID": "user:1000-minimax:1-file:1"}):
        assert api.post("/videos/create", body).status_code == 400


def test_slots_for_videos_are_limited_and_images_need_none(api, sandbox, clock):
    sandbox.reset(SandboxConfig(accounts=2, max_jobs=2, step_seconds=10, clock=clock))
    first, second = sandbox.accounts
    made = [api.post("/videos/create", {"prompt": "x"}).json()["videoId"] for _ in range(4)]
    assert sorted(video_id.split("-")[1] for video_id in made) == [f"minimax:{first}"] * 2 + [f"minimax:{second}"] * 2
    assert api.post("/videos/create", {"prompt": "x"}).status_code == 429
    assert api.post("/videos/create", {"prompt": "x", "account": first}).status_code == 429
    assert api.post("/videos/create", {"prompt": "x", "account": first, "maxJobs": 3}).status_code == 200
    assert api.get("/scheduler/available").json()["available"] == []
    assert api.post("/images/create", {"prompt": "x", "account": first}).status_code == 200
    clock.now += 40
    assert api.post("/videos/create", {"prompt": "x", "account": first}).status_code == 200
    available = api.get("/scheduler/available").json()["available"]
    assert available == [
        {"account": first, "maxJobs": 2, "executing": 1, "available": 1},
        {"account": second, "maxJobs": 2, "executing": 0, "available": 2},
    ]


def test_a_cancelled_video_fails_and_gives_its_slot_back(api, sandbox, clock):
    video_id = sandbox.create_video("x [stuck]")
    assert api.post("/videos/cancel", {"videoId": video_id}).status_code == 200
    assert video(api, video_id)["status"] == 3
    for body in ({}, {"videoId": sandbox.all_images()[0]["imageId"]}):
        refused = api.post("/videos/cancel", body)
        assert (refused.status_code, list(refused.json())) == (400, ["error"])


def test_a_video_that_is_gone_is_404(api, sandbox, clock):
    video_id = sandbox.create_video("x [gone]")
    assert api.get(f"/videos/{video_id}").status_code == 200
    clock.now += 40
    response = api.get(f"/videos/{video_id}")
    assert (response.status_code, response.json()) == (404, {"error": "Not found.", "code": 404})
    assert api.get("/videos/").json() == []


@pytest.mark.parametrize("form", ["array", "wrapped"])
def test_the_list_of_videos(api, sandbox, clock, form):
    sandbox.reset(SandboxConfig(max_jobs=10, videos_form=form, clock=clock))
    made = [sandbox.create_video(f"video {n}") for n in range(5)][::-1]

    def listed(**params):
        response = api.get("/videos/", params=params).json()
        return [item["videoId"] for item in (response if form == "array" else response["videos"])]

    assert listed() == made
    assert listed(limit=2) == made[:2]
    assert listed(limit=2, lastVideoId=made[1]) == listed(limit=2, lastVideoId=made[1].rpartition(":")[2]) == made[2:4]
    assert api.get("/videos/", params={"lastVideoId": "1"}).status_code == 400
    assert api("DELETE", f"/videos/{made[0]}").status_code == 200
    assert listed() == made[1:]


def test_the_scheduler_lists_running_jobs_with_its_reply_reference(api, sandbox, clock):
    body = {"prompt": "x", "replyRef": "ref", "replyUrl": "https://example.invalid/hook"}
    image_id = api.post("/images/create", body).json()["imageIds"][0]
    video_id = api.post("/videos/create", body).json()["videoId"]
    sandbox.create_image("without")
    clock.now += 12
    entries = api.get("/scheduler/").json()
    shared = {"replyUrl": body["replyUrl"], "replyRef": "ref", "elapsed": "00:12"}
    assert [entry["videoId"] for entry in entries][::2] == [image_id, video_id]
    assert all(entry.items() >= shared.items() for entry in entries[::2])
    assert "replyRef" not in entries[1]
    assert entries[0]["started"].endswith("Z")
    assert api("DELETE", f"/scheduler/{video_id}").status_code == 200
    assert video_id not in {entry["videoId"] for entry in api.get("/scheduler/").json()}
    assert video(api, video_id)["status"] == 11
    gone = api("DELETE", f"/scheduler/{video_id}")
    assert (gone.status_code, gone.json()) == (404, {"error": f"Unable to locate running {video_id}"})
    clock.now += 40
    assert api.get("/scheduler/").json() == []


def test_the_scheduler_may_use_another_key_for_images(api, sandbox, clock):
    sandbox.reset(SandboxConfig(scheduler_image_key="imageId", step_seconds=10, clock=clock))
    (image_id,) = sandbox.create_image("x")
    assert api.get("/scheduler/available").json()["executing"][0]["imageId"] == image_id
