"""The API token appears nowhere but in the header of a request to the API."""

from __future__ import annotations

import logging
import pickle
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from requests import Session
from requests.auth import AuthBase

from airflow_provider_minimax.api.client import MiniMaxClient
from airflow_provider_minimax.api.errors import MiniMaxError
from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.api.transport import Transport
from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from airflow_provider_minimax.operators.images import MiniMaxExportImagesOperator, MiniMaxListImagesOperator
from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.sensors.images import MiniMaxImageSensor
from airflow_provider_minimax.triggers.jobs import MiniMaxJobTrigger
from tests.integration.dags import run

READ = "GET /images/{id}"
FAULTS = ("400", "401", "404", "500", "502-html", "596", "reset", "truncated", "not-json", "wrong-shape", "redirect")


@pytest.mark.usefixtures("airflow_db")
def test_no_task_shows_the_token(
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AIRFLOW__LOGGING__LOGGING_LEVEL", "DEBUG")
    caplog.set_level(logging.DEBUG)
    (good,) = sandbox.create_image("a lamp")
    (moderated,) = sandbox.create_image("a lamp [moderate]")

    def tasks() -> None:
        MiniMaxListImagesOperator(task_id="list")
        MiniMaxExportImagesOperator(task_id="export", output_path=str(tmp_path))
        MiniMaxImageSensor(task_id="wait", image_id=good, deferrable=True, poke_interval=1)
        MiniMaxImageSensor(task_id="moderated", image_id=moderated, poke_interval=1)
        MiniMaxListImagesOperator(task_id="refused", account="1")

    sandbox.fail("502-html", operation="GET /images/", times=1)
    finished = run("secrets", tasks)
    assert finished.states["wait"] == "success"
    assert finished.states["moderated"] == "failed"
    written = "".join(path.read_text(encoding="utf-8") for path in tmp_path.iterdir())
    xcoms = repr([finished.xcom(task) for task in finished.states])
    output = capfd.readouterr()
    everything = {
        "logs": caplog.text,
        "output": output.out + output.err,
        "files": written,
        "xcoms": xcoms,
        "trigger": repr(MiniMaxJobTrigger([good], 0.0)) + repr(MiniMaxJobTrigger([good], 0.0).serialize()),
    }
    assert {name for name, text in everything.items() if not text} == set()
    assert {name for name, text in everything.items() if sandbox.token in text} == set()


@pytest.mark.parametrize("fault", FAULTS)
def test_no_error_shows_the_token(sandbox: Sandbox, fault: str, caplog: pytest.LogCaptureFixture) -> None:
    """Not even with the variables of every frame, which some log settings print."""
    caplog.set_level(logging.DEBUG)
    client = MiniMaxHook().get_conn().without_retries()
    sandbox.fail(fault, operation=READ)
    with pytest.raises(MiniMaxError) as raised:
        client.get_image(sandbox.all_images()[0]["imageId"])
    shown = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
    assert sandbox.token not in "".join(shown.format())
    assert sandbox.token.encode() not in pickle.dumps(raised.value)
    assert sandbox.token not in caplog.text


def test_nothing_that_may_be_printed_shows_the_token(sandbox: Sandbox) -> None:
    hook = MiniMaxHook()
    client = hook.get_conn()
    client.list_accounts()
    printable = [hook, *holdings(hook)]
    for kind in (MiniMaxClient, Settings, Transport, Session, AuthBase):
        assert any(isinstance(one, kind) for one in printable)
    assert sandbox.token not in "".join(map(repr, [*printable, vars(hook), vars(client)]))


def holdings(holder: object) -> Iterator[object]:
    """Yield the objects that an object holds, and what those of our own classes hold."""
    for held in vars(holder).values():
        if hasattr(held, "__dict__"):
            yield held
            if type(held).__module__.startswith("airflow_provider_minimax."):
                yield from holdings(held)


@pytest.mark.parametrize("token", ["user:1-a b", "Bearer user:1-secret", "user:1-geheim\u00fc", "user:1-x\ny"])
def test_a_token_that_cannot_be_sent_is_refused_without_being_shown(
    monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    import json

    monkeypatch.setenv("AIRFLOW_CONN_MINIMAX_DEFAULT", json.dumps({"conn_type": "minimax", "password": token}))
    usable, message = MiniMaxHook().test_connection()
    assert not usable
    assert token not in message
    assert "user:1" not in message
