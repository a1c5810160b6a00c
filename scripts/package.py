"""Build wheel and sdist, check them as the package index does, and list what an installed wheel consists of.

Run by ``make package``. The list (an SBOM in the form of CycloneDX) names the wheel and all that it brings, Airflow
included, in the versions of ``constraints.txt``. It stands beside ``dist``, which holds what is uploaded and no more.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from scripts.local_airflow import ROOT, STATE
from scripts.matrix import CONSTRAINTS, Row, make

DIST = ROOT / "dist"
SBOM = ROOT / "sbom"


def main() -> int:
    """Build, check and list; 0 when all is well."""
    for folder in (DIST, SBOM):
        shutil.rmtree(folder, ignore_errors=True)
    tools = Path(sys.executable).parent
    try:
        _run(sys.executable, "-m", "hatchling", "build", "--directory", str(DIST))
        (wheel,) = DIST.glob("*.whl")
        _run(sys.executable, "-m", "twine", "check", "--strict", *map(str, sorted(DIST.iterdir())))
        _run(str(tools / "check-wheel-contents"), str(wheel))
        SBOM.mkdir()
        _run(
            *(str(tools / "cyclonedx-py"), "environment", "--output-reproducible", "--mc-type", "library"),
            *("--pyproject", "pyproject.toml", "--output-file", str(SBOM / f"{wheel.stem}.cdx.json")),
            str(make(Row("sbom", CONSTRAINTS), STATE / "matrix" / "sbom", [str(wheel), *CONSTRAINTS])),
        )
    except subprocess.CalledProcessError as failed:
        return failed.returncode
    for path in (*sorted(DIST.iterdir()), *SBOM.iterdir()):
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")
    return 0


def _run(*command: str) -> None:
    subprocess.run(command, cwd=ROOT, check=True)
