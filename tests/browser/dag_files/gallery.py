"""Tasks whose results the gallery shows, and one that it does not know."""

from __future__ import annotations

from datetime import datetime

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

from airflow_provider_minimax.operators.files import MiniMaxDownloadOperator
from airflow_provider_minimax.operators.images import MiniMaxCreateImageOperator, MiniMaxExportImagesOperator
from airflow_provider_minimax.operators.videos import MiniMaxCreateVideoOperator

with DAG("gallery", schedule=None, start_date=datetime(2026, 1, 1)):
    create = MiniMaxCreateImageOperator(
        task_id="create", prompt="{{ dag_run.conf['prompt'] }}", aspect_ratio="16:9", quantity=2, poke_interval=1
    )
    MiniMaxCreateVideoOperator(task_id="film", prompt="Waves at night", poke_interval=1)
    export = MiniMaxExportImagesOperator(
        task_id="export", output_path="{{ dag_run.conf['folder'] }}/export", download_media=True, max_images=30
    )
    download = MiniMaxDownloadOperator(
        task_id="download", ids=create.output, output_path="{{ dag_run.conf['folder'] }}/files"
    )
    create >> [download, export] >> EmptyOperator(task_id="other")
