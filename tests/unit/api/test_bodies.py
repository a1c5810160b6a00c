"""What is sent to create an image or a video."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.payloads import create_body


def file_id(number: int, account: str = "2") -> str:
    return f"user:1-minimax:{account}-file:{number}"


def image_body(prompt: Any, account: str | None, fields: dict[str, Any]) -> dict[str, Any]:
    return create_body("image", prompt, account, fields)


def video_body(prompt: Any, account: str | None, fields: dict[str, Any]) -> dict[str, Any]:
    return create_body("video", prompt, account, fields)


def test_every_field_of_an_image_has_the_vendors_spelling() -> None:
    body = image_body(
        "a cat", "2",
        {
            "model": "gpt-image-2", "aspect_ratio": "1:1", "quantity": 4, "resolution": "2K", "quality": "low",
            "prompt_optimization": True, "character_file_id": file_id(1), "reply_url": "https://r", "reply_ref": "ref",
            "reference_file_ids": [file_id(2), file_id(3)],
        },
    )  # fmt: skip
    assert body == {
        "account": "2", "prompt": "a cat", "model": "gpt-image-2", "aspectRatio": "1:1", "quantity": 4,
        "resolution": "2K", "quality": "low", "promptOptimization": True, "characterFileId": file_id(1),
        "referenceFileId1": file_id(2), "referenceFileId2": file_id(3), "replyUrl": "https://r", "replyRef": "ref",
    }  # fmt: skip


def test_every_field_of_a_video_has_the_vendors_spelling() -> None:
    body = video_body(
        "a cat", "2",
        {
            "file_id": file_id(1), "end_frame_file_id": file_id(9), "reference_file_ids": [file_id(2), file_id(3)],
            "video_file_ids": [file_id(4), file_id(5)], "audio_file_ids": (file_id(6),), "model": "02",
            "options": "768p-6sec", "resolution": "720", "duration": 5, "aspect_ratio": "16:9",
            "prompt_optimization": False, "reply_url": "https://r", "reply_ref": "ref", "max_jobs": 3,
        },
    )  # fmt: skip
    assert body == {
        "account": "2", "prompt": "a cat", "fileID": file_id(1), "end_frame_fileID": file_id(9),
        "fileID2": file_id(2), "fileID3": file_id(3), "videoFileID1": file_id(4), "videoFileID2": file_id(5),
        "audioFileID1": file_id(6), "model": "02", "options": "768p-6sec", "resolution": "720", "duration": 5,
        "aspectRatio": "16:9", "promptOptimization": False, "replyUrl": "https://r", "replyRef": "ref", "maxJobs": 3,
    }  # fmt: skip


def test_a_prompt_alone_is_sent_alone() -> None:
    assert image_body("a cat", None, {}) == {"prompt": "a cat"}
    assert video_body("a cat", None, {}) == {"prompt": "a cat"}


def test_what_is_none_is_left_out_and_what_is_false_or_zero_is_sent() -> None:
    assert video_body("p", None, {"model": None, "prompt_optimization": False, "duration": 0}) == {
        "prompt": "p",
        "promptOptimization": False,
        "duration": 0,
    }


@pytest.mark.parametrize("prompt", [None, "", "  ", "\n"])
def test_an_image_needs_a_prompt(prompt: Any) -> None:
    with pytest.raises(MiniMaxBadRequestError, match="needs a prompt"):
        image_body(prompt, None, {})


@pytest.mark.parametrize("prompt", [None, "", "  "])
def test_a_video_needs_a_prompt_or_a_file(prompt: str | None) -> None:
    with pytest.raises(MiniMaxBadRequestError, match="prompt or a file_id"):
        video_body(prompt, None, {})


def test_a_video_may_be_made_of_a_file_alone() -> None:
    assert video_body(None, None, {"file_id": file_id(1)}) == {"fileID": file_id(1), "account": "2"}


@pytest.mark.parametrize("quantity", [1, 2, 3, 4])
def test_a_quantity_within_the_bounds_is_sent(quantity: int) -> None:
    assert image_body("p", None, {"quantity": quantity})["quantity"] == quantity


@pytest.mark.parametrize("quantity", [0, -1, "2", 2.5])
def test_what_is_no_quantity_is_refused(quantity: Any) -> None:
    with pytest.raises(MiniMaxBadRequestError, match="quantity"):
        image_body("p", None, {"quantity": quantity})


@pytest.mark.parametrize(
    "fields",
    [
        {"file_id": file_id(1)},
        {"end_frame_file_id": file_id(1)},
        {"reference_file_ids": [file_id(1)]},
        {"video_file_ids": [file_id(1)]},
        {"audio_file_ids": [file_id(1)]},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_a_video_is_made_on_the_account_of_its_files(fields: Any) -> None:
    assert video_body("p", None, fields)["account"] == "2"
    assert video_body("p", "2", fields)["account"] == "2"


@pytest.mark.parametrize(
    "fields",
    [{"character_file_id": file_id(1)}, {"reference_file_ids": [file_id(1)]}],
    ids=lambda fields: next(iter(fields)),
)
def test_an_image_is_made_on_the_account_of_its_files(fields: Any) -> None:
    assert image_body("p", None, fields)["account"] == "2"


@pytest.mark.parametrize(
    "fields",
    [
        {"file_id": file_id(1)},
        {"end_frame_file_id": file_id(1)},
        {"reference_file_ids": [file_id(1, "3"), file_id(2)]},
        {"audio_file_ids": [file_id(1)]},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_a_file_of_another_account_is_refused(fields: Any) -> None:
    with pytest.raises(MiniMaxBadRequestError, match="belongs to account 2, but this task works on account 3"):
        video_body("p", "3", fields)


def test_files_of_two_accounts_are_refused() -> None:
    with pytest.raises(MiniMaxBadRequestError, match="belongs to account"):
        video_body("p", None, {"file_id": file_id(1, "2"), "reference_file_ids": [file_id(2, "3")]})


@pytest.mark.parametrize("value", ["user:1-minimax:2-image:3", "3", "", "None"])
def test_what_is_no_file_id_is_refused(value: str) -> None:
    with pytest.raises(MiniMaxBadRequestError, match="file"):
        video_body("p", None, {"file_id": value})


def test_blanks_around_a_file_id_are_not_sent() -> None:
    fields: Any = {"file_id": f" {file_id(1)}\n", "reference_file_ids": [f"{file_id(2)} "]}
    body = video_body("p", None, fields)
    assert (body["fileID"], body["fileID2"]) == (file_id(1), file_id(2))


@pytest.mark.parametrize(
    "form", [str, lambda one: {"fileID": one}, lambda one: [{"fileID": one}], lambda one: f"['{one}']"]
)
def test_a_file_id_is_read_in_each_form(form: Any) -> None:
    assert image_body("p", None, {"reference_file_ids": form(file_id(1))})["referenceFileId1"] == file_id(1)
    assert video_body("p", None, {"file_id": form(file_id(1))})["fileID"] == file_id(1)


@pytest.mark.parametrize("field", ["aspectRatio", "modle", "duration", "file_id"])
def test_a_field_that_images_do_not_have_is_refused_before_it_costs_credits(field: str) -> None:
    fields: Any = {field: "1:1"}
    with pytest.raises(MiniMaxBadRequestError, match=field):
        image_body("p", None, fields)


@pytest.mark.parametrize("field", ["quantity", "quality", "character_file_id", "fileID"])
def test_a_field_that_videos_do_not_have_is_refused_before_it_costs_credits(field: str) -> None:
    fields: Any = {field: "4"}
    with pytest.raises(MiniMaxBadRequestError, match=field):
        video_body("p", None, fields)
