"""``python -m bench [part ...]``: run all parts and write ``BENCHMARKS.md``, or run those named."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys

import bench


def main(wanted: list[str]) -> int:
    """Run the parts; 0 when every bound was kept."""
    parts = sorted(module.name for module in pkgutil.iter_modules(bench.__path__) if not module.name.startswith("_"))
    unknown = set(wanted) - set(parts)
    if unknown:
        print(f"Unknown part: {', '.join(sorted(unknown))}. Known: {', '.join(parts)}.", file=sys.stderr)
        return 2
    # The failures here are deliberate, and their warnings would bury the table. Airflow reads this on import.
    os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "ERROR"
    # Not a generator: each part runs, also after one that broke a bound.
    kept = [importlib.import_module(f"bench.{part}").main() for part in wanted or parts]
    if not wanted:
        from bench import _measuring, _report

        _report.PATH.write_text(_report.report(_measuring.TABLES), encoding="utf-8")
        print(f"Wrote {_report.PATH.name}.")
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
