"""The operators for files, executed against the sandbox."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.api.client import MiniMaxClient
from airflow_provider_minimax.operators.files import MiniMaxDownloadOperator, MiniMaxUploadFileOperator
from airflow_provider_minimax.sandbox import Sandbox
from tests.support import execute

PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)


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


# Download


def download(ids: object, folder: object, **options: Any) -> Any:
    return execute(MiniMaxDownloadOperator(task_id="get", ids=ids, output_path=str(folder), **options))  # type: ignore[arg-type]


def finished(sandbox: Sandbox) -> tuple[str, str]:
    (picture,) = sandbox.create_image("a lamp")
    film = sandbox.create_video("a lamp")
    sandbox.finish(picture)
    sandbox.finish(film)
    return picture, film


def test_pictures_and_films_are_fetched_whole(sandbox: Sandbox, tmp_path: Path) -> None:
    ids = list(finished(sandbox))
    found = download(ids, tmp_path / "out")
    assert [row["id"] for row in found] == ids
    for row, extension in zip(found, ("png", "mp4"), strict=True):
        body = Path(row["path"]).read_bytes()
        assert row["path"].endswith(f".{extension}")
        assert (len(body), hashlib.sha256(body).hexdigest()) == (row["bytes"], row["sha256"])
    assert sandbox.stats.media_requests_with_authorization == 0
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_a_retry_fetches_what_is_missing(sandbox: Sandbox, tmp_path: Path) -> None:
    ids = list(finished(sandbox))
    first = download(str(ids), tmp_path)
    asked = sandbox.stats.media_requests
    assert download(ids, tmp_path) == first
    assert sandbox.stats.media_requests == asked
    Path(first[0]["path"]).unlink()
    assert download(ids, tmp_path) == first
    assert sandbox.stats.media_requests == asked + 1


def test_a_picture_and_a_film_of_the_same_bare_id_are_two_files(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture, film = finished(sandbox)
    twin = f"{film.rpartition(':')[0]}:{picture.rpartition(':')[2]}"
    real = MiniMaxClient.get_job

    def get_job(client: MiniMaxClient, kind: Any, job_id: str) -> dict[str, Any]:
        return real(client, kind, film) | {"videoId": twin} if job_id == twin else real(client, kind, job_id)

    monkeypatch.setattr(MiniMaxClient, "get_job", get_job)
    (first,), (second,) = download(picture, tmp_path), download(twin, tmp_path)
    assert first["path"].endswith(".png")
    assert second["path"].endswith(".mp4")
    name = f"{sandbox.accounts[0]}-video-{picture.rpartition(':')[2]}-{second['sha256'][:16]}.mp4"
    assert Path(second["path"]).name == name


def test_an_id_of_another_account_is_named_as_that(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.reset(replace(sandbox.config, accounts=2))
    first, second = sandbox.accounts
    film = sandbox.create_video("a lamp", account=second)
    with pytest.raises(errors.MiniMaxBadRequestError, match=f"belongs to account {second}"):
        download(film, tmp_path, account=first)


def test_a_single_id_will_do(sandbox: Sandbox, tmp_path: Path) -> None:
    picture, _ = finished(sandbox)
    (row,) = download(picture, tmp_path)
    assert row["id"] == picture


def test_what_has_no_file_says_whether_there_will_be_one(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(errors.MiniMaxUpstreamError, match="no file yet"):
        download(sandbox.create_video("a lamp [hold]"), tmp_path)
    (failed,) = sandbox.create_image("a lamp")
    sandbox.finish(failed, 3)
    with pytest.raises(errors.MiniMaxJobFailedError, match="is failed"):
        download(failed, tmp_path)
    sandbox.finish(failed, 5)
    with pytest.raises(errors.MiniMaxModeratedError, match="is moderated"):
        download(failed, tmp_path)


def test_a_link_that_is_dead_names_the_id(sandbox: Sandbox, tmp_path: Path) -> None:
    picture, _ = finished(sandbox)
    sandbox.fail("404", "GET /media/{name}", times=0)
    with pytest.raises(errors.MiniMaxUpstreamError, match=f"The file of {picture} was not fetched: status code 404"):
        download(picture, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ids", [[], "", "12345", ["user:1-minimax:2-file:3"], "[broken", None])
def test_ids_that_are_none_are_refused(sandbox: Sandbox, tmp_path: Path, ids: object) -> None:
    with pytest.raises(errors.MiniMaxBadRequestError):
        download(ids, tmp_path / "out")
    assert not sandbox.calls
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("job_id", ["12345", "user:1-minimax:2-file:3"])
def test_an_id_of_no_job_is_told_which_ids_are_taken(tmp_path: Path, job_id: str) -> None:
    with pytest.raises(errors.MiniMaxBadRequestError) as caught:
        download(job_id, tmp_path)
    assert str(caught.value) == (
        f"{job_id!r} is not the full id of an image or a video; expected "
        "user:<user>-minimax:<account>-image:<image_id> or user:<user>-minimax:<account>-video:<video_id>."
    )
