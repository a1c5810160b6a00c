"""The operators for files, executed against the sandbox."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.operators.files import MiniMaxUploadFileOperator
from airflow_provider_minimax.sandbox import Sandbox

PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)


def execute(operator: Any) -> Any:
    return type(operator).execute.__wrapped__(operator, {})


def upload(source: object, **options: Any) -> Any:
    return execute(MiniMaxUploadFileOperator(task_id="upload", source_path=str(source), **options))


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    path.write_bytes(PNG)
    return path


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_file_is_uploaded(sandbox: Sandbox, picture: Path, scheme: str) -> None:
    file_id = upload(f"{scheme}{picture}")
    assert f"minimax:{sandbox.accounts[0]}-file:" in file_id
    assert sandbox.stats.creates["files"] == 1


def test_it_goes_to_the_account_that_is_named(sandbox: Sandbox, picture: Path) -> None:
    sandbox.reset(replace(sandbox.config, accounts=2))
    second = sandbox.accounts[1]
    assert f"minimax:{second}-file:" in upload(picture, account=second)
    with pytest.raises(errors.MiniMaxBadRequestError, match="name it"):
        upload(picture, account="auto")


def test_a_file_that_went_elsewhere_is_not_handed_on(
    sandbox: Sandbox, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "airflow_provider_minimax.api.client.MiniMaxClient.upload_file", lambda *_, **__: "user:1-minimax:9-file:1"
    )
    with pytest.raises(errors.MiniMaxUpstreamError, match="uploaded to account 9"):
        upload(picture, account=sandbox.accounts[0])


@pytest.mark.parametrize("source", ["", " ", "/nowhere/at/all.png", "file:///nowhere/at/all.png", "nosuch://b/c.png"])
def test_a_source_that_cannot_be_read_is_refused(sandbox: Sandbox, source: str) -> None:
    with pytest.raises(errors.MiniMaxBadRequestError):
        upload(source)
    assert not sandbox.calls


def test_a_file_of_no_known_kind_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<html>")
    with pytest.raises(errors.MiniMaxBadRequestError, match="not a png"):
        upload(tmp_path / "page.html")
