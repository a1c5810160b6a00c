"""The gallery in Airflow's API server: who sees what, and how it is sent."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from starlette.routing import Mount

from airflow_provider_minimax.operators.files import MiniMaxDownloadOperator
from airflow_provider_minimax.operators.images import MiniMaxCreateImageOperator, MiniMaxExportImagesOperator
from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.ui import app as ours
from airflow_provider_minimax.ui.app import MAX_READERS, MAX_VALUE_BYTES
from airflow_provider_minimax.ui.exports import Export, UnreadableError
from airflow_provider_minimax.ui.gallery import NOTHING
from airflow_provider_minimax.ui.plugin import URL_PREFIX, MiniMaxPlugin
from tests.conftest import CONFIG
from tests.integration.dags import run
from tests.support import connect

PROMPT = "</script><script>alert(1)</script> a lamp"
USERS = {"reader": "viewer", "stranger": ""}


class Made(NamedTuple):
    """What a finished run has made."""

    page: str
    folder: Path
    image_ids: list[str]
    service: str


@pytest.fixture(scope="module")
def made(_server: Sandbox, airflow_db: None, tmp_path_factory: pytest.TempPathFactory) -> Made:
    _server.reset(CONFIG)
    folder = tmp_path_factory.mktemp("exports")

    def build() -> None:
        create = MiniMaxCreateImageOperator(task_id="create", prompt=PROMPT, quantity=2, poke_interval=1)
        export = MiniMaxExportImagesOperator(
            task_id="export", output_path=str(folder), download_media=True, max_images=9
        )
        download = MiniMaxDownloadOperator(task_id="download", ids=create.output, output_path=f"{folder}-files")
        create >> [export, download]

    with pytest.MonkeyPatch.context() as patch:
        connect(patch, _server.url, _server.token)
        finished = run("gallery_app", build)
    assert finished.state == "success"
    page = f"{URL_PREFIX}/gallery/dags/gallery_app/runs/{quote(finished._run.run_id, safe='')}"
    image_ids = [image["imageId"] for image in finished.xcom("create")]
    image_ids = [image["imageId"] for image in finished.xcom("create")]
    return Made(page, folder, image_ids, _server.url.removesuffix("/v1/minimax"))


@pytest.fixture(scope="module")
def app(airflow_db: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Airflow's own API server with the app of the plugin, and users that it knows."""
    from airflow.api_fastapi.app import create_app, purge_cached_app

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS", "False")
        users = ",".join(f"{name}:{role}" for name, role in USERS.items())
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", users)
        passwords = tmp_path_factory.mktemp("users") / "passwords.json"
        passwords.write_text(json.dumps({name: name for name in USERS}))
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE", str(passwords))
        purge_cached_app()
        app = create_app(apps="core")
        (found,) = MiniMaxPlugin().fastapi_apps or pytest.skip("This Airflow knows its users by no cookie.")
        # Airflow's last route takes all that is left.
        app.router.routes.insert(0, Mount(found["url_prefix"], found["app"]))
        yield app
        purge_cached_app()


def client_of(app: Any, user: str | None) -> TestClient:
    client = TestClient(app)
    if user is not None:
        response = client.post("/auth/token", json={"username": user, "password": user})
        client.cookies.set("_token", response.json()["access_token"])
    return client


@pytest.fixture
def reader(app: Any) -> TestClient:
    return client_of(app, "reader")


def data(page: str) -> dict[str, Any]:
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert match
    found: dict[str, Any] = json.loads(match[1])
    return found


def ids(client: TestClient, page: str) -> list[str]:
    response = client.get(page)
    assert response.status_code == 200, response.text
    return [row[6] for row in data(response.text)["rows"]]


def test_a_task_shows_what_it_made(reader: TestClient, made: Made) -> None:
    assert sorted(ids(reader, f"{made.page}/tasks/create/{{MAP_INDEX}}")) == sorted(made.image_ids)
    assert sorted(ids(reader, f"{made.page}/tasks/download/-1")) == sorted(made.image_ids)
    assert len(ids(reader, f"{made.page}/tasks/export/-1")) == 9
    assert ids(reader, f"{made.page}/tasks/create/7") == []
    (row, _) = data(reader.get(f"{made.page}/tasks/download/-1").text)["rows"]
    assert row[0].startswith(made.service)
    assert row[1] == PROMPT


