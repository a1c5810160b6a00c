"""Mistakes of users, one in each line of code below the imports: each is an error for every type checker."""

from __future__ import annotations

from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from airflow_provider_minimax.operators.choose import MiniMaxChooseOperator
from airflow_provider_minimax.operators.delete import MiniMaxDeleteOperator
from airflow_provider_minimax.operators.files import MiniMaxDownloadOperator, MiniMaxUploadFileOperator
from airflow_provider_minimax.operators.images import MiniMaxCreateImageOperator as Create
from airflow_provider_minimax.operators.images import MiniMaxExportImagesOperator as Export
from airflow_provider_minimax.operators.images import MiniMaxListImagesOperator as List
from airflow_provider_minimax.operators.videos import MiniMaxCreateVideoOperator as CreateVideo
from airflow_provider_minimax.operators.videos import MiniMaxExportVideosOperator as ExportVideos
from airflow_provider_minimax.retry_policy import MiniMaxRetryPolicy
from airflow_provider_minimax.sensors.credits import MiniMaxCreditsSensor
from airflow_provider_minimax.sensors.images import MiniMaxImageSensor
from airflow_provider_minimax.sensors.videos import MiniMaxVideoSensor
from airflow_provider_minimax.triggers.jobs import MiniMaxJobTrigger

# Words
Export(task_id="t", output_path="/x", mode="synch")
Export(task_id="t", output_path="/x", file_format="json")
Export(task_id="t", output_path="/x", on_media_error="ignore")
List(task_id="t", on_empty="raise")
Create(task_id="t", prompt="p", require="one")
Create(task_id="t", prompt="p", on_unknown_outcome="retry")
Create(task_id="t", prompt="p", check_inputs="strickt")
MiniMaxImageSensor(task_id="t", image_id="i", require="some")
MiniMaxImageSensor(task_id="t", image_id="i", on_empty="ignore")
MiniMaxImageSensor(task_id="t", image_id="i", mode="async")
MiniMaxDownloadOperator(task_id="t", ids="i", output_path="/x", on_empty="ok")
MiniMaxChooseOperator(task_id="t", media="m", on_empty="return")
MiniMaxJobTrigger(["i"], 0.0, require="some")

# Names
List(task_id="t", acount="1")
List(task_id="t", conn_id="c")
Create(task_id="t", prompt="p", defferable=True)
Create(task_id="t", prompt="p", n=2)
CreateVideo(task_id="t", prompt="p", first_frame="f")
CreateVideo(task_id="t", prompt="p", quantity=2)
ExportVideos(task_id="t", output_path="/x", max_images=3)
Export(task_id="t", output_path="/x", retrys=3)
MiniMaxVideoSensor(task_id="t", image_id="i")
MiniMaxVideoSensor(task_id="t", video_id="v", poll_interval=3)
MiniMaxCreditsSensor(task_id="t", credits=3)
MiniMaxChooseOperator(task_id="t", media="m", timeout_seconds=3)
MiniMaxRetryPolicy(retries=3)
MiniMaxJobTrigger(["i"], 0.0, interval=3)

# What is missing
List(limit=3)
Create(task_id="t")
Export(task_id="t")
ExportVideos(task_id="t", mode="sync")
MiniMaxUploadFileOperator(task_id="t")

# Types
List(task_id="t", account=1)
List(task_id="t", retry_delay="60")
Create(task_id="t", prompt=["p"])
Create(task_id="t", prompt="p", deferrable="yes")
CreateVideo(task_id="t", prompt="p", timeout="60")
MiniMaxDeleteOperator(task_id="t", ids=1)
MiniMaxDeleteOperator(task_id="t", ids="i", force="yes")
MiniMaxImageSensor(task_id="t", image_id=1)
MiniMaxHook().create_image("p", aspectRatio="1:1")
MiniMaxHook(conn_id="c")
