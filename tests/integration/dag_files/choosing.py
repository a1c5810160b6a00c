"""The examples in which a person chooses on the pages of Airflow, at the pace of the sandbox."""

from __future__ import annotations

from datetime import timedelta

from example_dags.example_minimax_choose import dag
from example_dags.example_minimax_storyboard import dag as storyboard

for task in (*dag.tasks, *storyboard.tasks):
    task.retry_delay = timedelta(seconds=1)
    if hasattr(task, "poke_interval"):
        # At less, a busy scheduler may take a task that is queued again for a lost one.
        task.poke_interval = 5.0
