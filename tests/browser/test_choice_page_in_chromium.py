"""The page on which a person chooses, as Airflow shows it in a browser: ``make browser``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_minimax.api.jobs import compact
from airflow_provider_minimax.operators import choice_page
from airflow_provider_minimax.operators.choose import AGAIN
from airflow_provider_minimax.sandbox import Sandbox
from scripts.running_airflow import ENDED, RunningAirflow, until

pytestmark = pytest.mark.browser

PROMPT = "A lighthouse made of paper, at dawn"
NOWHERE = "http://127.0.0.1:1"
HOSTILE = (
    f"![]({NOWHERE}/x) <script>document.title = 'ran'</script> <img src={NOWHERE}/y> | `code` ```fence``` **bold** "
    f"[link](javascript:alert(1)) <{NOWHERE}/z> {NOWHERE}/autolink www.evil.example me@evil.example &lt; \\"
    "{{ 1 + 1 }}\n\n# heading\n- item\n| a | b |\n|---|---|\n| c | d |\n~~~\n"
).ljust(2_000, "x")
#: The paragraphs of the page: their text, and how many elements are in each.
PARAGRAPHS = "[...document.querySelectorAll('p')].map((one) => [one.innerText, one.childElementCount])"


@pytest.fixture
def media(sandbox: Sandbox) -> list[dict[str, Any]]:
    """Four pictures of one prompt."""
    completed = [image for image in sandbox.all_images() if image["statusLabel"] == "completed"]
    return [{**compact(image), "desc": PROMPT} for image in completed[:4]]


class Choice:
    """A run that waits for a person."""

    def __init__(self, airflow: RunningAirflow, dag_id: str, media: list[dict[str, Any]], subject: str) -> None:
        self._airflow = airflow
        self.dag_id = dag_id
        self.run_id = airflow.trigger(dag_id, media=media, subject=subject)
        self.page = f"{airflow.url}/dags/{dag_id}/runs/{self.run_id}/tasks/choose/required_actions"

    def until_asked(self) -> None:
        until(lambda: self._airflow.states(self.dag_id, self.run_id, "choose")["awaiting_input"] == 1)
        until(lambda: self._airflow.has_left_its_worker(self.dag_id, self.run_id, "choose"))

    def until_ended(self) -> None:
        until(lambda: self._airflow.run_state(self.dag_id, self.run_id) in ENDED)
        assert self._airflow.run_state(self.dag_id, self.run_id) == "success"

    def states(self) -> dict[str, str]:
        return {ti["task_id"]: ti["state"] for ti in self._airflow.tasks(self.dag_id, self.run_id)}

    def xcoms(self) -> dict[str, Any]:
        path = f"dags/{self.dag_id}/dagRuns/{self.run_id}/taskInstances/choose/xcomEntries"
        keys = [entry["key"] for entry in self._airflow.get(path, limit=100)["xcom_entries"]]
        return {key: self._airflow.get(f"{path}/{key}", deserialize=True)["value"] for key in keys}


def ask(airflow: RunningAirflow, dag_id: str, media: list[dict[str, Any]], subject: str) -> Choice:
    choice = Choice(airflow, dag_id, media, subject)
    choice.until_asked()
    return choice


def until_shown(tab: Any, media: list[dict[str, Any]]) -> None:
    """Wait for the pictures, and for nothing but them."""
    tab.until(f"document.images.length === {len(media)} && [...document.images].every((one) => one.complete)")
    assert tab.run("[...document.images].map((one) => one.src)") == [item["url"] for item in media]
    assert tab.run("[...document.images].every((one) => one.naturalWidth > 0)")
    fits = "(one) => one.getBoundingClientRect().width > 200 && one.getBoundingClientRect().right <= innerWidth"
    # Where it is not so at once, the page is still on its way in.
    tab.until(f"[...document.images].every({fits})")


def paragraphs(tab: Any, text: str) -> list[int]:
    """Return for each paragraph with exactly this text how many elements are in it."""
    return [elements for shown, elements in tab.run(PARAGRAPHS) if shown.replace("\u2060", "") == text]


def press_button(tab: Any, label: str) -> None:
    button = f"[...document.querySelectorAll('button')].find((one) => one.textContent.trim() === {label!r})"
    tab.until(f"{button} && !{button}.disabled")
    tab.run(f"{button}.click()")


def pick(tab: Any, *options: str) -> None:
    """Take options in the list that Airflow shows where it shows no buttons."""
    for option in options:
        tab.run("document.querySelector('input[role=combobox]').focus()")
        tab.type(option)
        tab.until("document.querySelectorAll('[id^=react-select][role=option]').length === 1")
        tab.press("Enter", "\r")
        tab.until("document.querySelectorAll('[id^=react-select][role=option]').length === 0")


def test_one_of_four_pictures_of_a_hostile_prompt_is_chosen(
    airflow: RunningAirflow, media: list[dict[str, Any]], tab: Any, tmp_path: Path
) -> None:
    media = [{**item, "desc": HOSTILE} for item in media]
    choice = ask(airflow, "choose_one", media, HOSTILE)
    tab.size(1300, 1000)
    tab.go(choice.page)
    until_shown(tab, media)
    shown = choice_page.one_line(HOSTILE, choice_page.MAX_PROMPT)
    assert len(shown) == choice_page.MAX_PROMPT
    # As the subject and above the pictures.
    assert paragraphs(tab, shown) == [0, 0]
    links = "[...document.querySelectorAll('a')].map((one) => one.href)"
    assert [link for link in tab.run(links) if "evil" in link or NOWHERE in link or "alert" in link] == []
    tab.picture(tmp_path / "choose-one-1300.png")

    options = choice_page.options(media)
    buttons = "[...document.querySelectorAll('[data-testid^=hitl-option]')]"
    assert tab.run(f"{buttons}.map((one) => one.textContent)") == options
    tab.run(f"{buttons}.at(-1).scrollIntoView()")
    assert tab.run(f"{buttons}.every((one) => one.getBoundingClientRect().right <= innerWidth)")
    tab.picture(tmp_path / "choose-one-1300-options.png")
    press_button(tab, options[2])
    choice.until_ended()
    xcoms = choice.xcoms()
    assert xcoms["return_value"] == media[2]
    assert xcoms["fileID"] == media[2]["fileID"]
    assert choice.states() == {"choose": "success", "use": "success", "again": "success"}
    assert tab.run("document.title") != "ran"
    assert [url for url in tab.requests if NOWHERE in url or "evil" in url] == []


def test_two_of_them_are_chosen_on_a_phone(
    airflow: RunningAirflow, media: list[dict[str, Any]], tab: Any, tmp_path: Path
) -> None:
    # Behind the page is the list of all questions, also of that of another test.
    hostile = f"On a phone {HOSTILE}"
    media = [*media[:2], *({**item, "desc": hostile} for item in media[2:])]
    choice = ask(airflow, "choose_several", media, "Which ones?")
    tab.size(390, 844, is_phone=True)
    tab.go(f"{airflow.url}/required_actions")
    row = f"[...document.querySelectorAll('tr')].find((one) => one.textContent.includes({choice.run_id!r}))"
    tab.until(f"Boolean({row}?.querySelector('[aria-label=\"Open Review Drawer\"]'))")
    tab.run(f"{row}.querySelector('[aria-label=\"Open Review Drawer\"]').click()")
    until_shown(tab, media)
    assert paragraphs(tab, PROMPT) == paragraphs(tab, choice_page.one_line(hostile, choice_page.MAX_PROMPT)) == [0]
    tab.picture(tmp_path / "choose-several-390.png")

    options = choice_page.options(media)
    pick(tab, options[1], options[3])
    tab.picture(tmp_path / "choose-several-390-options.png")
    press_button(tab, "Respond")
    choice.until_ended()
    assert choice.xcoms()["return_value"] == [media[1], media[3]]


def test_generating_again_runs_its_branch(
    airflow: RunningAirflow, media: list[dict[str, Any]], tab: Any, tmp_path: Path
) -> None:
    choice = ask(airflow, "choose_or_generate_again", media, "Which one?")
    tab.size(1300, 1000)
    tab.go(choice.page)
    until_shown(tab, media)
    pick(tab, AGAIN)
    tab.picture(tmp_path / "generate-again-1300.png")
    press_button(tab, "Respond")
    choice.until_ended()
    assert choice.states() == {"choose": "success", "use": "skipped", "again": "success"}
    assert "return_value" not in choice.xcoms()


def test_the_default_is_chosen_when_nobody_responds(
    airflow: RunningAirflow, media: list[dict[str, Any]], tab: Any, tmp_path: Path
) -> None:
    choice = Choice(airflow, "choose_in_time", media, "Which one?")
    choice.until_ended()
    assert choice.states() == {"choose": "success", "use": "success", "again": "skipped"}
    assert choice.xcoms()["return_value"] == media[1]
    tab.size(1300, 1000)
    tab.go(choice.page)
    until_shown(tab, media)
    tab.until("document.body.textContent.includes('Response received at')")
    tab.picture(tmp_path / "in-time-1300.png")
