"""A client of a made-up service, for tests that need no server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests_mock as mocking

from airflow_provider_minimax.api.client import MiniMaxClient
from airflow_provider_minimax.api.errors import MiniMaxError
from airflow_provider_minimax.api.settings import Settings

TOKEN = "user:1234-s3cr3tT0kenValue"
BASE = "https://api.test/v1/minimax"
IMAGE = "user:1234-minimax:42-image:900001"
VIDEO = "user:1234-minimax:42-video:700001"
FILE = "user:1234-minimax:42-file:500001"


class Sleeps(list[float]):
    """Takes the place of ``time.sleep``: notes how long, and returns at once."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def settings(**given: Any) -> Settings:
    return Settings(**{"token": TOKEN, "base_url": BASE} | given)


def client(sleeps: Sleeps | None = None, **given: Any) -> MiniMaxClient:
    return MiniMaxClient(settings(**given), sleep=Sleeps() if sleeps is None else sleeps)


def error_of(operation: Callable[[], object]) -> MiniMaxError:
    """Return the error of an operation, seen to be free of what the HTTP library knows."""
    with pytest.raises(MiniMaxError) as caught:
        operation()
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    assert "\n" not in str(error)
    assert "s3cr3t" not in f"{error} {error!r} {vars(error)}"
    return error


def answer_all(mocker: mocking.Mocker, *responses: dict[str, Any], **response: Any) -> None:
    """Answer every request alike, or by a list whose last answer stays."""
    mocker.register_uri(mocking.ANY, mocking.ANY, list(responses) or [response])


def last(mocker: mocking.Mocker) -> Any:
    """Return the request that was sent last."""
    assert mocker.last_request is not None, "nothing was sent"
    return mocker.last_request


def sent_json(mocker: mocking.Mocker) -> Any:
    return last(mocker).json()
