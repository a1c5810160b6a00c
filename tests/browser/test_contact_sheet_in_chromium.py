"""The contact sheet as a browser shows it. Run by hand: ``python -m pytest tests/browser``; needs Chromium."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_minimax.exporting import contact_sheet

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
]
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--virtual-time-budget=5000"),
    "--window-size=1400,1000",
)
HOSTILE = (
    "</script><script>document.title = 'ran'</script>",
    "<img src=x onerror=\"document.title = 'ran'\">",
    "<svg onload=\"document.title = 'ran'\">",
    "<a href=\"javascript:document.title = 'ran'\">",
    "\u2028document.title = 'ran'\u2029",
)


def image(number: int, prompt: str, **fields: Any) -> dict[str, Any]:
    return {
        "imageId": f"user:1-minimax:2-image:{number}", "desc": prompt, "statusLabel": "completed",
        "modelID": "image-01", "createTime": 1_742_173_334_234 + number, "aspectRatio": "1:1", "mediaPath": None,
    } | fields  # fmt: skip


def dom(folder: Path, rows: list[dict[str, Any]], *more: str) -> str:
    page = folder / "index.html"
    page.write_bytes(b"".join(contact_sheet.page(iter(rows), len(rows))))
    assert CHROMIUM is not None
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}", *more, "--dump-dom", page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout


def test_no_prompt_runs(tmp_path: Path) -> None:
    rows = [image(n, text, modelID=text, statusLabel=text, mediaPath=text) for n, text in enumerate(HOSTILE)]
    shown = dom(tmp_path, rows)
    assert "<title>Contact sheet</title>" in shown
    assert shown.count('class="card"') == len(HOSTILE)
    assert shown.count("<script") == 2
    assert "&lt;/script&gt;&lt;script&gt;document.title" in shown


def test_the_page_asks_no_other_host(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    log = tmp_path / "net.json"
    rows = [image(1, "<img src=https://example.com/x.png>", mediaPath="https://example.com/x.png")]
    dom(tmp_path, rows, f"--log-net-log={log}")
    # The browser itself asks its maker for updates, whatever the flags; the page asks for nothing.
    asked = set(re.findall(r'"url":"https?://([^/"]+)', log.read_text(errors="replace")))
    assert {host for host in asked if not host.endswith(("google.com", "googleapis.com"))} == set()


def test_ten_thousand_images_are_there_at_once(tmp_path: Path) -> None:
    rows = [image(number, f"a lamp, number {number}") for number in range(10_000)]
    started = time.monotonic()
    shown = dom(tmp_path, rows)
    assert "10,000 images" in shown
    # The first ones have a card; the others get theirs when they come into sight.
    assert 80 <= shown.count('class="card"') <= 400
    # A browser that starts takes a second or two of this.
    assert time.monotonic() - started < 20
