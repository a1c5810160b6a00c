"""The sandbox responds as the vendor's pages say."""

from __future__ import annotations

import subprocess
import sys

import pytest
import requests

from airflow_provider_minimax.sandbox import SandboxConfig

#: Keys of an item in the vendor's sample of GET /images, in its order.
ITEM_KEYS = [
    "id",
    "desc",
    "coverURL",
    "videoURL",
    "status",
    "canRetry",
    "width",
    "height",
    "originFiles",
    "canAppeal",
    "downloadURL",
    "hasVoice",
    "modelID",
    "useOriginPrompt",
    "isBookmarked",
    "disableGenerateSimilar",
    "createTime",
    "postStatus",
    "userID",
    "createType",
    "promptImgURL",
    "extra",
    "isVisitor",
    "videoURLs",
    "priority",
    "generatorType",
    "isInFolder",
    "batchID",
    "aspectRatio",
    "fileID",
    "tags",
    "duration",
    "resolution",
    "humanCheckStatus",
    "userIDStr",
    "statusLabel",
    "statusFinal",
    "imageId",
]
LABELS = {2: "completed", 3: "failed", 5: "moderated", 7: "moderated", 14: "moderated"}


@pytest.mark.parametrize("path", ["/images/", "/accounts", "/videos/create", "/features/", "/nowhere"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer user:1000-other"}, {"Authorization": "x"}])
def test_without_the_token_everything_is_401(sandbox, path, headers):
    response = requests.get(sandbox.base_url + path, headers=headers, timeout=10)
    assert (response.status_code, response.json()) == (401, {"error": "Unauthorized", "code": 401})


def test_a_page_has_every_field_of_the_vendors_sample(api, sandbox):
    page = api.get("/images/").json()
    assert list(page) == ["images", "hasPre", "hasNext", "processing", "total"]
    assert (len(page["images"]), page["hasPre"], page["hasNext"], page["processing"]) == (30, False, True, False)
    assert page["total"] == 60
    account = sandbox.accounts[0]
    for item in page["images"]:
        done = item["status"] == 2
        assert item.keys() <= set(ITEM_KEYS)
        assert set(ITEM_KEYS) - item.keys() <= {"coverURL", "videoURL", "downloadURL"}
        assert bool(item.get("downloadURL")) == bool(item.get("videoURL")) == done
        if done:
            assert list(item) == ITEM_KEYS
        assert item["imageId"] == f"user:1000-minimax:{account}-image:{item['id']}"
        assert item["fileID"].startswith(f"user:1000-minimax:{account}-file:")
        assert (item["statusLabel"], item["statusFinal"]) == (LABELS[item["status"]], True)
        assert item["userIDStr"] == account == str(item["userID"])
        assert int(float(item["userID"])) != item["userID"] > 2**53
        assert (item["width"], item["height"]) == (0, 0)


def test_the_history_is_varied(sandbox):
    images = sandbox.all_images()
    assert len({item["imageId"] for item in images}) == len(images) == 60
    times = [item["createTime"] for item in images]
    assert times == sorted(times, reverse=True)
    assert 5 < (times[0] - times[-1]) / 86_400_000 < 7
    assert {item["status"] for item in images} == {2, 3, 5, 7, 14}
    assert sum(item["status"] == 2 for item in images) > 45
    batches: dict[str, list[dict[str, object]]] = {}
    for item in images:
        batches.setdefault(item["batchID"], []).append(item)
    assert {len(batch) for batch in batches.values()} == {1, 2, 3, 4}
    assert all(len({(i["createTime"], i["desc"], i["modelID"]) for i in batch}) == 1 for batch in batches.values())
    prompts = "".join({item["desc"] for item in images})
    assert all(part in prompts for part in ("東京", "\n", "🦊", '"Open"', "<script>", "=HYPERLINK"))
    assert max(len(item["desc"]) for item in images) > 1500
    # Ids say nothing about time.
    assert [item["id"] for item in images] != sorted((item["id"] for item in images), reverse=True)


def test_the_history_depends_on_the_seed_and_on_nothing_else(sandbox):
    def history(**options):
        sandbox.reset(SandboxConfig(history_end=1_742_000_000_000, **options))
        return sandbox.all_images()

    first = history()
    assert first == history()
    assert first != history(seed=2)
    assert first[0]["createTime"] <= 1_742_000_000_000


def test_an_image_by_id_is_the_same_object(api, sandbox):
    sandbox.reset(SandboxConfig(images=200_000))
    item = api.get("/images/", params={"limit": 3}).json()["images"][2]
    assert api.get(f"/images/{item['imageId']}").json() == item


def test_a_deleted_image_leaves_the_list_and_is_still_found(api, sandbox):
    item = sandbox.all_images()[0]
    for _ in range(2):
        assert api("DELETE", f"/images/{item['imageId']}").status_code == 200
    page = api.get("/images/").json()
    assert item["imageId"] not in {other["imageId"] for other in page["images"]}
    assert page["total"] == 59
    assert api.get(f"/images/{item['imageId']}").json() == item
    assert api("DELETE", "/images/unknown").status_code == 200


@pytest.mark.parametrize(
    "image_id",
    [
        "unknown",
        "384729105837264951",
        "user:1000-minimax:384729105837264951-image:100000000000000000",
        "user:1000-minimax:1-image:197190149658949148",
        "user:7-minimax:384729105837264951-image:197190149658949148",
    ],
)
def test_an_unknown_image_is_404(api, image_id):
    response = api.get(f"/images/{image_id}")
    assert (response.status_code, response.json()) == (404, {"error": "Not found.", "code": 404})


def test_ids_match_raw_only(api, sandbox):
    image_id = sandbox.all_images()[0]["imageId"]
    assert api.get(f"/images/{image_id}").status_code == 200
    assert api.get(f"/images/{image_id.replace(':', '%3A')}").status_code == 404


def test_a_lone_surrogate_travels_as_an_escape(api, sandbox):
    sandbox.reset(SandboxConfig(surrogate_at=1))
    response = api.get("/images/", params={"limit": 3})
    assert response.content.count(b"\\ud83d") == 1
    assert response.json()["images"][1]["desc"].endswith("\ud83d")


def test_models_may_be_listed_under_their_upstream_names(sandbox):
    def models(account=0, **options):
        sandbox.reset(SandboxConfig(accounts=2, history_end=1_742_000_000_000, **options))
        return [item["modelID"] for item in sandbox.all_images(sandbox.accounts[account])]

    upstream = {
        "nano-banana-2": "nano_banana21_flash",
        "nano-banana-pro": "nano-banana2",
        "midjourney-v7": "mj_v7",
        "midjourney-niji7": "mj_niji7",
    }
    plain = [models(account, upstream_model_names=False) for account in (0, 1)]
    listed = [[upstream.get(model, model) for model in names] for names in plain]
    assert upstream.keys() < set(plain[0])
    assert [models(0), models(1)] == listed
    assert [models(account, upstream_model_names=(1,)) for account in (0, 1)] == [plain[0], listed[1]]


# Accounts


@pytest.mark.parametrize("path", ["/images/", "/videos/", "/features/", "/files/"])
def test_the_account_is_required_when_there_are_several(api, sandbox, path):
    assert api.get(path).status_code == 200
    assert api.get(path, params={"account": "1"}).status_code == 400
    sandbox.reset(SandboxConfig(accounts=2))
    refused = api.get(path)
    assert (refused.status_code, refused.json()["code"]) == (400, 400)
    for account in sandbox.accounts:
        assert api.get(path, params={"account": account}).status_code == 200
    sandbox.reset(SandboxConfig(accounts=0))
    assert api.get(path).status_code == 400
    assert api.get("/accounts").json() == {}


def test_accounts_show_their_health_and_a_masked_session(api, sandbox):
    sandbox.reset(SandboxConfig(accounts=2, accounts_in_error=(1,)))
    good, broken = sandbox.accounts
    response = api.get("/accounts").json()
    assert list(response) == [good, broken]
    assert "error" not in response[good]
    assert response[broken]["error"]
    assert "…" in response[good]["jwt"]["token"]
    assert api.get(f"/accounts/{good}").json() == response[good]
    assert api.get("/accounts/1").status_code == 404
    assert api.post("/images/create", {"prompt": "x", "account": broken}).status_code == 596
    sandbox.set_account_error(None, broken)
    assert api.post("/images/create", {"prompt": "x", "account": broken}).status_code == 200


def test_creates_cost_credits(api, sandbox):
    sandbox.reset(SandboxConfig(accounts=2, credits=27, accounts_without_credits=(1,)))
    rich, poor = sandbox.accounts
    assert api.post("/images/create", {"prompt": "x", "quantity": 2, "account": rich}).status_code == 200
    assert api.post("/videos/create", {"prompt": "x", "account": rich}).status_code == 200
    features = api.get("/features/", params={"account": rich}).json()
    assert features["totalCredits"] == features["creditExpireText"][0]["credit"] == 0
    for account in (rich, poor):
        assert api.post("/images/create", {"prompt": "x", "account": account}).status_code == 412
    assert sandbox.stats.credits_spent == 27
    assert sandbox.stats.creates == {"images": 2, "videos": 1}


# Create


def test_new_images_come_first(api, sandbox):
    body = {"prompt": "a fox", "quantity": 3, "model": "some-new-model", "aspectRatio": "9:16"}
    response = api.post("/images/create", body).json()
    assert list(response) == ["imageIds"]
    head = api.get("/images/", params={"limit": 4}).json()
    assert head["total"] == 63
    assert [item["imageId"] for item in head["images"][:3]] == response["imageIds"][::-1]
    made = head["images"][:3]
    assert {(item["modelID"], item["desc"], item["aspectRatio"]) for item in made} == {
        ("some-new-model", "a fox", "9:16")
    }
    assert len({item["batchID"] for item in made}) == 1 != len({item["batchID"] for item in head["images"]})


def test_a_create_may_be_a_form(api):
    form = {"prompt": (None, "a fox"), "quantity": (None, "2")}
    assert len(api("POST", "/images/create", files=form).json()["imageIds"]) == 2


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"prompt": ""}, 400),
        ({"prompt": 5}, 400),
        ({"prompt": "x", "quantity": 5}, 400),
        ({"prompt": "x", "quantity": "two"}, 400),
        ({"prompt": "x", "quality": "high"}, 400),
        ({"prompt": "x", "replyRef": "r" * 1025}, 400),
        ({"prompt": "x", "characterFileId": "user:1000-minimax:1-file:1"}, 400),
        ({"prompt": "a moderated-prompt"}, 422),
        (["prompt"], 400),
    ],
)
def test_a_create_that_is_refused_creates_nothing(api, sandbox, body, status):
    response = api.post("/images/create", body)
    assert (response.status_code, response.json()["code"]) == (status, status)
    assert sandbox.stats.creates == {}
    assert sandbox.stats.credits_spent == 0


