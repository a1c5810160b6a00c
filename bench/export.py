"""The export: its time against loops that do less, its memory, and its formats."""

from __future__ import annotations

import inspect
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import requests
from airflow.sdk import ObjectStoragePath

from airflow_provider_minimax.api.client import MiniMaxClient
from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.export.exporter import export_images
from airflow_provider_minimax.export.options import ExportPlan
from bench._measuring import Row, median, ratio, show, times
from bench._rendered import site
from bench._sandbox import Service, sandbox

PAGE = 100


def main() -> bool:
    """Measure and print; return whether every bound was kept."""
    with tempfile.TemporaryDirectory(prefix="bench-export-") as folder:
        rows = [*waiting_for_pages(Path(folder)), *as_fast_as_it_goes(Path(folder))]
        rows += [mirror(Path(folder)), memory(Path(folder)), formats(Path(folder))]
    return show("Export", rows)


def export(service: Service, folder: Path, **plan: Any) -> dict[str, Any]:
    """Export into a new folder."""
    shutil.rmtree(folder, ignore_errors=True)
    client = MiniMaxClient(Settings(service.token, service.base_url))
    return export_images(client, plan=ExportPlan(**plan), folder=ObjectStoragePath(str(folder)))


def bare_loop(service: Service) -> int:
    """Follow the cursor and throw the pages away: what anybody would write first."""
    session, params, images = requests.Session(), {"limit": str(PAGE)}, 0
    session.headers["Authorization"] = f"Bearer {service.token}"
    while True:
        page = session.get(f"{service.base_url}/images/", params=params, timeout=60).json()
        images += len(page["images"])
        if not page["hasNext"]:
            return images
        params["lastImageId"] = page["images"][-1]["id"]


def http_operator(service: Service, path: Path) -> None:
    """Export with the generic operator of Airflow: every page in memory, then one file."""
    from airflow.providers.http.operators.http import HttpOperator

    os.environ["AIRFLOW_CONN_BENCH"] = service.connection("http", Authorization=f"Bearer {service.token}")

    def next_page(response: requests.Response) -> dict[str, Any] | None:
        page = response.json()
        return {"data": {"limit": PAGE, "lastImageId": page["images"][-1]["id"]}} if page["hasNext"] else None

    operator = HttpOperator(
        task_id="bench",
        http_conn_id="bench",
        method="GET",
        endpoint="v1/minimax/images/",
        data={"limit": PAGE},
        pagination_function=next_page,
        response_filter=lambda responses: [image for page in responses for image in page.json()["images"]],
    )
    images = inspect.unwrap(type(operator).execute)(operator, {})
    with path.open("w") as file:
        file.writelines(json.dumps(image) + "\n" for image in images)


def waiting_for_pages(folder: Path) -> list[Row]:
    """200 pages of 50 ms each: is anything but the wait to be felt?"""
    with sandbox(images=200 * PAGE, latency_seconds=0.05) as service:
        bare_loop(service)
        found = times(3, lambda: bare_loop(service), lambda: export(service, folder / "a"))
    share = ratio(found, 1, 0)
    what = f"{median(found, 1):.2f} s, a bare loop {median(found, 0):.2f} s: {share:.3f}"
    return [Row("200 pages at 50 ms, export / bare loop", what, "<= 1.05", share <= 1.05)]


def as_fast_as_it_goes(folder: Path) -> list[Row]:
    """20,000 images without a wait, from rendered pages: are parsing and writing hidden?"""
    # Each writes where nothing is, since to remove what was there takes time, too.
    numbers = itertools.count()
    with site(20_000) as served:
        service = served.service
        acts = [lambda: bare_loop(service), lambda: export(service, folder / f"a-{next(numbers)}")]
        has_operator = find_spec("airflow.providers.http") is not None
        if has_operator:
            acts.append(lambda: http_operator(service, folder / f"b-{next(numbers)}.jsonl"))
        found = times(1, *acts) and times(9, *acts)
    share, rate = ratio(found, 1, 0), 20_000 / median(found, 1)
    what = f"{rate:,.0f} images/s, {median(found, 1):.2f} s, a bare loop {median(found, 0):.2f} s: {share:.2f}"
    rows = [Row(f"20,000 images at 0 ms ({served.server}), export / bare loop", what, "<= 0.9", share <= 0.9)]
    if not has_operator:
        return [*rows, Row("HttpOperator / export", "the http provider is not installed", ">= 2", None)]
    share = ratio(found, 2, 1)
    what = f"{median(found, 2):.2f} s, export {median(found, 1):.2f} s: {share:.2f}"
    return [*rows, Row("20,000 images at 0 ms, HttpOperator / export", what, ">= 2", share >= 2)]


def mirror(folder: Path) -> Row:
    """What a sync costs after ten new images on 100,000."""
    with sandbox(images=100_000) as service:
        client = MiniMaxClient(Settings(service.token, service.base_url))
        path = ObjectStoragePath(str(folder / "s"))

        def sync() -> int:
            images: int = export_images(client, plan=ExportPlan(sync=True), folder=path)["images"]
            return images

        sync()
        service.add(10)
        before = service.requests()
        ((seconds,),) = times(1, sync)
        cost = service.requests() - before
        if sync() != 100_010:
            raise RuntimeError("the mirror does not hold all images")
    return Row("sync, 10 new images on 100,000", f"{cost} requests, {seconds:.2f} s", "<= 3", cost <= 3)


def memory(folder: Path) -> Row:
    """Peak memory of an export of 200,000 images, less that of one of 10,000."""
    peaks = []
    for images in (10_000, 200_000):
        with sandbox(images=images) as service:
            command = [sys.executable, "-m", "bench._peak", service.url, service.token, str(folder / "m")]
            peaks.append(int(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.split()[-1]))
    more = (peaks[1] - peaks[0]) / 1024
    what = f"{peaks[0] / 1024:.0f} MB and {peaks[1] / 1024:.0f} MB: {more:.1f} MB more"
    return Row("peak memory, 200,000 images less 10,000", what, "<= 20 MB", more <= 20)


def formats(folder: Path) -> Row:
    """The size of the same 10,000 images in each format."""
    names = ["jsonl", "jsonl.gz", "csv", *(["parquet"] if find_spec("pyarrow") else [])]
    with sandbox(images=10_000) as service:
        sizes = {name: export(service, folder / name, file_format=name)["bytes"] for name in names}
    found = ", ".join(f"{name} {sizes[name] / sizes['jsonl']:.3f}" for name in names[1:])
    return Row("size of 10,000 images / jsonl", found, "stated", None)
