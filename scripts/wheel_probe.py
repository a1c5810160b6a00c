"""What a user does with the wheel, in an Airflow that has nothing else of this repository.

Run by `make wheel` in each environment, as a file: ``python -P wheel_probe.py form``. Each probe prints what it has
found, and ends with a message when that is not what the wheel promises.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import airflow_provider_minimax

PACKAGE = Path(airflow_provider_minimax.__path__[0])
AIRFLOW = Path(sys.executable).with_name("airflow")
DAG = "example_minimax_wait"


def listed() -> str:
    """Ask Airflow for the provider."""
    output = _airflow("providers", "get", "airflow-provider-minimax", "--output", "json")
    (found,) = json.loads(output[output.index("[") :])
    _expect(found["Version"] == airflow_provider_minimax.__version__, found)
    return str(found["Version"])


def form() -> str:
    """Ask Airflow for the connection form, as its pages do."""
    from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService

    found = [meta.model_dump() for meta in HookMetaService.hook_meta_data() if meta.connection_type == "minimax"]
    _expect(len(found) == 1, "the connection type is not listed")
    standard, extra = found[0]["standard_fields"] or {}, found[0]["extra_fields"] or {}
    _expect((standard.get("password") or {}).get("title") == "API token", f"no field for the token: {found}")
    _expect({"account", "check_inputs"} <= set(extra), f"extra fields: {sorted(extra)}")
    return f"{len(extra)} fields"


def examples() -> str:
    """Copy the example DAGs out of the wheel, and let Airflow parse them."""
    # The second one is of Airflow 3.1.
    module = next(name for name in ("airflow.dag_processing.dagbag", "airflow.models.dagbag") if find_spec(name))
    folder = Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
    shutil.copytree(PACKAGE / "example_dags", folder, dirs_exist_ok=True)
    bag = import_module(module).DagBag(dag_folder=folder)
    _expect(not bag.import_errors, bag.import_errors)
    _expect(not bag.captured_warnings, bag.captured_warnings)
    _expect(set(bag.dags) == {path.stem for path in folder.glob("*.py")}, sorted(bag.dags))
    return f"{len(bag.dags)} parsed"


def run() -> str:
    """Run an example DAG against the sandbox that comes with the wheel."""
    from airflow_provider_minimax.sandbox import Sandbox, SandboxConfig

    _airflow("db", "migrate")
    with Sandbox(SandboxConfig(images=3, step_seconds=0.1)) as sandbox:
        connection = {"conn_type": "minimax", "host": sandbox.url, "password": sandbox.token}
        os.environ["AIRFLOW_CONN_MINIMAX_DEFAULT"] = json.dumps(connection)
        _airflow("dags", "test", DAG)
        made = {kind: sandbox.stats.count(f"POST /{kind}/create") for kind in ("images", "videos")}
        _expect(made == {"images": 1, "videos": 1}, made)
    return "1 image, 1 video"


def _airflow(*arguments: str) -> str:
    done = subprocess.run([AIRFLOW, *arguments], capture_output=True, text=True)
    _expect(done.returncode == 0, f"airflow {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout


def _expect(is_so: bool, otherwise: object) -> None:
    if not is_so:
        sys.exit(str(otherwise))


if __name__ == "__main__":
    _expect("site-packages" in PACKAGE.parts, f"not the wheel: {PACKAGE}")
    # The last line, behind what Airflow prints.
    print({probe.__name__: probe for probe in (listed, form, examples, run)}[sys.argv[1]]())
