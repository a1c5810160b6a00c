"""An export that is killed again and again: the process that does it, started by ``test_killed_exports``.

It imports everything once and forks, so that an attempt costs milliseconds. It runs no threads of its own, which a
fork would break; the sandbox is another process.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector
from airflow.sdk import BaseHook, ObjectStoragePath

from airflow_provider_minimax.api.client import MiniMaxClient
from airflow_provider_minimax.api.errors import MiniMaxError
from airflow_provider_minimax.api.kinds import MEDIA_KINDS
from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.export import contact_sheet  # noqa: F401 - warm before the first fork
from airflow_provider_minimax.export.exporter import export_images
from airflow_provider_minimax.export.formats import FORMATS
from airflow_provider_minimax.export.options import ExportPlan
from airflow_provider_minimax.media import downloader  # noqa: F401 - warm before the first fork
from airflow_provider_minimax.operators.images import MiniMaxExportImagesOperator

_NOBODY = 65534
#: Whether a child has ended, which it stays until it is waited for.
_PEEK = os.WEXITED | os.WNOHANG | os.WNOWAIT
#: Audit events of changes of the folder: a kill right before each of them is a crash window.
_CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir")


def main(options: dict[str, Any]) -> dict[str, Any]:
    """Run what the test requests: kills at given moments, or an export that the test itself interrupts."""
    # Airflow looks for all installed providers when it is first told of a file; once is enough.
    get_hook_lineage_collector().add_output_asset(context=ObjectStoragePath("/"), uri="/warm")
    connection = {"conn_type": "minimax", "password": options["token"], "host": options["base_url"]}
    os.environ["AIRFLOW_CONN_MINIMAX_DEFAULT"] = json.dumps(connection)
    return {
        "sweep": _sweep,
        "random": _at_random,
        "parts": _after_each_part,
        "refuse": _refuse,
        "store": _on_a_store,
        "stop": _stop,
        "work": _work,
    }[options["how"]](options)


def _worker(options: dict[str, Any]) -> Callable[[Path], None]:
    def work(folder: Path) -> None:
        client = MiniMaxClient(Settings(options["token"], options["base_url"]))
        # A Path would take one of the slashes of an address away.
        export_images(client, plan=plan, folder=ObjectStoragePath(str(folder).replace(":/", "://")), run="one")

    plan = ExportPlan(MEDIA_KINDS[options.get("kind", "image")], **options["plan"])
    if plan.file_format == "parquet":
        # Warm, as the others are.
        FORMATS["parquet"].write(io.BytesIO(), plan.columns).close()

    return work


def _sweep(options: dict[str, Any]) -> dict[str, Any]:
    """Kill before the first change of the folder, before the second, and so on; let each next attempt end.

    Each begins with a copy of the folder ``base``, if there is one. The last folder of each plan is undisturbed.
    """
    return {
        "sweeps": [
            _one_sweep(Path(options["folder"]) / name, options["base"], _worker(options | {"plan": plan}))
            for name, plan in options["plans"].items()
        ]
    }


def _one_sweep(parent: Path, base: str | None, work: Callable[[Path], None]) -> list[str]:
    folders = []
    for number in range(10_000):
        folder = parent / str(number)
        if base is not None:
            # Files are replaced and never changed, so that links will do.
            shutil.copytree(base, folder, copy_function=os.link)
        was_killed = _wait(_fork(lambda folder=folder, number=number: (_die_at(number, folder), work(folder))))
        _check(folder)
        if not was_killed:
            return [*folders, str(folder)]
        folders.append(str(folder))
        if _wait(_fork(lambda folder=folder: work(folder))):
            raise SystemExit("an attempt that was not killed has failed")
    raise SystemExit("the export never ended")


def _check(folder: Path) -> None:
    """Check that a manifest stands for a complete export."""
    if not (folder / "manifest.json").exists():
        return
    for part in json.loads((folder / "manifest.json").read_bytes())["parts"]:
        if hashlib.sha256((folder / part["name"]).read_bytes()).hexdigest() != part["sha256"]:
            raise SystemExit(f"the manifest in {folder} stands beside another {part['name']}")


def _die_at(number: int, folder: Path) -> None:
    _before_change(number, folder, lambda *_: os.kill(os.getpid(), signal.SIGKILL))


def _before_change(number: int, folder: Path, act: Callable[..., object]) -> None:
    """Do something before the nth change of a folder by this process; it receives the audit event."""
    left = number

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if not (event in _CHANGES or (event == "open" and arguments[1] in ("xb", "wb", "w"))):
            return
        if not str(arguments[0]).startswith(str(folder)):
            return
        left -= 1
        if left == -1:
            act(event, arguments)

    sys.addaudithook(hook)


def _refuse(options: dict[str, Any]) -> dict[str, Any]:
    """Remove the permission of a folder before given changes of it, and return the errors of the export."""
    work, errors = _worker(options), []
    for number in options["changes"]:
        folder = Path(options["folder"]) / str(number)
        folder.mkdir()
        if os.getuid() == 0:
            os.chown(folder, _NOBODY, _NOBODY)
        report, tell = os.pipe()
        _wait(_fork(lambda folder=folder, number=number, tell=tell: _work_until_refused(number, folder, work, tell)))
        os.close(tell)
        errors.append(json.loads(os.read(report, 65536)))
        folder.chmod(0o755)
        if _wait(_fork(lambda folder=folder: work(folder))):
            raise SystemExit("an undisturbed attempt has failed")
    return {"errors": errors}


def _work_until_refused(number: int, folder: Path, work: Callable[[Path], None], tell: int) -> None:
    if os.getuid() == 0:
        # To root nothing is refused.
        os.setuid(_NOBODY)
    _before_change(number, folder, lambda *_: folder.chmod(0o555))
    try:
        work(folder)
    except Exception as error:  # noqa: BLE001 - whatever it is, the test looks at it
        left = sorted(path.name for path in folder.iterdir())
        os.write(tell, json.dumps([type(error).__name__, str(error), left]).encode())


def _on_a_store(options: dict[str, Any]) -> dict[str, Any]:
    """Kill before each request that changes the bucket, or before these alone; let each next attempt end."""
    import s3fs.core

    work, folders = _worker(options), []
    call = s3fs.core.S3FileSystem._call_s3

    def killed(number: int, folder: Path) -> None:
        left = number

        async def counted(store: Any, method: str, *args: Any, **kwargs: Any) -> Any:
            nonlocal left
            left -= method.startswith(("put", "copy", "create", "upload", "complete", "delete", "abort"))
            if left == -1:
                os.kill(os.getpid(), signal.SIGKILL)
            return await call(store, method, *args, **kwargs)

        s3fs.core.S3FileSystem._call_s3 = counted
        s3fs.core.S3FileSystem.call_s3 = s3fs.core.sync_wrapper(counted)
        work(folder)

    for number in options["requests"] or range(10_000):
        folder = Path(options["folder"]) / str(number)
        was_killed = _wait(_fork(lambda folder=folder, number=number: killed(number, folder)))
        folders.append(str(folder))
        if not was_killed:
            break
        if _wait(_fork(lambda folder=folder: work(folder))):
            raise SystemExit("an attempt that was not killed has failed")
    return {"folders": folders}


def _stop(options: dict[str, Any]) -> dict[str, Any]:
    """Send SIGTERM before the first change of the folder, before the second, and so on; let each next attempt end.

    Returns for each what was changed, how the attempt ended, and whether a manifest exists then.
    """
    # Airflow imports its supervisor when it first reads a connection; once, before the forks, is enough.
    BaseHook.get_connection("minimax_default")
    stops, report = [], Path(options["folder"]) / "report"
    for number in range(10_000):
        folder = Path(options["folder"]) / str(number)
        report.write_text("")
        _wait(_fork(lambda folder=folder, number=number: _operate(options, folder, number)))
        _check(folder)
        stop = json.loads(report.read_text()) | {"folder": str(folder), "manifest": (folder / "manifest.json").exists()}
        if not stop["changed"]:
            return {"stops": stops, "undisturbed": str(folder)}
        stops.append(stop)
        if stop["error"]:
            _wait(_fork(lambda folder=folder: _operate(options, folder)))
    raise SystemExit("the export never ended")


def _work(options: dict[str, Any]) -> dict[str, Any]:
    """Export, and return how that ended."""
    return {"error": _outcome(options, Path(options["folder"]))}


def _operate(options: dict[str, Any], folder: Path, number: int = -1) -> None:
    changed = ""

    def stop(event: str, arguments: tuple[Any, ...]) -> None:
        # The change itself follows, in the main thread, after the handler has run.
        nonlocal changed
        changed = Path(arguments[1 if event == "os.rename" else 0]).name
        os.kill(os.getpid(), signal.SIGTERM)

    _before_change(number, folder, stop)
    error = _outcome(options, folder)
    (Path(options["folder"]) / "report").write_text(json.dumps({"changed": changed, "error": error}))


def _outcome(options: dict[str, Any], folder: Path) -> str | None:
    """Run the operator as Airflow's task runner does, and return its error."""
    operator = MiniMaxExportImagesOperator(task_id="export", output_path=str(folder), **options["plan"])
    signal.signal(signal.SIGTERM, lambda *_: operator.on_kill())
    ti = SimpleNamespace(dag_id="d", task_id="t", run_id="one", map_index=-1)
    try:
        MiniMaxExportImagesOperator.execute.__wrapped__(operator, {"ti": ti})  # type: ignore[attr-defined]
    except MiniMaxError as error:
        return f"{type(error).__name__}: {error}"
    return None


