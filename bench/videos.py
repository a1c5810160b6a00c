"""The export of videos: an item costs what an image costs, in both forms of the list, and memory stays flat."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from airflow_provider_minimax.api.kinds import VIDEOS
from bench._measuring import Row, median, ratio, show, times
from bench._sandbox import sandbox
from bench.export import export

FORMS = {"array": "a bare array without times", "wrapped": "an object with times"}


def main() -> bool:
    """Measure and print; return whether every bound was kept."""
    with tempfile.TemporaryDirectory(prefix="bench-videos-") as folder:
        rows = [speed(Path(folder) / form, form) for form in FORMS] + [
            memory(Path(folder) / form, form) for form in FORMS
        ]
    return show("Export of videos", rows)


def speed(folder: Path, form: str) -> Row:
    """20,000 videos without a wait, against as many images, and each of them once."""
    # Each writes where nothing is, since to remove what was there takes time, too.
    numbers = itertools.count()
    with sandbox(images=20_000, videos=20_000, videos_form=form, video_times=form == "wrapped") as service:
        acts = [
            lambda kind=kind: export(service, folder / str(next(numbers)), **kind) for kind in ({}, {"kind": VIDEOS})
        ]
        found = times(1, *acts) and times(5, *acts)
    last = folder / str(next(numbers) - 1)
    ids = [json.loads(line)["videoId"] for part in last.glob("videos-*.jsonl") for line in part.open(encoding="utf-8")]
    if not len(ids) == len(set(ids)) == 20_000:
        raise RuntimeError("the export does not hold each video once")
    share = ratio(found, 1, 0)
    what = f"{20_000 / median(found, 1):,.0f} videos/s, {20_000 / median(found, 0):,.0f} images/s: {share:.2f}"
    return Row(f"20,000 videos at 0 ms, {FORMS[form]}, time / images", what, "<= 1.05", share <= 1.05)


def memory(folder: Path, form: str) -> Row:
    """Peak memory of an export of 100,000 videos, less that of one of 10,000."""
    peaks = []
    for videos in (10_000, 100_000):
        with sandbox(images=0, videos=videos, videos_form=form) as service:
            command = [sys.executable, "-m", "bench._peak", service.url, service.token, str(folder), VIDEOS.name]
            peaks.append(int(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.split()[-1]))
    more = (peaks[1] - peaks[0]) / 1024
    what = f"{peaks[0] / 1024:.0f} MB and {peaks[1] / 1024:.0f} MB: {more:.1f} MB more"
    return Row(f"peak memory, {FORMS[form]}, 100,000 videos less 10,000", what, "<= 10 MB", more <= 10)
