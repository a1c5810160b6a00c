"""Files of images: on a disk and in S3, against threads that do as much, and once more over files that are there."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import requests

from airflow_provider_minimax.api.client import MiniMaxClient
from airflow_provider_minimax.api.filters import Selection
from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.export.exporter import export_images
from airflow_provider_minimax.export.options import ExportPlan
from airflow_provider_minimax.storage.folders import folder_at
from bench._measuring import Row, costs, median, ratio, show
from bench._rendered import Site, site
from bench._sandbox import Service

FILES: Final = 496
#: Of which so many are completed.
_IMAGES: Final = 620
_THREADS: Final = 16
_PAIRS: Final = 7
_BUCKET: Final = "bench"
_CONNECTION: Final = "bench_s3"
#: Takes a number and the body of a file.
Put = Callable[[int, bytes], object]


def main() -> bool:
    """Measure and print; return whether every bound was kept."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-media-") as folder,
        site(_IMAGES, media_seconds=0.05) as served,
    ):
        urls = _urls(served.service)
        rows = [*on_a_disk(served, urls, Path(folder)), *in_a_store(served, urls)]
    return show(f"Media: {FILES} files of 200 kB at 50 ms ({served.server})", rows)


def _urls(service: Service) -> list[str]:
    client = MiniMaxClient(Settings(service.token, service.base_url))
    completed = (image for image in client.iter_images() if image["statusLabel"] == "completed")
    return [image["downloadURL"] or image["videoURL"] for image in itertools.islice(completed, FILES)]


def _export(service: Service, path: str) -> None:
    client = MiniMaxClient(Settings(service.token, service.base_url))
    plan = ExportPlan(selection=Selection.parse(["completed"]), max_images=FILES, download_media=True)
    summary = export_images(client, plan=plan, folder=folder_at(path, None))
    if (summary["media_files"], summary["media_failed"]) != (FILES, 0):
        raise RuntimeError("not all files were fetched")


def _plain_threads(urls: list[str], put: Put) -> None:
    """Fetch, hash and put away with as many threads: what anybody would write first."""
    sessions = threading.local()

    def fetch(number: int, url: str) -> None:
        if not hasattr(sessions, "session"):
            sessions.session = requests.Session()
        body = sessions.session.get(url, timeout=60).content
        put(number, body)

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(fetch, range(len(urls)), urls))


def _name(number: int, body: bytes) -> str:
    return f"{number}-{hashlib.sha256(body).hexdigest()[:16]}.png"


def _rows(what: str, bound: float, seconds: list[tuple[float, ...]], cpu: list[tuple[float, ...]]) -> list[Row]:
    """Return rows for threads, an export, and the same one once more."""
    share, per_file, again = ratio(seconds, 1, 0), ratio(cpu, 1, 0), ratio(seconds, 2, 1)
    ms = [1000 * median(cpu, act) / FILES for act in range(3)]
    found = f"{median(seconds, 1):.2f} s, threads {median(seconds, 0):.2f} s: {share:.3f}"
    used = f"{ms[1]:.2f} ms, threads {ms[0]:.2f} ms: {per_file:.2f}"
    rerun = f"{median(seconds, 2):.2f} s ({ms[2]:.2f} ms of CPU a file): {again:.3f}"
    return [
        Row(f"{what}, export / {_THREADS} threads", found, f"<= {bound}", share <= bound),
        Row(f"{what}, CPU a file, export / threads", used, "<= 1.2", per_file <= 1.2),
        Row(f"{what}, export over files that are there / first", rerun, "<= 0.2", again <= 0.2),
    ]


# On a disk


def on_a_disk(served: Site, urls: list[str], folder: Path) -> list[Row]:
    """A folder."""
    # Each writes where nothing is, since to remove what was there takes time, too.
    numbers = itertools.count()

    def threads() -> None:
        target = folder / f"threads-{next(numbers)}"
        target.mkdir()
        _plain_threads(urls, lambda number, body: (target / _name(number, body)).write_bytes(body))

    curl = shutil.which("curl")

    def connections() -> None:
        config = folder / "curl.txt"
        config.write_text("".join(f'url = "{url}"\noutput = "{folder}/c/{n}.png"\n' for n, url in enumerate(urls)))
        options = ["--silent", "--no-progress-meter", "--fail", "--create-dirs", "--parallel", "--parallel-max"]
        command = [str(curl), *options, str(_THREADS), "--config", str(config)]
        shutil.rmtree(folder / "c", ignore_errors=True)
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)

    acts = [
        threads,
        lambda: _export(served.service, str(folder / f"export-{next(numbers)}")),
        lambda: _export(served.service, str(folder / f"export-{next(numbers) - 1}")),
        *([connections] if curl else []),
    ]
    seconds, cpu = costs(_PAIRS, *acts)
    what = "on a disk, export / curl"
    if curl is None:
        return [*_rows("on a disk", 1.05, seconds, cpu), Row(what, "curl is not installed", "stated", None)]
    found = f"curl {median(seconds, 3):.2f} s: {ratio(seconds, 1, 3):.3f}"
    return [*_rows("on a disk", 1.05, seconds, cpu), Row(what, found, "stated", None)]


# In S3


def in_a_store(served: Site, urls: list[str]) -> list[Row]:
    """A store with the API of S3."""
    missing = [name for name in ("boto3", "s3fs", "airflow.providers.amazon") if find_spec(name) is None]
    if missing:
        return [Row(f"in S3, export / {_THREADS} threads", f"not installed: {', '.join(missing)}", "<= 1.1", None)]
    client = _connect(served.store)
    numbers = itertools.count()

    def threads() -> None:
        prefix = f"threads-{next(numbers)}"
        _plain_threads(
            urls,
            lambda number, body: client.put_object(Bucket=_BUCKET, Key=f"{prefix}/{_name(number, body)}", Body=body),
        )

    seconds, cpu = costs(
        _PAIRS,
        threads,
        lambda: _export(served.service, f"s3://{_CONNECTION}@{_BUCKET}/export-{next(numbers)}"),
        lambda: _export(served.service, f"s3://{_CONNECTION}@{_BUCKET}/export-{next(numbers) - 1}"),
    )
    return _rows("in S3", 1.1, seconds, cpu)


def _connect(url: str) -> Any:
    """Define Airflow's connection to a store, and return a plain client of it: an extra may be missing."""
    login = {"region_name": "us-east-1", "endpoint_url": url}
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
    connection = {"conn_type": "aws", "login": "key", "password": "secret", "extra": login}
    os.environ[f"AIRFLOW_CONN_{_CONNECTION.upper()}"] = json.dumps(connection)
    config = import_module("botocore.config").Config(max_pool_connections=_THREADS)
    return import_module("boto3").client("s3", config=config, **keys, **login)