def _at_random(options: dict[str, Any]) -> dict[str, Any]:
    """Kill one export at random moments, then let it end; begin another where it ended too soon."""
    work, chance = _worker(options), random.Random(options["seed"])
    started = time.monotonic()
    if _wait(_fork(lambda: work(Path(options["folder"]) / "measured"))):
        raise SystemExit("an undisturbed export has failed")
    duration = time.monotonic() - started
    kills, folders = 0, []
    while kills < options["kills"]:
        folder = Path(options["folder"]) / str(len(folders))
        folders.append(str(folder))
        is_done = False
        while not is_done:
            child = _fork(lambda folder=folder: work(folder))
            if kills < options["kills"]:
                time.sleep(chance.uniform(0, duration / 6))
                os.kill(child, signal.SIGKILL)
            was_killed = _wait(child)
            kills += was_killed
            # It may have been complete already; a further attempt would be another export.
            is_done = not was_killed or _is_complete(folder)
    return {"kills": kills, "folders": folders}


def _after_each_part(options: dict[str, Any]) -> dict[str, Any]:
    """Kill one export whenever it has written another part, so often; then let it end."""
    work, folder, kills = _worker(options), Path(options["folder"]), 0
    folder.mkdir()
    while kills < options["kills"]:
        parts = len(list(folder.glob("*s-[0-9]*")))
        child = _fork(lambda: work(folder))
        while len(list(folder.glob("*s-[0-9]*"))) == parts and os.waitid(os.P_PID, child, _PEEK) is None:
            time.sleep(0.002)
        os.kill(child, signal.SIGKILL)
        if not _wait(child):
            raise SystemExit(f"the export ended after {kills} kills")
        kills += 1
    _wait(_fork(lambda: work(folder)))
    return {"kills": kills}


def _is_complete(folder: Path) -> bool:
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
    """Wait for a child, and return whether it was killed. Any other failure is an error."""
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status > 0:
        raise SystemExit("the export failed; see its error above")
    return status < 0


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))), flush=True)
    # A thread may still wait for a response, and nobody waits for it: Airflow ends a killed process after a while.
    os._exit(0)
