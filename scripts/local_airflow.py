"""A private Airflow inside the clone: its settings, its secrets and its database.

Shared by the demo, the UI and the tests. Nothing here imports Airflow before the settings are in
place, since Airflow reads them when it is imported.
"""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

#: The clone.
ROOT = Path(__file__).resolve().parent.parent

#: Everything that an Airflow of this repository writes; ignored by git.
STATE = ROOT / ".airflow"

EXAMPLE_DAGS = ROOT / "example_dags"

#: Names by which a shell may carry the settings of another Airflow.
_FOREIGN_PREFIXES = ("AIRFLOW_", "_AIRFLOW_")

_LOOPBACK = "127.0.0.1,localhost"


def environment(home: Path, *, dags: Path) -> dict[str, str]:
    """Prepare the Airflow in ``home``; return the environment of a process that uses it and no other.

    Settings that the shell carries for another Airflow (its database, its connections) are not in it.

    :param home: the AIRFLOW_HOME; database, logs and all else of Airflow are below it.
    :param dags: the folder of the DAG files.
    """
    home.mkdir(parents=True, exist_ok=True)
    _write_secrets(home / "airflow.cfg")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN_PREFIXES)}
    for name in ("no_proxy", "NO_PROXY"):
        kept[name] = f"{kept[name]},{_LOOPBACK}" if kept.get(name) else _LOOPBACK
    return kept | _settings(home, dags=dags)


def _settings(home: Path, *, dags: Path) -> dict[str, str]:
    home = home.resolve()
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags.resolve()),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(home / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
        # Its default is a folder under the system's temporary one.
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(home / "bundles"),
        # Where the example DAGs write to.
        "MINIMAX_EXPORTS": str(home / "exports"),
        # Known to Airflow 3.1 and 3.2 only.
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }


def activate(home: Path, *, dags: Path) -> None:
    """Make this process, and those that it starts, use the Airflow in ``home`` and no other.

    To be called before Airflow is imported.
    """
    wanted = environment(home, dags=dags)
    for name in os.environ.keys() - wanted.keys():
        del os.environ[name]
    os.environ.update(wanted)


def prepare_database() -> None:
    """Create or upgrade the database of the active Airflow; quick when it is up to date.

    What ``airflow db migrate`` does, without the price of another process.
    """
    from airflow.utils.db import initdb

    initdb()


def _write_secrets(config: Path) -> None:
    """Write the keys that all components share, once, so that no two components make their own."""
    if config.exists():
        return
    fernet_key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    lines = [
        f"[core]\nfernet_key = {fernet_key}\n",
        f"[api]\nsecret_key = {secrets.token_hex(32)}\n",
        f"[api_auth]\njwt_secret = {secrets.token_hex(32)}\n",
    ]
    unfinished = config.with_suffix(f".{os.getpid()}")
    unfinished.touch(mode=0o600)
    unfinished.write_text("\n".join(lines), encoding="utf-8")
    unfinished.replace(config)
