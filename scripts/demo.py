"""From a prompt to an image, a video, and a page that shows it: real Airflow tasks, against the sandbox.

Run by ``make demo``. It needs neither a token nor a network. Airflow's log goes to a file; the terminal
shows a table of the tasks and, at the end, the names of the files to look at.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from scripts.local_airflow import EXAMPLE_DAGS, ROOT, STATE, activate, prepare_database
from scripts.terminal import leave_at_once_on_signals, output_into

if TYPE_CHECKING:
    from airflow.models.taskinstance import TaskInstance
    from airflow.sdk import DAG
    from rich.console import Console

#: The demo's own Airflow, apart from that of `make airflow`: a scheduler there would take our runs.
HOME = STATE / "demo"
LOG = HOME / "demo.log"

#: The example DAGs in the order in which they are shown, and what each one shows.
DAGS = {
    "example_minimax_prompt_to_video": "create an image, animate it, download both",
    "example_minimax_export": "export today's images, and mirror the videos",
}

#: The style of each task state.
STYLES = {"success": "green", "skipped": "magenta", "failed": "bold red", "upstream_failed": "red"}

#: Fields of an image or a video that `statusLabel` already says in a word.
CODES = ("status", "statusFinal")


@dataclass(frozen=True)
class TaskReport:
    """One task in the report of the demo."""

    task_id: str
    state: str
    seconds: float
    result: Any


@dataclass(frozen=True)
class RunReport:
    """One run of a DAG in the report of the demo."""

    dag_id: str
    state: str
    seconds: float
    tasks: list[TaskReport]


def main() -> int:
    """Run the example DAGs and report; 0 when every run succeeded and its files are there."""
    leave_at_once_on_signals()
    with output_into(LOG) as console:
        console.print("[bold]MiniMax provider for Apache Airflow[/bold]: demo on the sandbox")
        with console.status("Preparing Airflow's database ..."):
            started = time.monotonic()
            activate(HOME, dags=EXAMPLE_DAGS)
            prepare_database()
        console.print(f"Airflow's database is ready ({time.monotonic() - started:.1f} s)")
        reports = _run_examples(console)
        return _conclude(console, reports)


def _run_examples(console: Console) -> list[RunReport]:
    from airflow_provider_minimax.sandbox import Sandbox, SandboxConfig

    # The account of somebody busy: a picture every 24 minutes, so that today's page has something to show.
    with Sandbox(SandboxConfig(images=60, spacing_seconds=24 * 60, step_seconds=0.5)) as sandbox:
        console.print(f"The sandbox stands in for the service at {sandbox.url}")
        os.environ["AIRFLOW_CONN_MINIMAX_DEFAULT"] = json.dumps(
            {"conn_type": "minimax", "host": sandbox.url, "password": sandbox.token}
        )
        reports = []
        for dag_id, purpose in DAGS.items():
            console.print()
            with console.status(f"{dag_id}: {purpose} ..."):
                report = _run_dag(_load(dag_id))
            _show(console, report, purpose)
            reports.append(report)
        return reports


def _load(dag_id: str) -> DAG:
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(EXAMPLE_DAGS / f"{dag_id}.py")
    for name, error in bag.import_errors.items():
        raise SystemExit(f"{name} cannot be imported:\n{error}")
    return bag.dags[dag_id]


def _run_dag(dag: DAG) -> RunReport:
    """Run all tasks of the DAG in this process, each as a worker would run it."""
    for task in dag.tasks:
        # A failure shows at once, and not after the delays that suit a service.
        task.retries = 0
        # The sandbox completes a job in seconds, so it is polled more often than the service would be.
        if hasattr(task, "poke_interval"):
            task.poke_interval = 1.0
    started = time.monotonic()
    # As when a person triggers it without a date: the export takes the day so far, with what was just created.
    run = dag.test(logical_date=None)
    seconds = time.monotonic() - started
    tasks = sorted(run.get_task_instances(), key=lambda task: (task.start_date is None, str(task.start_date)))
    reports = [
        TaskReport(
            task_id=task.task_id if task.map_index < 0 else f"{task.task_id}[{task.map_index}]",
            state=str(task.state or "not run"),
            seconds=task.duration or 0.0,
            result=_result(task),
        )
        for task in tasks
    ]
    return RunReport(dag_id=dag.dag_id, state=str(run.state), seconds=seconds, tasks=reports)


def _result(task: TaskInstance) -> Any:
    """Return the XCom of a task; None when it returned nothing."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        query = XComModel.get_many(
            run_id=task.run_id,
            dag_ids=task.dag_id,
            task_ids=task.task_id,
            map_indexes=task.map_index,
            key="return_value",
        )
        row = session.scalars(query).first()
        return None if row is None else XComModel.deserialize_value(row)


def _show(console: Console, report: RunReport, purpose: str) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", expand=True)
    for column in ("task", "state"):
        table.add_column(column, no_wrap=True)
    table.add_column("seconds", justify="right")
    table.add_column("result", no_wrap=True, overflow="ellipsis", ratio=1)
    for task in report.tasks:
        state = f"[{STYLES.get(task.state, 'yellow')}]{task.state}[/]"
        table.add_row(escape(task.task_id), state, f"{task.seconds:.1f}", escape(brief(task.result)))
    console.print(f"[bold]{report.dag_id}[/bold]: {purpose}")
    console.print(table)


def brief(result: Any) -> str:
    """Return a task's result in one line; the terminal cuts it to its width."""
    if result is None:
        return ""
    if isinstance(result, list):
        items = "1 item" if len(result) == 1 else f"{len(result)} items"
        return f"{items}: {brief(result[0])}" if result else "nothing"
    if isinstance(result, Mapping):
        shown = [f"{name}={_shorter_path(value)}" for name, value in result.items() if value and name not in CODES]
        # Numbers and words before long paths and texts.
        return ", ".join(sorted(shown, key=len))
    return _shorter_path(result)


def _shorter_path(value: object) -> str:
    """Return a path below the clone as relative to it."""
    return str(value).removeprefix("file://").removeprefix(f"{ROOT}{os.sep}")


def _conclude(console: Console, reports: list[RunReport]) -> int:
    """Print the files to look at, or which run failed and which file is missing; return the exit code."""
    console.print()
    failed = [report.dag_id for report in reports if report.state != "success"]
    files = list(_exported_files(reports))
    missing = [path for path in files if not path.is_file()]
    log = _shorter_path(LOG)
    if failed or missing or not files:
        problems = [f"{dag_id} failed" for dag_id in failed]
        problems += [f"{_shorter_path(path)} is missing" for path in missing]
        problems = problems or ["no export was written"]
        console.print(f"[bold red]{escape('; '.join(problems))}[/]: the log of the tasks is {log}", soft_wrap=True)
        return 1
    console.print("[bold green]Done.[/] Look at:")
    # The page to look at is named last.
    for path in [LOG, *files]:
        console.print(f"  {escape(_shorter_path(path))}", soft_wrap=True)
    return 0


def _exported_files(reports: list[RunReport]) -> Iterator[Path]:
    """Yield the downloaded files of each task, and the manifest, first part and contact sheet of each export."""
    for report in reports:
        for task in report.tasks:
            rows = task.result if isinstance(task.result, list) else []
            yield from (Path(str(row["path"]).removeprefix("file://")) for row in rows if "path" in row)
            if isinstance(task.result, Mapping) and "manifest" in task.result:
                manifest = Path(str(task.result["manifest"]).removeprefix("file://"))
                yield manifest
                yield from sorted(manifest.parent.glob("*s-[0-9]*"))[:1]
                yield manifest.parent / "index.html"
