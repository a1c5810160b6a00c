"""``python -m bench._peak URL TOKEN FOLDER [video]``: export, and print the peak memory of the process in kB."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from airflow_provider_minimax.api.kinds import MEDIA_KINDS
from bench._sandbox import Service
from bench.export import export


def peak() -> int:
    """Return the peak memory in kB. On Linux from /proc: ``getrusage`` remembers the parent's own."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1])


if __name__ == "__main__":
    kind = MEDIA_KINDS["video" if sys.argv[4:] == ["video"] else "image"]
    export(Service(*sys.argv[1:3]), Path(sys.argv[3]), kind=kind)
    print(peak())
