"""The contact sheet of videos as a browser shows and plays it: ``make browser``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_minimax.api.kinds import VIDEOS
from airflow_provider_minimax.export import contact_sheet
from airflow_provider_minimax.operators.videos import MiniMaxExportVideosOperator
from airflow_provider_minimax.sandbox import Sandbox

pytestmark = pytest.mark.browser

POSTERS = "[...document.querySelectorAll('.card video')]"


@pytest.fixture
def exported(sandbox: Sandbox, tmp_path: Path) -> Path:
    """An export of 60 videos, of which some have failed."""
    sandbox.reset(replace(sandbox.config, videos=60))
    operator = MiniMaxExportVideosOperator(
        task_id="export", output_path=str(tmp_path), download_media=True, contact_sheet=True
    )
    MiniMaxExportVideosOperator.execute.__wrapped__(operator, {})  # type: ignore[attr-defined]
    return tmp_path


def test_posters_are_first_frames_and_a_video_plays(tab: Any, exported: Path) -> None:
    tab.open(exported / "index.html")
    tab.until(f"{POSTERS}.filter((video) => video.readyState >= 2).length > 5")
    assert tab.run(f"{POSTERS}.every((video) => video.paused && video.muted)")
    tab.picture(exported / "sheet.png")

    # As a person does it: without a key or a click of theirs, a browser plays no sound.
    tab.run("document.querySelector('.card:has(video)').focus()")
    tab.press("Enter", "\r")
    tab.until("document.querySelector('#stage video').currentTime > 0.2")
    assert tab.run("document.querySelector('#stage video').controls")
    tab.picture(exported / "playing.png")
    first = tab.run("document.querySelector('#stage video').src")
    tab.press("ArrowRight")
    tab.until("$('place').textContent.startsWith('2 of')")
    assert tab.run("document.querySelectorAll('#stage video').length") <= 1
    assert tab.run("document.querySelector('#stage video')?.src") != first
    tab.press("Escape")
    tab.until("!$('view').open && document.querySelector('#stage video') === null")
    assert tab.complaints == []
    # The player brings its own icons, as data.
    assert not [url for url in tab.requests if not url.startswith(("file:", "data:image/svg+xml"))]


def test_the_page_speaks_of_videos(tab: Any, exported: Path) -> None:
    tab.open(exported / "index.html")
    assert tab.run("$('sum').textContent").startswith("60 videos")
    # Without the script, which knows both words.
    assert "image" not in tab.run("document.querySelector('header').innerText + $('view').outerHTML").lower()
    tab.run("$('find').value = 'no such thing'; choose()")
    assert tab.run("$('none').innerText") == "No video matches."


def test_far_from_the_window_no_poster_holds_its_file(tab: Any, exported: Path) -> None:
    tab.size(700, 500)
    tab.open(exported / "index.html")
    tab.until(f"{POSTERS}.some((video) => video.readyState >= 2)")
    assert tab.run(f"{POSTERS}.filter((video) => video.src).length") < 30
    tab.run(f"{POSTERS}[0].id = 'first'; scrollTo(0, 1e9)")
    tab.until("!$('first').src")
    tab.until(f"{POSTERS}.at(-1).readyState >= 2")
    tab.run("scrollTo(0, 0)")
    tab.until("$('first').readyState >= 2")
    assert tab.complaints == []


def test_a_video_that_is_missing_or_cannot_be_played_says_so(tab: Any, tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "2-0123456789abcdef.mp4").write_bytes(b"no video at all")
    rows = [
        {"videoId": str(n), "desc": "a lamp", "status": 2, "mediaPath": f"media/{n}-0123456789abcdef.mp4"}
        for n in (1, 2)
    ]
    page = tmp_path / "index.html"
    page.write_bytes(b"".join(contact_sheet.page(iter(rows), len(rows), VIDEOS)))
    tab.open(page)
    tab.until("document.querySelectorAll('.card .hole').length === 2")
    assert "cannot be played" in tab.run("document.querySelector('.card .hole').textContent")


@pytest.mark.parametrize("width", [390, 1300])
def test_nothing_overflows(tab: Any, exported: Path, width: int) -> None:
    tab.size(width, 800, is_phone=width < 500)
    tab.open(exported / "index.html")
    assert tab.run("document.documentElement.scrollWidth <= innerWidth")
    tab.run("document.querySelector('.card:has(video)').click()")
    tab.until("document.querySelector('#stage video').readyState >= 2")
    assert tab.run("document.querySelector('#stage video').getBoundingClientRect().right <= innerWidth")
    tab.picture(exported / f"phone-{width}.png")
