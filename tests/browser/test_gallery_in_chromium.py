"""The gallery as Airflow shows it in a browser: ``make browser``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.ui.gallery import NOTHING
from scripts.airflow_api import LIMIT
from scripts.running_airflow import ENDED, RunningAirflow, until
from tests.conftest import CONFIG

pytestmark = pytest.mark.browser

PROMPT = "<img src=x onerror=\"document.title = 'ran'\"> a lighthouse made of paper </script>"
#: The document of the gallery, in its frame.
PAGE = "document.querySelector('iframe').contentDocument"


class Run(NamedTuple):
    """A finished run.

    :param page: its page in Airflow's UI.
    """

    url: str
    page: str

    def of_task(self, task_id: str) -> str:
        """Return the address of the tab of a task."""
        return f"{self.page}/tasks/{task_id}/plugin/minimax-task-gallery"

    @property
    def of_run(self) -> str:
        """The address of the tab of the run."""
        return f"{self.page}/plugin/minimax-run-gallery"


@pytest.fixture(scope="module")
def run(airflow: RunningAirflow, _server: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Run:
    _server.reset(CONFIG)
    run_id = airflow.trigger("gallery", prompt=PROMPT, folder=str(tmp_path_factory.mktemp("exports")))
    until(lambda: airflow.run_state("gallery", run_id) in ENDED)
    assert airflow.run_state("gallery", run_id) == "success"
    return Run(airflow.url, f"{airflow.url}/dags/gallery/runs/{run_id}")


def show(tab: Any, url: str, *, cards: int, seen: int) -> None:
    """Open a page of Airflow's UI, and wait for the gallery in it.

    :param cards: of the gallery.
    :param seen: pictures that are to be loaded.
    """
    tab.go(url)
    tab.until(f"Boolean(document.querySelector('iframe') && {PAGE}?.getElementById('grid'))", seconds=LIMIT)
    tab.until(f"{PAGE}.querySelectorAll('.card').length === {cards}")
    tab.until(f"[...{PAGE}.images].filter((one) => one.complete && one.naturalWidth > 0).length >= {seen}")


def complaints(tab: Any) -> list[str]:
    """Return what the browser complains of, but for the kind of frame that Airflow shows every plugin in."""
    return [text for text in tab.complaints if "allow-scripts and allow-same-origin" not in text]


def is_dark(tab: Any) -> bool:
    """Return whether the ground of the gallery is dark, however its colour is written."""
    brightness = tab.run(
        f"""(() => {{
          const canvas = document.createElement('canvas').getContext('2d');
          canvas.fillStyle = getComputedStyle({PAGE}.body).backgroundColor;
          canvas.fillRect(0, 0, 1, 1);
          const [red, green, blue, opacity] = canvas.getImageData(0, 0, 1, 1).data;
          return opacity === 255 ? red + green + blue : null;
        }})()"""
    )
    assert brightness < 200 or brightness > 565
    return bool(brightness < 200)


def test_a_created_image_is_shown_and_nothing_of_its_prompt_runs(run: Run, tab: Any, tmp_path: Path) -> None:
    show(tab, run.of_task("create"), cards=2, seen=2)
    tab.picture(tmp_path / "create-1400.png")
    texts = f"[...{PAGE}.querySelectorAll('.text')].map((one) => one.textContent)"
    assert tab.run(texts) == [PROMPT, PROMPT]
    tab.run(f"{PAGE}.querySelector('.card').click()")
    tab.until(f"{PAGE}.querySelector('#stage img')?.naturalWidth > 0")
    tab.picture(tmp_path / "create-1400-one.png")
    assert tab.run(f"{PAGE}.querySelector('#stage img').alt") == PROMPT
    facts = tab.run(f"[...{PAGE}.querySelectorAll('#facts dt')].map((one) => one.textContent)")
    assert facts == ["Status", "Model", "Ratio", "Created", "Id", "Task", "Cost", "File"]
    assert tab.run(f"{PAGE}.title") == "create"
    assert complaints(tab) == []


def test_the_file_opens_within_the_frame(run: Run, tab: Any, tmp_path: Path) -> None:
    show(tab, run.of_task("export"), cards=30, seen=2)
    tab.run(f"{PAGE}.querySelector('.card:has(img)').click()")
    tab.run(f"{PAGE}.getElementById('open').click()")
    # The file is in a sandbox of its own, out of reach for any script.
    tab.until(f"{PAGE} === null")
    tab.picture(tmp_path / "file-1400.png")
    assert tab.requests[-1].endswith(".png")
    assert complaints(tab) == []


def test_a_download_shows_the_pictures_that_its_run_knows(run: Run, tab: Any, tmp_path: Path) -> None:
    show(tab, run.of_task("download"), cards=2, seen=2)
    tab.picture(tmp_path / "download-1400.png")
    assert complaints(tab) == []


def test_a_film_plays(run: Run, tab: Any, tmp_path: Path) -> None:
    show(tab, run.of_task("film"), cards=1, seen=0)
    tab.until(f"{PAGE}.querySelector('.card video')?.readyState >= 2")
    tab.picture(tmp_path / "film-1400.png")
    assert complaints(tab) == []


def test_a_run_shows_what_all_its_tasks_made(run: Run, tab: Any, tmp_path: Path) -> None:
    # 30 exported ones, of which two were created, and a film.
    show(tab, run.of_run, cards=31, seen=4)
    tab.picture(tmp_path / "run-1400.png")
    assert complaints(tab) == []


def test_a_task_of_another_kind_says_in_a_line_what_would_be_shown(run: Run, tab: Any, tmp_path: Path) -> None:
    show(tab, run.of_task("other"), cards=0, seen=0)
    tab.picture(tmp_path / "other-1400.png")
    shown = tab.run(f"{PAGE}.body.innerText.trim()")
    assert NOTHING in shown
    assert len(shown.splitlines()) <= 3


def test_on_a_phone(run: Run, tab: Any, tmp_path: Path) -> None:
    tab.size(390, 844, is_phone=True)
    show(tab, f"{run.url}/plugin/minimax-gallery", cards=31, seen=2)
    tab.picture(tmp_path / "latest-390.png")
    assert tab.run(f"{PAGE}.documentElement.scrollWidth <= {PAGE}.documentElement.clientWidth")
    tab.run(f"{PAGE}.querySelector('.card:has(img)').click()")
    tab.until(f"{PAGE}.querySelector('#stage img')?.naturalWidth > 0")
    tab.picture(tmp_path / "latest-390-one.png")
    small = (
        f"[...{PAGE}.querySelectorAll('button, a, input')].filter((one) => one.checkVisibility())"
        ".filter((one) => one.getBoundingClientRect().height < 44).map((one) => one.outerHTML)"
    )
    assert tab.run(small) == []


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_it_has_the_theme_of_airflow_and_not_of_the_system(run: Run, tab: Any, tmp_path: Path, theme: str) -> None:
    if theme == "light":
        tab.dark()
    tab.go(run.url)
    tab.until("location.origin !== 'null' && document.readyState === 'complete'")
    tab.run(f"localStorage.setItem('theme', '{theme}')")
    try:
        show(tab, run.of_run, cards=31, seen=4)
        tab.picture(tmp_path / f"run-1400-{theme}.png")
        assert is_dark(tab) is (theme == "dark")
        # Who changes it does not have to open the page again.
        other = {"dark": "light", "light": "dark"}[theme]
        tab.run(f"document.documentElement.classList.replace('{theme}', '{other}')")
        tab.until(f"getComputedStyle({PAGE}.documentElement).colorScheme === '{other}'")
        assert is_dark(tab) is (other == "dark")
    finally:
        tab.run("localStorage.removeItem('theme')")


def test_the_keyboard_opens_walks_and_returns(run: Run, tab: Any) -> None:
    show(tab, run.of_task("create"), cards=2, seen=2)
    tab.run(f"{PAGE}.querySelector('.card').focus()")
    tab.press("Enter", "\r")
    tab.until(f"{PAGE}.getElementById('view').open")
    tab.press("ArrowRight")
    tab.until(f"{PAGE}.getElementById('place').textContent === '2 of 2'")
    tab.press("Escape")
    tab.until(f"!{PAGE}.getElementById('view').open")
    assert tab.run(f"{PAGE}.activeElement.className") == "card"


def test_everything_that_can_be_used_has_a_name(run: Run, tab: Any) -> None:
    show(tab, run.of_task("create"), cards=2, seen=2)
    unnamed = (
        f"[...{PAGE}.querySelectorAll('button, a[href], input')].filter((one) => one.checkVisibility())"
        ".filter((one) => !(one.ariaLabel || one.textContent.trim())).length"
    )
    assert tab.run(unnamed) == 0
    assert tab.run(f"{PAGE}.documentElement.lang") == "en"
    assert tab.run("document.querySelector('iframe').title") == "Gallery"


@pytest.mark.parametrize("task_id", ["create", "film", "export"])
def test_the_button_of_a_task_opens_its_media(
    airflow: RunningAirflow, tab: Any, run: Run, tmp_path: Path, task_id: str
) -> None:
    tab.go(f"{run.page}/tasks/{task_id}/details")
    button = "[...document.querySelectorAll('a')].find((one) => one.textContent === 'Open media')"
    tab.until(f"Boolean({button})", seconds=LIMIT)
    tab.picture(tmp_path / "links.png")
    links = airflow.links("gallery", run.page.rpartition("/")[2], task_id)
    assert tab.run(f"[{button}.href, {button}.target]") == [links["Open media"], "_blank"]
