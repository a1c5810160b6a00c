"""A DAG file of a user: every public class, as type checkers see it. It is checked and parsed, and never run."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Asset, AssetWatcher, ObjectStoragePath, task

from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from airflow_provider_minimax.links import MiniMaxMediaLink
from airflow_provider_minimax.operators.choose import MiniMaxChooseOperator
from airflow_provider_minimax.operators.costs import sum_costs
from airflow_provider_minimax.operators.delete import MiniMaxDeleteOperator
from airflow_provider_minimax.operators.files import MiniMaxDownloadOperator, MiniMaxUploadFileOperator
from airflow_provider_minimax.operators.images import (
    MiniMaxCreateImageOperator,
    MiniMaxExportImagesOperator,
    MiniMaxListImagesOperator,
)
from airflow_provider_minimax.operators.videos import (
    MiniMaxCreateVideoOperator,
    MiniMaxExportVideosOperator,
    MiniMaxListVideosOperator,
)
from airflow_provider_minimax.retry_policy import MiniMaxRetryPolicy
from airflow_provider_minimax.sensors.credits import MiniMaxCreditsSensor
from airflow_provider_minimax.sensors.images import MiniMaxImageSensor
from airflow_provider_minimax.sensors.videos import MiniMaxVideoSensor
from airflow_provider_minimax.triggers.new_media import MiniMaxNewImagesTrigger, MiniMaxNewVideosTrigger


@task
def prompts() -> list[str]:
    return ["A paper lamp", "A paper boat"]


@task
def account() -> str:
    return next(iter(MiniMaxHook().list_accounts()))


@task
def count(minimax_conn_id: str) -> int:
    hook = MiniMaxHook(minimax_conn_id, account="1")
    (image,) = hook.create_image("A lamp", aspect_ratio="16:9", quantity=1)
    hook.create_video(file_id=hook.get_image(image), duration=4)
    return sum(1 for _ in hook.iter_images(max_images=100)) + int(hook.get_credits())


@task
def cost(**context: Any) -> dict[str, Any]:
    return sum_costs(context, task_ids=["create"])


def trigger_of_my_own() -> object:
    from airflow_provider_minimax.triggers.jobs import MiniMaxJobTrigger

    return MiniMaxJobTrigger(["user:1-minimax:2-video:3"], time.time() + 600, kind="video", require="any")


class WithLink(MiniMaxListImagesOperator):
    operator_extra_links = (MiniMaxMediaLink(),)


new_images = Asset(
    "minimax://1/images",
    watchers=[
        AssetWatcher(
            name="images",
            trigger=MiniMaxNewImagesTrigger(
                "minimax_default", "1", poke_interval=30.0, start=datetime(2026, 1, 1, tzinfo=UTC), models=["image-01"]
            ),
        ),
        AssetWatcher(
            name="videos", trigger=MiniMaxNewVideosTrigger(start="now", prompt_pattern="lamp", max_per_event=1)
        ),
    ],
)

with DAG("everything", schedule=[new_images], start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
    used = account()
    policy = MiniMaxRetryPolicy(capacity=60, max_delay=600.0)

    enough = MiniMaxCreditsSensor(task_id="enough", min_credits=30, account=used, mode="reschedule", soft_fail=True)
    upload = MiniMaxUploadFileOperator(task_id="upload", source_path=Path("/tmp/first.png"), account=used, retries=2)
    create = MiniMaxCreateImageOperator(
        task_id="create",
        prompt="{{ params.prompt }}",
        model="image-01",
        quantity=4,
        character_file_id=upload.output,
        require="any",
        account="auto",
        minimax_conn_id="minimax_eu",
        deferrable=True,
        poke_interval=timedelta(seconds=5),
        timeout=600,
        max_credits=4,
        check_inputs="warn",
        on_unknown_outcome="resubmit",
        retry_policy=policy,
        retry_delay=timedelta(minutes=1),
        outlets=[],
    )
    submit = MiniMaxCreateImageOperator(task_id="submit", prompt="A lamp", wait_for_completion=False)
    wait = MiniMaxImageSensor(
        task_id="wait",
        image_id=submit.output,
        require="any",
        accept_statuses=["moderated"],
        on_empty="skip",
        start_from_trigger=True,
        end_from_trigger=True,
        pool="minimax",
    )
    choose = MiniMaxChooseOperator(
        task_id="choose",
        media=create.output,
        subject="Which lamp?",
        again_task_id="again",
        response_timeout=timedelta(hours=4),
        defaults=1,
        on_empty="skip",
        multiple=False,
        params={"why": ""},
    )
    again = MiniMaxCreateImageOperator(task_id="again", prompt="Another lamp", execution_timeout=timedelta(hours=1))
    video = MiniMaxCreateVideoOperator(
        task_id="video",
        prompt="It is switched on",
        file_id=choose.output["fileID"],
        end_frame_file_id=create.output,
        reference_file_ids=[upload.output, "user:1-minimax:2-file:3"],
        options="768p-6sec",
        max_jobs=2,
        cancel_on_kill=False,
        account=used,
    )
    MiniMaxVideoSensor(task_id="watch", video_id=[video.output], timeout=timedelta(hours=2), never_fail=True)
    files = MiniMaxDownloadOperator(
        task_id="files",
        ids=[create.output, video.output],
        output_path=ObjectStoragePath("s3://aws_default@bucket/lamps"),
        on_empty="return",
    )
    delete = MiniMaxDeleteOperator(task_id="delete", ids=create.output, confirm_exported="/exports/lamps", force=False)

    images = MiniMaxListImagesOperator(
        task_id="images",
        limit="{{ params.limit }}",
        statuses=["completed"],
        created_from="{{ data_interval_start }}",
        created_to=datetime(2026, 2, 1, tzinfo=UTC),
        max_scanned=1_000,
        on_empty="skip",
        check_total=False,
    )
    WithLink(task_id="linked", account=used, do_xcom_push=False)
    MiniMaxListVideosOperator(task_id="videos", statuses="completed", on_empty="fail", trigger_rule="all_done")
    MiniMaxExportImagesOperator(
        task_id="export_images",
        output_path=Path("/exports"),
        file_format="parquet",
        max_images=100,
        mode="snapshot",
        on_media_error="skip",
        download_media=True,
        contact_sheet=True,
        statuses=images.output,
        storage_conn_id=None,
    )
    MiniMaxExportVideosOperator(
        task_id="export_videos", output_path="s3://bucket/{{ ds }}", file_format="csv", mode="sync", csv_safe=True
    )
    each = MiniMaxCreateImageOperator.partial(task_id="each", quantity=1, deferrable=True).expand(prompt=prompts())
    MiniMaxImageSensor.partial(task_id="wait_each").expand(image_id=each.output)

    enough >> [create, submit]
    choose >> again
    count("minimax_default") >> delete >> cost()