def test_a_run_shows_each_image_once_with_all_that_is_known(reader: TestClient, made: Made) -> None:
    rows = {row[6]: row for row in data(reader.get(made.page).text)["rows"]}
    assert len(rows) == 9
    address, prompt, *_, facts = rows[made.image_ids[0]]
    assert prompt == PROMPT
    assert address.startswith(f"{made.page}/tasks/export/-1/media/")
    assert set(facts) == {"Task", "Cost", "Export", "File"}
    assert made.image_ids[0] in ids(reader, f"{URL_PREFIX}/gallery")


@pytest.mark.parametrize(("user", "status"), [(None, 401), ("stranger", 403), ("reader", 200)])
def test_only_who_may_read_the_xcoms_of_the_dag_sees_it(
    app: Any, made: Made, reader: TestClient, user: str | None, status: int
) -> None:
    client = client_of(app, user)
    (address, *_), *_ = data(reader.get(f"{made.page}/tasks/export/-1").text)["rows"]
    for page in (made.page, f"{made.page}/tasks/create/-1", f"{made.page}/tasks/no-such/-1", address):
        expected = 200 if "no-such" in page and status == 200 else status
        response = client.get(page)
        assert response.status_code == expected, page
        if status != 200:
            assert not any(one in response.text for one in (*made.image_ids, "lamp"))
    # The page of all DAGs shows those that the user may read.
    latest = client.get(f"{URL_PREFIX}/gallery")
    assert latest.status_code == (401 if user is None else 200)
    assert (made.image_ids[0] in latest.text) is (user == "reader")


def test_a_token_in_the_address_is_no_token(app: Any, made: Made, reader: TestClient) -> None:
    token = reader.cookies["_token"]
    assert client_of(app, None).get(made.page, params={"token": token, "access_token": token}).status_code == 401


