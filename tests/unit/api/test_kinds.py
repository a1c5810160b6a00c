"""What differs between images and videos, and the calls that are made of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_minimax.api.client import MiniMaxClient
from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxUpstreamError
from airflow_provider_minimax.api.kinds import IMAGES, MEDIA_KINDS, VIDEOS, MediaKind
from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from airflow_provider_minimax.sandbox import Sandbox

PNG, MP4 = b"\x89PNG\r\n\x1a\n" + bytes(20), b"\0\0\0\x18ftypisom" + bytes(20)
MOV, M4A = b"\0\0\0\x14ftypqt  " + bytes(20), b"\0\0\0\x18ftypM4A " + bytes(20)


def test_every_name_of_a_kind_follows_from_the_kind() -> None:
    names = [(kind.with_article, kind.plural, kind.path, kind.cursor, kind.id_field) for kind in MEDIA_KINDS.values()]
    assert names == [
        ("an image", "images", "/images/", "lastImageId", "imageId"),
        ("a video", "videos", "/videos/", "lastVideoId", "videoId"),
    ]
    assert all(kind.fields[0] == kind.id_field for kind in MEDIA_KINDS.values())


@pytest.mark.parametrize(
    ("kind", "head", "extension"),
    [
        (IMAGES, PNG, "png"), (IMAGES, MP4, "mp4"), (IMAGES, b"<html>", None),
        (VIDEOS, MP4, "mp4"), (VIDEOS, MOV, "mov"), (VIDEOS, PNG, None), (VIDEOS, M4A, None), (VIDEOS, b"", None),
    ],
)  # fmt: skip
def test_a_file_is_told_from_its_first_bytes(kind: MediaKind, head: bytes, extension: str | None) -> None:
    assert kind.file_extension(head) == extension


@pytest.fixture
def client(sandbox: Sandbox) -> MiniMaxClient:
    return MiniMaxClient(Settings(sandbox.token, sandbox.base_url), sleep=lambda _: None)


@pytest.mark.parametrize("form", ["array", "wrapped"])
def test_a_page_of_videos_is_read_in_both_forms(sandbox: Sandbox, client: MiniMaxClient, form: str) -> None:
    sandbox.reset(replace(sandbox.config, videos=5, videos_form=form))
    videos = sandbox.all_videos()
    assert client.list_videos(2) == client.list_page(VIDEOS, 2)["images"] == videos[:2]
    assert client.list_videos(2, videos[1]["videoId"]) == videos[2:4]
    flags = client.list_page(VIDEOS, 2).keys() - {"images", "videos"}
    assert flags == (set() if form == "array" else {"hasPre", "hasNext", "processing", "total"})


@pytest.mark.parametrize("form", ["array", "wrapped"])
@pytest.mark.parametrize("cap", ["clamp", "error"])
def test_all_videos_are_walked_through_whatever_page_the_service_takes(sandbox: Sandbox, form: str, cap: str) -> None:
    sandbox.reset(replace(sandbox.config, videos=95, videos_form=form, page_cap=30, over_cap=cap))
    hook = MiniMaxHook()
    assert list(hook.iter_videos()) == sandbox.all_videos()
    assert list(hook.iter_videos(max_videos=40)) == sandbox.all_videos()[:40]
    with pytest.raises(MiniMaxBadRequestError, match="max_videos"):
        hook.iter_videos(max_videos=0)


def test_a_list_that_is_none_is_an_error(sandbox: Sandbox, client: MiniMaxClient) -> None:
    sandbox.fail("wrong-shape", operation="GET /videos/")
    with pytest.raises(MiniMaxUpstreamError, match="GET /videos/"):
        client.list_videos()


def test_a_job_is_deleted_by_its_id_and_may_be_gone_already(sandbox: Sandbox) -> None:
    sandbox.reset(replace(sandbox.config, videos=3))
    hook, (image, *_), (video, *_) = MiniMaxHook(), sandbox.all_images(), sandbox.all_videos()
    for _ in range(2):
        hook.delete_image(image["imageId"])
        hook.delete_video(video["videoId"])
    assert image["imageId"] not in [each["imageId"] for each in sandbox.all_images()]
    assert video["videoId"] not in [each["videoId"] for each in sandbox.all_videos()]
    sandbox.fail("404", operation="DELETE /videos/{id}")
    hook.delete_video(video["videoId"])
    with pytest.raises(MiniMaxBadRequestError, match="kind video"):
        hook.delete_image(video["videoId"])
    sandbox.fail("500", operation="DELETE /images/{id}")
    hook.delete_image(image["imageId"])
    assert not sandbox.pending_faults, "a delete is repeated like a read"
