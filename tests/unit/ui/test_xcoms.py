"""What the gallery takes from the values of tasks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_minimax.export.contact_sheet import safe_json
from airflow_provider_minimax.ui.exports import Export, UnreadableError
from airflow_provider_minimax.ui.gallery import (
    MAX_SHOWN,
    NOTHING,
    Content,
    TaskKey,
    XCom,
    gather,
    read_cost,
    read_value,
)
from tests.support import image_id

TASK = TaskKey("dag", "run 1/+", "task", -1)
FILM = "user:1-minimax:2-video:7"
COMPACT = {
    "imageId": image_id(7),
    "desc": "a lamp",
    "status": 2,
    "modelID": "image-01",
    "url": "https://cdn.test/7.png",
}
ADDRESS, PROMPT, STATUS, ID, FACTS = 0, 1, 2, 6, 8


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        (COMPACT, [image_id(7)]),
        (json.dumps([COMPACT]), [image_id(7)]),
        ([[COMPACT], [{"videoId": FILM}]], [image_id(7), FILM]),
        (image_id(7), [image_id(7)]),
        ([image_id(7), "user:1-minimax:2-file:7", "text", ""], [image_id(7)]),
        ([{"id": FILM, "path": "/x/7.mp4", "sha256": "0" * 64}], [FILM]),
        ({"imageId": "7"}, []),
        ({"imageId": ["x"]}, []),
        ({"id": 7, "path": "/x"}, []),
        ([[[[COMPACT]]]], []),
        ("[" * 100_000, []),
        ('{"imageId"', []),
        (None, []),
        (7, []),
        (True, []),
    ],
)
def test_only_results_of_ours_are_shown(value: object, ids: list[str]) -> None:
    found = read_value(value)
    assert [job.get("imageId") or job.get("videoId") for job in found.jobs] == ids
    assert found.exports == []


@pytest.mark.parametrize(
    ("value", "folders"),
    [
        ({"path": "/exports", "manifest": "/etc/manifest.json", "images": 3}, ["/exports"]),
        ([{"path": "/a", "manifest": ""}, {"path": "/b", "manifest": "x"}], ["/a", "/b"]),
        ({"path": "/exports"}, []),
        ({"path": ["/exports"], "manifest": "x"}, []),
        ({"path": "/exports", "manifest": 7}, []),
        ([{"path": "/exports", "manifest": "x"}] * 1_000, ["/exports"] * 10),
        ({"path": "x" * 10**6, "manifest": "x"}, []),
    ],
)
def test_the_summary_of_an_export_names_its_folder(value: object, folders: list[str]) -> None:
    assert read_value(value).exports == folders


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"credits": 2, "jobs": ["a"]}, "2 credits"),
        ('{"credits": 0.5, "jobs": ["a", "b"]}', "0.5 credits for the 2 of this task"),
        ({"credits": None, "jobs": ["a"]}, "unknown"),
        ({"credits": True, "jobs": ["a"]}, "unknown"),
        ({"credits": -1, "jobs": ["a"]}, "unknown"),
        ({"credits": 10**400, "jobs": ["a"]}, "unknown"),
        ('{"credits": NaN, "jobs": ["a"]}', "unknown"),
        ({"credits": 2, "jobs": 3}, "None"),
        ("free", "None"),
        (None, "None"),
    ],
)
def test_the_cost_of_a_task_is_said(value: object, text: str) -> None:
    assert str(read_cost(value)) == text


def shown(*xcoms: XCom, export: Export | None = None, context: tuple[XCom, ...] = ()) -> Content:
    def read(path: str) -> Export:
        if export is None:
            raise UnreadableError(path)
        return export

    return gather(xcoms, read, lambda task: f"/gallery/{task.task_id}", context=context)


def test_a_file_of_an_export_is_preferred_to_the_link_of_the_service() -> None:
    summary = {"path": "/exports", "manifest": "x"}
    row = {**COMPACT, "mediaPath": "media/7-0123456789abcdef.png", "downloadURL": COMPACT["url"]}
    export = Export((row, {"imageId": image_id(8), "downloadURL": "https://cdn.test/8.png"}), 40, frozenset())
    download = [{"id": image_id(7), "path": "/files/7.png"}]
    content = shown(
        XCom(TASK, download), XCom(TASK, COMPACT, {"credits": 2, "jobs": ["a"]}), XCom(TASK, summary), export=export
    )
    first, second = content.rows
    assert first[ADDRESS] == "/gallery/task/media/7-0123456789abcdef.png"
    assert first[PROMPT] == "a lamp"
    assert first[FACTS] == {"Task": "task", "Cost": "2 credits", "Export": "/exports", "File": "/files/7.png"}
    assert second[ADDRESS] == "https://cdn.test/8.png"
    assert (content.total, content.kind, content.origins) == (40, "image", ["https://cdn.test"])
    assert content.data()["credits"] == 2


def test_a_task_that_knows_ids_only_shows_what_others_of_its_run_know() -> None:
    download = XCom(TASK, [{"id": image_id(7), "path": "/files/7.png"}])
    others = (XCom(TASK._replace(task_id="create"), [COMPACT, {**COMPACT, "imageId": image_id(8)}]),)
    ((address, prompt, *_, facts),) = shown(download, context=others).rows
    assert (address, prompt) == (COMPACT["url"], "a lamp")
    assert facts == {"Task": "task", "File": "/files/7.png"}


def test_a_task_that_waits_or_has_failed_shows_what_it_submitted() -> None:
    cost = {"credits": 3, "jobs": [image_id(7), image_id(8)]}
    create, wait = XCom(TASK, None, cost), XCom(TASK._replace(task_id="wait"), COMPACT)
    assert [row[STATUS] for row in shown(create).rows] == ["submitted", "submitted"]
    for xcoms in ((create, wait), (wait, create)):
        rows = {row[ID]: row for row in shown(*xcoms).rows}
        assert [rows[image_id(number)][STATUS] for number in (7, 8)] == ["completed", "submitted"]
        assert rows[image_id(7)][FACTS]["Cost"] == "3 credits for the 2 of this task"


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://cdn.test/x.png?a=1#b", "https://cdn.test"),
        ("http://127.0.0.1:8766/x.png", "http://127.0.0.1:8766"),
        ("https://user:pass@cdn.test:443/x", "https://cdn.test:443"),
        ("javascript:alert(1)", None),
        ("data:image/png,x", None),
        ("file:///etc/passwd", None),
        ("//cdn.test/x", None),
        ("/api/v2/connections", None),
        ("https://cdn.test;script-src */x", None),
        ("https://*/x", None),
        ("https://cdn.test 'unsafe-inline'/x", None),
        ("https://[::1/x", None),
        ("https://cdn.test:99999/x", None),
        ("https:///x", None),
        (["https://cdn.test"], None),
    ],
)  # fmt: skip
def test_an_address_is_a_plain_web_address_or_none(url: object, origin: str | None) -> None:
    content = shown(XCom(TASK, {**COMPACT, "url": url}))
    assert content.rows[0][ADDRESS] == (url if origin else None)
    assert content.origins == ([origin] if origin else [])


def test_the_folder_of_many_runs_counts_once() -> None:
    summary = {"path": "/sync", "manifest": "x"}
    runs = [XCom(TASK._replace(run_id=f"run {number}"), summary) for number in range(30)]
    export = Export(({**COMPACT, "downloadURL": COMPACT["url"]},), 40, frozenset())
    assert shown(*runs, export=export).total == 40


def test_a_page_of_many_hosts_has_short_headers() -> None:
    hosts = [f"https://cdn-{number}.test" for number in range(30)]
    jobs = [{**COMPACT, "imageId": image_id(number), "url": f"{host}/x.png"} for number, host in enumerate(hosts)]
    content = shown(XCom(TASK, [*jobs, {**COMPACT, "url": f"https://{'x' * 5_000}.test/x.png"}]))
    assert sorted(content.origins) == sorted(hosts[:10])
    assert [row[ADDRESS] for row in content.rows][:30] == [job["url"] for job in jobs]


def test_of_many_exports_out_of_reach_a_few_are_named() -> None:
    lost = [XCom(TASK, {"path": f"/{number // 2}", "manifest": "x"}) for number in range(60)]
    *named, rest = shown(*lost).notes
    assert [note.split()[3] for note in named] == ["/0", "/1", "/2", "/3", "/4"]
    assert rest.startswith("25 more exports cannot be read here")


def test_an_export_out_of_reach_is_named() -> None:
    content = shown(XCom(TASK, {"path": "/etc", "manifest": "/etc/manifest.json"}))
    assert content.rows == []
    assert len(content.notes) == 1
    assert "/etc" in content.notes[0]
    assert "empty" not in content.data()


def test_a_task_of_another_kind_says_what_would_be_shown() -> None:
    assert shown(XCom(TASK, {"rows": 7})).data()["empty"] == shown().data()["empty"] == NOTHING


def test_a_page_is_bounded() -> None:
    content = shown(
        XCom(TASK, [{**COMPACT, "imageId": image_id(n), "desc": "x" * 10**5} for n in range(MAX_SHOWN + 5)])
    )
    assert (len(content.rows), content.total) == (MAX_SHOWN, MAX_SHOWN + 5)
    assert max(len(str(row[PROMPT])) for row in content.rows) == 5_000


@pytest.mark.parametrize("field", ["desc", "status", "statusLabel", "modelID", "createTime", "aspectRatio", "width"])
@pytest.mark.parametrize(
    "value", [None, [], {}, 10**400, "\ud83d", -1.5, True, {"x": ["y"]}, float("nan"), float("inf")], ids=repr
)
def test_a_field_may_hold_anything(field: str, value: Any) -> None:
    data = shown(XCom(TASK, {**COMPACT, field: value})).data()
    assert json.loads(safe_json(data))["rows"][0][ID] == image_id(7)
