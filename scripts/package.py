"""Build wheel and sdist, check them as the package index does, and list what an installed wheel consists of.

Run by ``make package``. The list (an SBOM in the form of CycloneDX) names the wheel and all that it brings, Airflow
included, in the versions of ``constraints.txt``. It stands beside ``dist``, which holds what is uploaded and no more.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from airflow_provider_minimax import __version__
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
        listed = SBOM / f"airflow-provider-minimax-{__version__}.cdx.json"
        _run(
            *(str(tools / "cyclonedx-py"), "environment", "--output-reproducible", "--mc-type", "library"),
            *("--pyproject", "pyproject.toml", "--output-file", str(listed)),
            str(make(Row("sbom", CONSTRAINTS), STATE / "matrix" / "sbom", [str(wheel), *CONSTRAINTS])),
        )
        _name_version(listed)
    except subprocess.CalledProcessError as failed:
        return failed.returncode
    for path in (*sorted(DIST.iterdir()), *SBOM.iterdir()):
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")
    return 0


def _name_version(listed: Path) -> None:
    """Add the version to an SBOM: `pyproject.toml`, where its main component comes from, has none."""
    bill = json.loads(listed.read_text(encoding="utf-8"))
    bill["metadata"]["component"] |= {
        "version": __version__,
        "purl": f"pkg:pypi/airflow-provider-minimax@{__version__}",
    }
    listed.write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8")


def _run(*command: str) -> None:
    subprocess.run(command, cwd=ROOT, check=True)