def test_nothing_on_the_page_runs_but_its_own_script(reader: TestClient, made: Made) -> None:
    response = reader.get(f"{made.page}/tasks/create/-1")
    policy = dict(part.strip().split(" ", 1) for part in response.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["frame-ancestors"] == "'self'"
    assert policy["img-src"] == policy["media-src"] == f"'self' {made.service}"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "private, no-store"
    assert response.text.count("<script") == 2
    assert "<style" not in response.text
    assets = re.findall(r'(?:href|src)="([^"]+)"', response.text)
    kinds = [reader.get(asset).headers["Content-Type"].partition(";")[0] for asset in assets]
    assert kinds == ["text/css", "text/javascript"]


def test_a_title_is_text(reader: TestClient, made: Made) -> None:
    page = reader.get(f"{made.page}/tasks/{quote('<b>{{foot}}', safe='')}/-1").text
    assert NOTHING in page
    assert "<title>&lt;b&gt;{{foot}}</title>" in page


@pytest.mark.parametrize(
    ("wanted", "status", "start", "end"),
    [
        (None, 200, 0, None), ("bytes=0-", 206, 0, None), ("bytes=5-9", 206, 5, 10), ("bytes=-7", 206, -7, None),
        ("bytes=5-99999999", 206, 5, None), ("bytes=-", 200, 0, None), ("lines=1-2", 200, 0, None),
        ("bytes=9-5", 416, 0, 0), ("bytes=99999999-", 416, 0, 0), ("bytes=0-1,4-5", 200, 0, None),
    ],
)  # fmt: skip
def test_a_file_is_sent_whole_or_in_part(
    reader: TestClient, made: Made, wanted: str | None, status: int, start: int, end: int | None
) -> None:
    (address, *_), *_ = [row for row in data(reader.get(f"{made.page}/tasks/export/-1").text)["rows"] if row[0]]
    body = (made.folder / "media" / address.rpartition("/")[2]).read_bytes()
    response = reader.get(address, headers={"Range": wanted} if wanted else {})
    assert response.status_code == status
    if status == 416:
        assert response.headers["Content-Range"] == f"bytes */{len(body)}"
        return
    assert response.content == body[start:end]
    assert response.headers["Content-Length"] == str(len(body[start:end]))
    assert response.headers["Content-Type"] == "image/png"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


@pytest.mark.parametrize(
    "name",
    ["manifest.json", "..%2Fmanifest.json", "..%2F..%2F..%2F..%2Fetc%2Fpasswd", "%2Fetc%2Fpasswd", "x%00.png",
     "no-0123456789abcdef.png"],
)  # fmt: skip
def test_no_other_file_is_sent(reader: TestClient, made: Made, name: str) -> None:
    response = reader.get(f"{made.page}/tasks/export/-1/media/{name}")
    assert response.status_code == 404
    assert "root:" not in response.text


def test_the_files_of_one_task_are_not_those_of_another(reader: TestClient, made: Made) -> None:
    (address, *_), *_ = [row for row in data(reader.get(f"{made.page}/tasks/export/-1").text)["rows"] if row[0]]
    assert reader.get(address).status_code == 200
    assert reader.get(address.replace("/export/", "/create/")).status_code == 404


def test_the_app_has_no_other_addresses(reader: TestClient) -> None:
    for path in ("docs", "redoc", "openapi.json", "assets/contact_sheet.py", "assets/..%2Fmanifest.py"):
        response = reader.get(f"{URL_PREFIX}/{path}")
        assert response.status_code == 404 or "swagger" not in response.text.lower()
        assert "def " not in response.text


def test_a_value_too_large_to_be_ours_is_not_read(reader: TestClient, made: Made) -> None:
    page = f"{made.page}/tasks/download/-1"
    of_download = (XComModel.dag_id == "gallery_app", XComModel.task_id == "download", XComModel.key == "return_value")
    with create_session() as session:
        (before,) = session.scalars(select(XComModel.value).where(*of_download))
        files = json.loads(before) if isinstance(before, str) else before
        session.execute(update(XComModel).where(*of_download).values(value=[*files, "x" * MAX_VALUE_BYTES]))
    try:
        bare = data(reader.get(page).text)["rows"]
        assert [row for row in bare if "File" in row[8]] == []
    finally:
        with create_session() as session:
            session.execute(update(XComModel).where(*of_download).values(value=before))
    assert sorted(ids(reader, page)) == sorted(made.image_ids)


def test_a_storage_that_hangs_leaves_the_api_server_its_threads(
    app: Any, reader: TestClient, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, freed = threading.Semaphore(0), threading.Event()
    begun: list[str] = []

    def hang(path: str) -> Export:
        begun.append(path)
        reading.release()
        freed.wait(30)
        raise UnreadableError(path)

    monkeypatch.setattr(ours, "read_export", hang)
    # Twice as many as there are threads; all on one event loop.
    with TestClient(app, cookies=dict(reader.cookies)) as client, ThreadPoolExecutor(80) as browsers:
        pages = [browsers.submit(client.get, f"{made.page}/tasks/export/-1") for _ in range(80)]
        assert all(reading.acquire(timeout=60) for _ in range(MAX_READERS))
        assert client.get("/api/v2/dags").status_code == 200
        assert len(begun) == MAX_READERS
        freed.set()
        assert {page.result().status_code for page in pages} == {200}


# The plugin


def test_airflow_finds_the_plugin_and_accepts_its_views() -> None:
    from airflow.api_fastapi.core_api.datamodels.plugins import ExternalViewResponse
    from airflow.plugins_manager import is_valid_plugin

    assert is_valid_plugin(MiniMaxPlugin)
    plugin = MiniMaxPlugin()
    assert len(plugin.external_views) == 3 * len(plugin.fastapi_apps)
    if not plugin.fastapi_apps:
        pytest.skip("This Airflow knows its users by no cookie.")
    views = [ExternalViewResponse.model_validate(view) for view in plugin.external_views]
    assert [view.destination for view in views] == ["nav", "dag_run", "task_instance"]
    assert len({view.url_route for view in views}) == 3


def test_the_switch_turns_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__MINIMAX__GALLERY", "False")
    plugin = MiniMaxPlugin()
    assert plugin.fastapi_apps == plugin.external_views == []


def test_a_worker_that_loads_the_plugin_imports_no_web_framework() -> None:
    probe = (
        "import sys\n"
        "import airflow.plugins_manager\n"
        "import airflow.sdk\n"
        "before = set(sys.modules)\n"
        "from airflow_provider_minimax.ui.plugin import MiniMaxPlugin\n"
        "MiniMaxPlugin().macros, MiniMaxPlugin().listeners\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    loaded = subprocess.run([sys.executable, "-c", probe], capture_output=True, check=True, text=True).stdout.split()
    heavy = {"fastapi", "starlette", "requests", "urllib3", "pyarrow", "sqlalchemy", "uvicorn"}
    assert heavy.isdisjoint(name.partition(".")[0] for name in loaded)
    assert len([name for name in loaded if name.startswith("airflow_provider_minimax")]) <= 5
