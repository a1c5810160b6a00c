"""The contact sheet as a browser shows it: ``make browser``."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_minimax.export import contact_sheet
from airflow_provider_minimax.sandbox import Sandbox
from tests.support import export_to

pytestmark = pytest.mark.browser

HOSTILE = (
    "</script><script>document.title = 'ran'</script>",
    "<img src=x onerror=\"document.title = 'ran'\">",
    '<img src="https://example.com/x.png">',
    "<svg onload=\"document.title = 'ran'\">",
    "<a href=\"javascript:document.title = 'ran'\">",
    "<style>@import 'https://example.com/x.css'</style>",
    "\u2028document.title = 'ran'\u2029",
    "__proto__",
)
ADDRESSES = ("https://example.com/x.png", "//example.com/share/x.png", "../../../../etc/hostname", "data:image/png,x")


def image(number: int, prompt: str, **fields: Any) -> dict[str, Any]:
    return {
        "imageId": f"user:1-minimax:2-image:{number}", "desc": prompt, "statusLabel": "completed",
        "modelID": "image-01", "createTime": 1_742_173_334_234 + number, "aspectRatio": "9:16", "mediaPath": None,
    } | fields  # fmt: skip


def sheet(folder: Path, rows: list[dict[str, Any]]) -> Path:
    page = folder / "index.html"
    page.write_bytes(b"".join(contact_sheet.page(iter(rows), len(rows))))
    return page


def cards(tab: Any) -> list[str]:
    """The prompts that are shown."""
    found: list[str] = tab.run("[...document.querySelectorAll('.card .text')].map((text) => text.textContent)")
    return found


def chip(tab: Any, name: str) -> None:
    tab.run(
        f"[...document.querySelectorAll('#chips button')].find((one) => one.textContent.includes('{name}')).click()"
    )


@pytest.fixture
def three(tab: Any, tmp_path: Path) -> Any:
    rows = [image(1, "a red lamp"), image(2, "a blue lamp", statusLabel="failed"), image(3, "a fox", modelID="other-2")]
    tab.open(sheet(tmp_path, rows))
    return tab


# What there is to see


def test_the_pictures_of_an_export_are_shown(tab: Any, sandbox: Sandbox, tmp_path: Path) -> None:
    files = export_to(str(tmp_path), download_media=True, contact_sheet=True)["media_files"]
    tab.open(tmp_path / "index.html")
    for _ in range(20):
        tab.run("scrollBy(0, innerHeight)")
    tab.run("document.querySelectorAll('.card img').forEach((image) => image.loading = 'eager')")
    tab.until("[...document.images].every((image) => image.complete)")
    assert tab.run("[...document.images].filter((image) => image.naturalWidth > 0).length") == files > 40
    assert len(cards(tab)) == 60
    assert tab.complaints == []
    tab.picture(tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 20_000


def test_an_image_without_a_date_says_so(tab: Any, tmp_path: Path) -> None:
    tab.open(sheet(tmp_path, [image(1, "a lamp"), image(2, "a fox", createTime=2**53), image(3, "x", createTime=-1)]))
    metas = tab.run("[...document.querySelectorAll('.card .meta')].map((meta) => meta.textContent)")
    assert ["no date" in meta for meta in metas] == [False, True, True]
    assert "Mar" in metas[0]
    assert tab.complaints == []


def test_a_status_is_chosen_and_left_again(three: Any) -> None:
    chip(three, "failed")
    assert cards(three) == ["a blue lamp"]
    assert three.run("$('sum').textContent") == "1 of 3 images"
    assert three.run("[...document.querySelectorAll('[aria-pressed=true]')].map((one) => one.textContent)") == [
        "failed1"
    ]
    chip(three, "failed")
    assert len(cards(three)) == 3


def test_prompts_and_models_are_searched(three: Any) -> None:
    three.press("/")
    three.type("LAMP a")
    three.until("document.querySelectorAll('.card').length === 2")
    assert cards(three) == ["a red lamp", "a blue lamp"]
    chip(three, "failed")
    assert cards(three) == ["a blue lamp"]
    chip(three, "All")
    three.run("$('find').select()")
    three.type("other-2")
    three.until("document.querySelectorAll('.card').length === 1")
    assert cards(three) == ["a fox"]
    three.type("no such thing")
    three.until("!$('none').hidden")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("user:1-minimax:2-image:2", ["a blue lamp"]),
        ("image:3", ["a fox"]),
        ("21:9", ["a fox"]),
        ("2025-03-18", ["a blue lamp"]),
        ("Mar 2025 lamp", ["a red lamp", "a blue lamp"]),
        ("2024-03-17", []),
    ],
)
def test_ids_dates_and_ratios_are_searched(tab: Any, tmp_path: Path, words: str, found: list[str]) -> None:
    rows = [
        image(1, "a red lamp"),
        image(2, "a blue lamp", createTime=1_742_302_800_000),
        image(3, "a fox", aspectRatio="21:9", createTime=None),
    ]
    tab.open(sheet(tmp_path, rows))
    tab.run(f"$('find').value = {words!r}; choose()")
    assert cards(tab) == found


def test_an_id_in_the_address_opens_one_picture(tab: Any, tmp_path: Path) -> None:
    rows = [image(number, f"lamp {number}") for number in range(2_000)]
    page = sheet(tmp_path, rows)
    # Far below what is drawn at first.
    tab.go(f"{page.as_uri()}#{rows[1_500]['imageId']}")
    tab.until("document.getElementById('prompt')?.textContent === 'lamp 1500' && $('view').open")
    tab.press("ArrowRight")
    tab.until("$('prompt').textContent === 'lamp 1501'")
    # It names what is open, so that it can be sent to somebody.
    assert tab.run("decodeURIComponent(location.hash)") == f"#{rows[1_501]['imageId']}"
    tab.press("Escape")
    tab.until("!$('view').open && location.hash === ''")
    # Also where a search hides it.
    tab.run("$('find').value = 'lamp 7'; choose()")
    tab.run(f"location.hash = {rows[3]['imageId']!r}")
    tab.until("$('view').open && $('prompt').textContent === 'lamp 3'")
    assert tab.complaints == []


@pytest.mark.parametrize("fragment", ["", "no-such-id", "%", "__proto__", "<script>"])
def test_another_fragment_opens_nothing(tab: Any, tmp_path: Path, fragment: str) -> None:
    tab.go(f"{sheet(tmp_path, [image(1, 'a lamp')]).as_uri()}#{fragment}")
    tab.until("document.querySelectorAll('.card').length === 1")
    assert tab.run("$('view').open") is False
    assert tab.complaints == []


def test_the_title_names_the_export(tab: Any, sandbox: Sandbox, tmp_path: Path) -> None:
    export_to(tmp_path / "2026-11-26 <b>&{{foot}}", contact_sheet=True, max_images=3)
    tab.open(tmp_path / "2026-11-26 <b>&{{foot}}" / "index.html")
    expected = "2026-11-26 <b>&{{foot}}: contact sheet"
    assert tab.run("[document.title, document.querySelector('h1').textContent]") == [expected, expected]
    assert len(cards(tab)) == 3


def test_the_page_is_dark_where_the_system_is(three: Any) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    ink = "getComputedStyle(document.querySelector('.text')).color"
    light = (three.run(ground), three.run(ink))
    three.dark()
    assert brightness(light[0]) > 200 > 80 > brightness(light[1])
    assert brightness(three.run(ground)) < 80 < 200 < brightness(three.run(ink))


def brightness(colour: str) -> float:
    red, green, blue = map(int, colour.removeprefix("rgb(").removesuffix(")").split(","))
    return (red + green + blue) / 3


@pytest.mark.parametrize("width", [320, 390, 760, 1400, 3840])
def test_nothing_overflows(tab: Any, tmp_path: Path, width: int) -> None:
    rows = [
        image(number, "x" * 300, modelID="m" * 90, aspectRatio=ratio) for number, ratio in enumerate(("9:16", "21:9"))
    ]
    tab.size(width, 800)
    tab.open(sheet(tmp_path, rows))
    assert tab.run("document.documentElement.scrollWidth <= innerWidth")
    assert tab.run(
        "[...document.querySelectorAll('.card')].every((one) => one.getBoundingClientRect().right <= innerWidth)"
    )


# Hostile rows


def test_no_prompt_runs_and_no_host_gets_a_request(tab: Any, tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    rows = [image(n, text, modelID=text, statusLabel=text, mediaPath=text) for n, text in enumerate(HOSTILE)]
    rows += [image(n, "an address", mediaPath=text) for n, text in enumerate(ADDRESSES, 100)]
    page = sheet(tmp_path, rows)
    tab.open(page)
    assert cards(tab)[: len(HOSTILE)] == list(HOSTILE)
    for place in range(len(rows)):
        tab.run(f"document.querySelectorAll('.card')[{place}].click()")
        tab.run("$('view').close()")
    tab.run("$('find').value = '<script>'; choose()")
    assert tab.run("document.scripts.length") == 2
    assert tab.run("document.images.length") == 0
    time.sleep(0.2)
    assert tab.run("document.title") == "Contact sheet"
    assert set(tab.requests) == {page.as_uri()}
    assert tab.complaints == []


def test_the_policy_blocks_an_injected_script(three: Any) -> None:
    three.run("document.body.insertAdjacentHTML('beforeend', `<img src=x onerror=\"document.title = 'ran'\">`)")
    three.run("document.body.append(Object.assign(document.createElement('script'), {text: `document.title = 'ran'`}))")
    three.run("document.body.append(Object.assign(new Image(), {src: 'https://example.com/x.png'}))")
    three.until("[...document.images].every((image) => image.complete)")
    time.sleep(0.2)
    assert three.run("document.title") == "Contact sheet"
    assert len([text for text in three.complaints if "Content Security Policy" in text]) == 3


# Very many


@pytest.mark.parametrize("size", [(1400, 1000), (3840, 2160)])
def test_the_last_of_ten_thousand_images_is_reached(tab: Any, tmp_path: Path, size: tuple[int, int]) -> None:
    tab.size(*size)
    started = time.monotonic()
    tab.open(sheet(tmp_path, [image(number, f"lamp {number}") for number in range(10_000)]))
    tab.until("document.querySelectorAll('.card').length > 100")
    # It takes about a second; a busy machine, more.
    assert time.monotonic() - started < 15
    # More than the window holds: there is something to scroll to.
    tab.until("document.documentElement.scrollHeight > innerHeight + 500")
    assert len(cards(tab)) < 2_000
    frame = "new Promise((done) => { scrollTo(0, 1e9); requestAnimationFrame(() => setTimeout(done)) })"
    tab.until(f"{frame}.then(() => document.querySelectorAll('.card').length === 10000)", seconds=120)
    # Cards above it get their heights only when they are near, which moves it again.
    tab.until(
        "(() => { const last = [...document.querySelectorAll('.card')].at(-1); last.scrollIntoView();"
        " const box = last.getBoundingClientRect(); return box.top < innerHeight && box.bottom > 0 &&"
        " last.textContent.includes('lamp 9999') })()"
    )


def test_a_window_that_holds_more_than_a_batch_is_filled(tab: Any, tmp_path: Path) -> None:
    tab.size(5120, 2880)
    tab.open(sheet(tmp_path, [image(number, f"lamp {number}") for number in range(2_000)]))
    tab.until("document.documentElement.scrollHeight > 2 * innerHeight")
    tab.run("$('find').value = 'zzz'; choose()")
    tab.until("!$('none').hidden")
    tab.run("$('find').value = ''; choose()")
    tab.until("document.documentElement.scrollHeight > 2 * innerHeight")
    assert 480 <= len(cards(tab)) < 2_000


def test_a_search_through_ten_thousand_images_is_quick(tab: Any, tmp_path: Path) -> None:
    tab.size(3840, 2160)
    tab.open(sheet(tmp_path, [image(number, f"lamp {number}") for number in range(10_000)]))
    took = "start = performance.now(); $('find').value = '%s'; choose(); performance.now() - start"
    assert tab.run(took % "lamp 99") < 1_000
    assert tab.run(took % "zzz") < 1_000
    assert tab.run(took % "") < 1_000
    tab.until("document.documentElement.scrollHeight > innerHeight + 500")


# Without a mouse, without sight


def test_the_keyboard_opens_walks_and_returns(three: Any) -> None:
    three.run("document.querySelector('.card').focus()")
    three.press("Enter", "\r")
    three.until("$('view').open")
    assert three.run("[$('prompt').textContent, $('place').textContent, $('prev').disabled]") == [
        "a red lamp", "1 of 3", True,
    ]  # fmt: skip
    three.press("ArrowRight")
    three.press("ArrowRight")
    three.press("ArrowRight")
    assert three.run("[$('prompt').textContent, $('next').disabled]") == ["a fox", True]
    three.press("Escape")
    three.until("!$('view').open")
    three.until("document.activeElement.textContent.includes('a fox')")


def test_an_enlarged_picture_is_described_by_its_prompt(tab: Any, sandbox: Sandbox, tmp_path: Path) -> None:
    export_to(tmp_path, download_media=True, contact_sheet=True, max_images=20)
    tab.open(tmp_path / "index.html")
    tab.run("document.querySelector('.card:has(img)').click()")
    # On the card, the prompt stands below the picture.
    assert tab.run("document.querySelector('.card img').alt") == ""
    assert tab.run("document.querySelector('#stage img').alt === $('prompt').textContent")
    assert len(tab.run("document.querySelector('#stage img').alt")) > 3


def test_what_a_finger_touches_is_large_enough(tab: Any, tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    tab.call("Emulation.setTouchEmulationEnabled", enabled=True)
    # A tablet has no small window, and a phone has.
    for width in (390, 1024):
        tab.size(width, 844, is_phone=True)
        tab.open(sheet(tmp_path, [image(n, "a lamp", mediaPath=f"media/{n}-0123456789abcdef.png") for n in range(3)]))
        tab.run("document.querySelector('.card').click()")
        small = (
            "[...document.querySelectorAll('button, a, input')].filter((one) => one.checkVisibility())"
            ".filter((one) => Math.min(one.offsetHeight, one.offsetWidth) < 44).map((one) => one.outerHTML)"
        )
        assert tab.run(small) == []


def test_everything_that_can_be_used_has_a_name(three: Any) -> None:
    def controls() -> set[str]:
        nodes = three.call("Accessibility.getFullAXTree")["nodes"]
        roles = ("button", "searchbox", "link", "dialog")
        return {json.dumps(node["name"]["value"]) for node in nodes if node["role"]["value"] in roles}

    three.call("Accessibility.enable")
    names = controls()
    assert any("a blue lamp" in name and "failed" in name for name in names)
    assert '"Search prompts and models"' in names
    three.run("document.querySelectorAll('.card')[1].click()")
    assert {'"Close"', '"Previous image"', '"Next image"', '"Image"'} <= controls()
    assert '""' not in names | controls()
    assert three.run("document.documentElement.lang") == "en"
