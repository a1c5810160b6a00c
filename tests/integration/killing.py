"""An export that is killed again and again: the process that does it, started by ``test_killed_exports``.

It imports everything once and forks, so that a try costs milliseconds. It runs no threads of its own, which a fork
would tear; the sandbox is another process.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector
from airflow.sdk import ObjectStoragePath

from airflow_provider_minimax.api.client import MiniMaxClient
from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.exporting import contact_sheet, media  # noqa: F401 - warm before the first fork
from airflow_provider_minimax.exporting.export import export_images
from airflow_provider_minimax.exporting.plan import Plan

#: What touches the folder; a kill right before each of these is a crash window.
_TOUCHES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir")


def main(order: dict[str, Any]) -> dict[str, Any]:
    """Do what the test orders: ``sweep`` or ``random`` kills."""
    work = _worker(order)
    # Airflow looks for all installed providers when it is first told of a file; once is enough.
    get_hook_lineage_collector().add_output_asset(context=ObjectStoragePath("/"), uri="/warm")
    return {"sweep": _sweep, "random": _at_random}[order["how"]](order, work)


def _worker(order: dict[str, Any]) -> Callable[[Path], None]:
    def work(folder: Path) -> None:
        client = MiniMaxClient(Settings(order["token"], order["base_url"]))
        export_images(client, plan=Plan(**order["plan"]), folder=ObjectStoragePath(str(folder)), run="one")

    return work


def _sweep(order: dict[str, Any], work: Callable[[Path], None]) -> dict[str, Any]:
    """Kill before the first touch of the folder, before the second, and so on; let each next try through."""
    folders = []
    for number in range(10_000):
        folder = Path(order["folder"]) / str(number)
        if not _wait(_fork(lambda folder=folder, number=number: (_die_at(number, folder), work(folder)))):
            return {"kills": len(folders), "folders": folders}
        folders.append(str(folder))
        if _wait(_fork(lambda folder=folder: work(folder))):
            raise SystemExit("a try that nobody killed did not end well")
    raise SystemExit("the export never came to its end")


def _die_at(number: int, folder: Path) -> None:
    left = number

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if not (event in _TOUCHES or (event == "open" and arguments[1] in ("xb", "wb", "w"))):
            return
        if not str(arguments[0]).startswith(str(folder)):
            return
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

    sys.addaudithook(hook)


def _at_random(order: dict[str, Any], work: Callable[[Path], None]) -> dict[str, Any]:
    """Kill one export at so many random moments, then let it end; begin another where it ended too soon."""
    chance = random.Random(order["seed"])
    started = time.monotonic()
    if _wait(_fork(lambda: work(Path(order["folder"]) / "measured"))):
        raise SystemExit("an undisturbed export did not end well")
    whole = time.monotonic() - started
    kills, folders = 0, []
    while kills < order["kills"]:
        folder = Path(order["folder"]) / str(len(folders))
        folders.append(str(folder))
        is_done = False
        while not is_done:
            child = _fork(lambda folder=folder: work(folder))
            if kills < order["kills"]:
                time.sleep(chance.uniform(0, whole / 6))
                os.kill(child, signal.SIGKILL)
            was_killed = _wait(child)
            kills += was_killed
            # It may have been on its way out already; a further try would be another export.
            is_done = not was_killed or _is_whole(folder)
    return {"kills": kills, "folders": folders}


def _is_whole(folder: Path) -> bool:
    return (folder / "manifest.json").exists() and not (folder / "checkpoint.json").exists()


def _fork(act: Callable[[], object]) -> int:
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        act()
        status = 0
    finally:
        os._exit(status)


def _wait(child: int) -> bool:
    """Wait for a child; tell whether it was killed. Any other failure is an error."""
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status > 0:
        raise SystemExit("the export failed; its error stands above")
    return status < 0


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