def test_midjourney_always_makes_four(api):
    assert len(api.post("/images/create", {"prompt": "x", "model": "midjourney-v7"}).json()["imageIds"]) == 4


def test_files_are_sent_raw_and_belong_to_an_account(api, sandbox):
    sandbox.reset(SandboxConfig(accounts=2, step_seconds=0))
    first, second = sandbox.accounts

    def upload(body=b"png", kind="image/png"):
        return api("POST", "/files/", params={"account": first}, data=body, headers={"Content-Type": kind})

    uploaded = upload().json()
    assert list(uploaded) == ["ossPath", "fileID"]
    assert upload(kind="application/json").status_code == 400
    assert upload(body=b"").status_code == 400
    file_id = uploaded["fileID"]
    image_file = sandbox.all_images(first)[0]["fileID"]
    for usable in (file_id, image_file):
        assert api.post("/videos/create", {"fileID": usable, "account": first}).status_code == 200
        assert api.post("/videos/create", {"fileID": usable, "account": second}).status_code == 400
    assert api("DELETE", f"/files/{file_id}").status_code == 200
    assert api.post("/videos/create", {"fileID": file_id, "account": first}).status_code == 400


def test_importing_the_sandbox_imports_neither_airflow_nor_the_rest_of_the_package():
    code = (
        "import sys, airflow_provider_minimax.sandbox; "
        "print([m for m in sys.modules if m.split('.')[0] == 'airflow' or m.startswith('airflow_provider_minimax.') "
        "and not m.startswith('airflow_provider_minimax.sandbox')])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
