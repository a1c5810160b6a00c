"""Pages under every setting for what the documentation of the service leaves open."""

from __future__ import annotations

import pytest

from airflow_provider_minimax.sandbox import SandboxConfig


def ids(page):
    return [item["imageId"] for item in page["images"]]


@pytest.mark.parametrize("cursor", ["exclusive", "inclusive"])
@pytest.mark.parametrize("key", ["id", "imageId"])
def test_a_walk_sees_every_image(api, sandbox, cursor, key):
    sandbox.reset(SandboxConfig(images=47, cursor=cursor))
    seen: list[str] = []
    params: dict[str, object] = {"limit": 10}
    while True:
        page = api.get("/images/", params=params).json()
        assert page["hasPre"] == bool(seen)
        repeated = 1 if seen and cursor == "inclusive" else 0
        assert ids(page)[:repeated] == seen[len(seen) - repeated :]
        seen += ids(page)[repeated:]
        if not page["hasNext"]:
            break
        params["lastImageId"] = page["images"][-1][key]
    assert seen == [item["imageId"] for item in sandbox.all_images()]


def test_an_exact_last_page_has_no_next(api, sandbox):
    sandbox.reset(SandboxConfig(images=20))
    first = api.get("/images/", params={"limit": 10}).json()
    last = api.get("/images/", params={"limit": 10, "lastImageId": first["images"][-1]["id"]}).json()
    assert (first["hasNext"], last["hasNext"], len(last["images"])) == (True, False, 10)
    after = api.get("/images/", params={"lastImageId": last["images"][-1]["id"]}).json()
    assert (after["images"], after["hasNext"]) == ([], False)


@pytest.mark.parametrize(("form", "good", "bad"), [("bare", "id", "imageId"), ("full", "imageId", "id")])
def test_a_cursor_in_the_wrong_form(api, sandbox, form, good, bad):
    def page(bad_cursor, key):
        sandbox.reset(SandboxConfig(cursor_form=form, bad_cursor=bad_cursor))
        item = sandbox.all_images()[4]
        return api.get("/images/", params={"limit": 5, "lastImageId": item[key]})

    everything = [item["imageId"] for item in sandbox.all_images()]
    for setting in ("error", "ignore", "empty"):
        assert ids(page(setting, good).json()) == everything[5:10]
    assert page("error", bad).status_code == 400
    assert ids(page("ignore", bad).json()) == everything[:5]
    assert ids(page("empty", bad).json()) == []


def test_a_cursor_of_another_account_or_of_a_file_is_bad(api, sandbox):
    sandbox.reset(SandboxConfig(accounts=2))
    first, second = sandbox.accounts
    other, own = sandbox.all_images(second)[0], sandbox.all_images(first)[0]
    for cursor in (other["id"], other["imageId"], own["fileID"], own["batchID"], "nonsense"):
        response = api.get("/images/", params={"account": first, "lastImageId": cursor})
        assert response.status_code == 400


def test_a_cursor_may_have_been_deleted(api, sandbox):
    images = sandbox.all_images()
    api("DELETE", f"/images/{images[4]['imageId']}")
    page = api.get("/images/", params={"limit": 3, "lastImageId": images[4]["id"]}).json()
    assert ids(page) == [item["imageId"] for item in images[5:8]]


def test_the_largest_page(api, sandbox):
    sandbox.reset(SandboxConfig(images=500, page_cap=50))
    assert len(api.get("/images/", params={"limit": 400}).json()["images"]) == 50
    sandbox.reset(SandboxConfig(images=500, page_cap=50, over_cap="error"))
    assert api.get("/images/", params={"limit": 51}).status_code == 400
    assert len(api.get("/images/", params={"limit": 50}).json()["images"]) == 50


@pytest.mark.parametrize("limit", ["0", "-1", "ten", "1.5"])
def test_a_limit_that_is_no_count(api, limit):
    assert api.get("/images/", params={"limit": limit}).status_code == 400


@pytest.mark.parametrize("path", ["/images", "/images/"])
def test_the_slash_does_not_matter(api, path):
    assert len(api.get(path).json()["images"]) == 30


def test_an_empty_history(api, sandbox):
    sandbox.reset(SandboxConfig(images=0))
    page = {"images": [], "hasPre": False, "hasNext": False, "processing": False, "total": 0}
    assert api.get("/images/").json() == page
    sandbox.arrive(2)
    assert api.get("/images/").json()["total"] == 2


def test_arrivals_come_first_and_in_order(api, sandbox):
    before = [item["imageId"] for item in sandbox.all_images()]
    new = sandbox.arrive(2)
    page = api.get("/images/", params={"limit": 5}).json()
    assert ids(page) == new[::-1] + before[:3]
    times = [item["createTime"] for item in page["images"]]
    assert times == sorted(times, reverse=True)
