"""Run example DAGs in a process of their own, whose Airflow emits events of OpenLineage as it is configured.

Airflow reads that configuration once, and so must not have run anything before.
"""

from __future__ import annotations

import json
import sys

from tests.integration.dags import Run, example


def main() -> None:
    """Run the DAGs that the JSON object of the first argument names, each with its ``conf``, one after the other."""
    for name, conf in json.loads(sys.argv[1]).items():
        run = Run(example(name).dag, **conf)
        assert run.state == "success", run.states


if __name__ == "__main__":
    main()
