"""What differs for videos; the rest is the image sensor's, and tested there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.sensors.videos import MiniMaxVideoSensor
from tests.support import at_pace, execute


def wait_for(video_id: object, **options: Any) -> Any:
    sensor = MiniMaxVideoSensor(task_id="wait", video_id=video_id, **options)
    return execute(at_pace(sensor, 0.001), {"ti": None})


def test_a_video_comes_back_compact(sandbox: Sandbox) -> None:
    video_id = sandbox.create_video("the light turns")
    video = wait_for(video_id)
    assert set(video) == {
        *("videoId", "status", "statusLabel", "statusFinal", "createTime", "modelID"),
        *("aspectRatio", "desc", "width", "height", "url"),
    }
    assert video["videoId"] == video_id
    assert video["url"].endswith(".mp4")


def test_many_videos_are_read_from_the_list(sandbox: Sandbox) -> None:
    sandbox.reset(replace(sandbox.config, max_jobs=10))
    ids = [sandbox.create_video(f"light {number}") for number in range(8)]
    found = wait_for(ids)
    assert [video["videoId"] for video in found] == ids
    assert sandbox.stats.count("GET /videos/{id}") <= 1


def test_progress_is_logged(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    video_id = sandbox.create_video("the light turns")
    wait_for(video_id)
    assert f"{video_id}: " in caplog.text
    assert " %" in caplog.text


def test_a_video_removed_by_moderation_is_reported_as_not_found(sandbox: Sandbox) -> None:
    with pytest.raises(errors.MiniMaxNotFoundError, match="moderation"):
        wait_for(sandbox.create_video("the light turns [gone]"))


def test_an_image_id_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(errors.MiniMaxBadRequestError, match="is an id of kind image"):
        wait_for(sandbox.all_images()[0]["imageId"])
    assert not sandbox.calls


def test_its_defaults_are_slower_than_those_of_images() -> None:
    sensor = MiniMaxVideoSensor(task_id="wait", video_id="x")
    assert (sensor.poke_interval, sensor.timeout) == (30.0, 3600.0)


def test_the_interval_has_a_floor() -> None:
    assert MiniMaxVideoSensor(task_id="wait", video_id="x", poke_interval=0.01).poke_interval == 1.0
