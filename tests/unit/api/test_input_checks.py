"""What is refused before credits are spent, model by model."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.ids import Kind
from airflow_provider_minimax.api.models import MODELS, image_ratio, jobs_made
from airflow_provider_minimax.api.payloads import check_inputs, normalize_words
from airflow_provider_minimax.api.settings import CheckInputs


def check(kind: Kind, body: dict[str, Any], mode: CheckInputs = "strict") -> None:
    check_inputs(kind, normalize_words(kind, {"prompt": "p"} | body), mode)


def references(name: str, count: int, first: int = 1) -> dict[str, str]:
    return {f"{name}{number}": f"file {number}" for number in range(first, first + count)}


GOOD_IMAGES: list[dict[str, Any]] = [
    {},
    {"aspectRatio": "21:9", "resolution": "HD", "characterFileId": "f"},
    {"model": "nano-banana-2", "aspectRatio": "auto", "resolution": "512P", **references("referenceFileId", 14)},
    {"model": "nano-banana-pro", "resolution": "4k", "prompt": "@image1 at dawn"},
    {"model": "gpt-image-1.5", "aspectRatio": "3:2", "resolution": "Low", **references("referenceFileId", 3)},
    {"model": "gpt-image-2", "quality": "high", "aspectRatio": "5:4", **references("referenceFileId", 16)},
    {"model": "seedream-5.0", "resolution": "3K", "prompt": "p" * 2000},
    {"model": "midjourney-v7", "quantity": 4, "prompt": "p" * 5000},
    {"model": "from-tomorrow", "quality": "any", "resolution": "any", "prompt": "@Image1 " + "p" * 9000},
    {"replyUrl": "u" * 1024, "replyRef": "r" * 1024},
]
BAD_IMAGES: list[tuple[dict[str, Any], str]] = [
    ({"aspectRatio": "3:2"}, "aspect_ratio is one of"),
    ({"aspectRatio": "auto"}, "aspect_ratio is one of"),
    ({"resolution": "4K"}, "resolution is one of HD"),
    ({"quality": "low"}, "quality is not taken"),
    ({"prompt": "p" * 2001}, "2001 characters; 2000 are taken"),
    ({"prompt": "like @Image1"}, "@Image1"),
    (references("referenceFileId", 1), "reference_file_ids: none is taken"),
    ({"model": "gpt-image-1.5", **references("referenceFileId", 4)}, "at most 3 are taken, not 4"),
    ({"model": "gpt-image-2", "quality": "best"}, "quality is one of high, low, medium"),
    ({"model": "gpt-image-2", "aspectRatio": "auto"}, "aspect_ratio is one of"),
    ({"model": "gpt-image-2", "characterFileId": "f"}, "character_file_id is not taken"),
    ({"model": "seedream-4.5", "resolution": "3K"}, "resolution is one of 2K, 4K"),
    ({"model": "midjourney-niji7", "resolution": "2K"}, "resolution is not taken"),
    ({"model": "midjourney-v7", "quantity": 1}, "always makes, and costs, 4 images"),
    ({"quantity": 5}, "quantity is 1 to 4, not 5"),
    ({"model": "from-tomorrow", "quantity": 100}, "quantity is 1 to 4, not 100"),
    ({"replyUrl": "u" * 1025}, "reply_url is longer"),
    ({"model": "from-tomorrow", "replyRef": "r" * 1025}, "reply_ref is longer"),
]
SEEDANCE = {"model": "Seedance-2.0"}
GOOD_VIDEOS: list[dict[str, Any]] = [
    {},
    {"aspectRatio": "1:1"},
    {"fileID": "f", "prompt": None},
    {"model": "02", "options": "512p-10sec", "fileID": "f"},
    {"model": "02", "options": "768p-6sec", "fileID": "f", "end_frame_fileID": "g"},
    {"model": "I2V-2.3-Fast", "options": "1080p-6sec"},
    {"model": "Sora-2", "options": "720p-12sec", "aspectRatio": "9:16"},
    {"model": "Veo-3.1", "options": "veo-4k-8sec", "fileID": "f", "end_frame_fileID": "g"},
    {"model": "Veo-3.1-S2V", "fileID": "f", **references("fileID", 13, 2)},
    {**SEEDANCE, "resolution": "4K", "duration": 15, "aspectRatio": "auto", "prompt": "p" * 7500},
    {**SEEDANCE, **references("videoFileID", 3), **references("audioFileID", 3)},
    {**SEEDANCE, "fileID": "f", **references("fileID", 8, 2)},
    {"maxJobs": 1},
    {"model": "Hailuo-9", "maxJobs": 10},
    {"model": "Seedance-2.0-Mini", "resolution": 480, "duration": 4},
    {"model": "Hailuo-9", "options": "any", "resolution": "1440", "duration": 90},
]
BAD_VIDEOS: list[tuple[dict[str, Any], str]] = [
    ({"options": "768p-6sec"}, "Model T2V-01: options is not taken"),
    ({"options": "768p-6sec", "fileID": "f"}, "Model I2V-01: options is not taken"),
    ({"duration": 5}, "duration is set by its options"),
    ({"resolution": "720"}, "resolution is not taken"),
    ({"prompt": "p" * 2001}, "2000 are taken"),
    ({"end_frame_fileID": "g"}, "end_frame_file_id is not taken"),
    ({"fileID": "f", **references("fileID", 1, 2)}, "reference_file_ids: none is taken"),
    ({"model": "Veo-3.1-S2V", **references("fileID", 1, 2)}, "give the first as file_id"),
    ({"model": "from-tomorrow", **references("fileID", 1, 2)}, "give the first as file_id"),
    ({"maxJobs": 0}, "max_jobs is 1 to 10, not 0"),
    ({"model": "from-tomorrow", "maxJobs": 11}, "max_jobs is 1 to 10, not 11"),
    (references("videoFileID", 1), "video_file_ids: none is taken"),
    ({"model": "02", "options": "4k"}, "options is one of"),
    ({"model": "02", "options": "512p-6sec", "end_frame_fileID": "g"}, "only with options"),
    ({"model": "02", "fileID": "f", "end_frame_fileID": "f"}, "must differ from file_id"),
    ({"model": "Sora-2", "aspectRatio": "1:1"}, "aspect_ratio is one of 16:9, 9:16"),
    ({"model": "Veo-3.1-S2V", "end_frame_fileID": "g"}, "end_frame_file_id is not taken"),
    ({**SEEDANCE, "options": "768p-6sec"}, "options is not taken"),
    ({**SEEDANCE, "duration": 16}, "duration is 4 to 15 seconds, not 16"),
    ({**SEEDANCE, "resolution": "720p"}, "resolution is one of 1080, 480, 4K, 720"),
    ({"model": "Seedance-2.0-Fast", "resolution": "1080"}, "resolution is one of 480, 720"),
    ({**SEEDANCE, "fileID": "f", **references("fileID", 9, 2)}, "at most 8 are taken, not 9"),
    ({**SEEDANCE, **references("audioFileID", 4)}, "at most 3 are taken, not 4"),
    ({**SEEDANCE, "end_frame_fileID": "g", **references("videoFileID", 1)}, "beside video_file_ids"),
]


@pytest.mark.parametrize("body", GOOD_IMAGES)
def test_an_image_that_the_documents_allow_passes(body: dict[str, Any]) -> None:
    check("image", body)


@pytest.mark.parametrize(("body", "words"), BAD_IMAGES)
def test_an_image_that_they_do_not_allow_is_refused(body: dict[str, Any], words: str) -> None:
    with pytest.raises(MiniMaxBadRequestError, match=words):
        check("image", body)


@pytest.mark.parametrize("body", GOOD_VIDEOS)
def test_a_video_that_the_documents_allow_passes(body: dict[str, Any]) -> None:
    check("video", body)


@pytest.mark.parametrize(("body", "words"), BAD_VIDEOS)
def test_a_video_that_they_do_not_allow_is_refused(body: dict[str, Any], words: str) -> None:
    with pytest.raises(MiniMaxBadRequestError, match=words):
        check("video", body)


@pytest.mark.parametrize(
    ("kind", "body", "words"), [*(("image", *bad) for bad in BAD_IMAGES), *(("video", *bad) for bad in BAD_VIDEOS)]
)
def test_whoever_knows_better_overrules_each_check(
    caplog: pytest.LogCaptureFixture, kind: Kind, body: dict[str, Any], words: str
) -> None:
    check(kind, body, "off")
    assert caplog.records == []
    check(kind, body, "warn")
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * len(caplog.records)
    assert re.search(words, caplog.text)
    assert "check_inputs='warn'" in caplog.text


def test_a_refusal_names_all_that_is_wrong_its_date_and_the_switch() -> None:
    with pytest.raises(MiniMaxBadRequestError) as raised:
        check("image", {"model": "seedream-5.0", "resolution": "4k", "quality": "high"})
    assert str(raised.value) == (
        "Model seedream-5.0: resolution is one of 2K, 3K, not '4k' (documented May 2026). Model seedream-5.0: quality "
        "is not taken (documented May 2026). Nothing was sent. If the service takes it by now, check_inputs='warn' "
        "sends it all the same."
    )


def test_a_model_that_is_not_known_passes_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    check("image", {"model": "from-tomorrow"})
    check("video", {"model": "from-tomorrow"})
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "'from-tomorrow' is not known here" in caplog.text


def test_every_model_takes_the_plainest_request() -> None:
    for kind, models in MODELS.items():
        for model in models:
            check(kind, {"model": model})


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ({}, 1),
        ({"quantity": 3}, 3),
        ({"model": "midjourney-v7"}, 4),
        ({"model": "midjourney-v7", "quantity": 1}, 1),
        ({"model": "x"}, 1),
    ],
)
def test_how_many_images_are_made(body: dict[str, Any], count: int) -> None:
    assert jobs_made("image", body) == count


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ({**SEEDANCE, "resolution": "4k", "aspectRatio": "AUTO"}, {"resolution": "4K", "aspectRatio": "Auto"}),
        ({**SEEDANCE, "resolution": 480}, {"resolution": "480"}),
        ({"model": "02", "options": "768P-6SEC", "end_frame_fileID": "g"}, {"options": "768p-6sec"}),
        ({"aspectRatio": "AUTO"}, {}),
        ({"model": "from-tomorrow", "resolution": "4k"}, {}),
    ],
)
def test_the_words_of_a_video_are_sent_as_documented(body: dict[str, Any], sent: dict[str, Any]) -> None:
    given = {"prompt": "p"} | body
    assert normalize_words("video", given) == given | sent


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        (
            {"model": "nano-banana-pro", "resolution": "4k", "aspectRatio": "AUTO"},
            {"resolution": "4K", "aspectRatio": "auto"},
        ),
        ({"model": "gpt-image-1.5", "resolution": "LOW"}, {"resolution": "Low"}),
        ({"model": "gpt-image-2", "quality": "High"}, {"quality": "high"}),
    ],
)
def test_the_words_of_an_image_are_sent_as_documented(body: dict[str, Any], sent: dict[str, Any]) -> None:
    given = {"prompt": "p"} | body
    assert normalize_words("image", given) == given | sent


@pytest.mark.parametrize(
    ("body", "ratio"),
    [({}, "16:9"), ({"model": "gpt-image-1.5"}, "auto"), ({"model": "x"}, "auto"), ({"aspectRatio": "1:1"}, "1:1")],
)
def test_the_ratio_that_an_image_gets(body: dict[str, Any], ratio: str) -> None:
    assert image_ratio(body) == ratio
