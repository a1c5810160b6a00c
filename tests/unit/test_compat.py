"""What differs between releases of Airflow and of common-compat, and that it is found in each."""

from __future__ import annotations

import ast
import asyncio
import threading
from typing import Any

import pytest
from airflow.sdk import Connection

from airflow_provider_minimax import compat
from airflow_provider_minimax.compat import AirflowNotFoundException, BaseHook, choose_reader, get_async_connection
from tests.support import ROOT


class Hook(BaseHook):
    """Tells which thread has read."""

    thread: int | None = None

    @classmethod
    def get_connection(cls, conn_id: str) -> Connection:
        cls.thread = threading.get_ident()
        return Connection(conn_id=conn_id, conn_type="minimax")

    @classmethod
    async def aget_connection(cls, conn_id: str) -> Connection:
        raise AssertionError("before Airflow 3.3.2 it fails beside another call to the supervisor")


async def with_a_hook(conn_id: str, hook: Any = None) -> Connection:
    """As common-compat has it from 1.17 on."""
    return Connection(conn_id=conn_id, conn_type="from common-compat")


async def without_a_hook(conn_id: str) -> Connection:
    """As common-compat had it before 1.17."""
    return await Hook.aget_connection(conn_id)


@pytest.mark.parametrize(
    ("offered", "conn_type"),
    [
        pytest.param(with_a_hook, "from common-compat", id="common-compat 1.17"),
        pytest.param(without_a_hook, "minimax", id="common-compat before 1.17"),
        pytest.param(None, "minimax", id="common-compat without it"),
    ],
)
def test_a_connection_is_read_whatever_common_compat_offers(offered: Any, conn_type: str) -> None:
    found = asyncio.run(choose_reader(offered)("c", Hook()))  # type: ignore[arg-type]
    assert (found.conn_id, found.conn_type) == ("c", conn_type)


def test_the_loop_is_not_blocked_by_what_reads_synchronously() -> None:
    asyncio.run(choose_reader(None)("c", Hook()))  # type: ignore[arg-type]
    assert Hook.thread not in (None, threading.get_ident())


def test_the_installed_common_compat_reads_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_THERE", '{"conn_type": "minimax", "password": "user:1-a"}')
    assert asyncio.run(get_async_connection("there", BaseHook())).password == "user:1-a"


@pytest.mark.usefixtures("undefined_connections")
def test_a_connection_that_is_not_there_is_an_error_of_its_own() -> None:
    with pytest.raises(AirflowNotFoundException, match="nowhere"):
        asyncio.run(get_async_connection("nowhere", BaseHook()))


def test_every_name_that_it_promises_is_there() -> None:
    assert [name for name in compat.__all__ if not hasattr(compat, name)] == []


def test_the_classes_are_those_that_common_compat_gives_other_providers() -> None:
    sdk = pytest.importorskip("airflow.providers.common.compat.sdk", reason="this common-compat has no such module")
    names = [name for name in compat.__all__ if isinstance(getattr(compat, name), type)]
    # The older ones have some of the names only.
    different = [name for name in names if getattr(sdk, name, getattr(compat, name)) is not getattr(compat, name)]
    assert different == []


def test_nothing_else_takes_names_from_a_module_that_some_release_lacks() -> None:
    """An unmodified Airflow 3.1.0 brings a common-compat without these modules."""
    lacking = ("airflow.providers.common.compat.sdk", "airflow.providers.common.compat.connection")
    found = {
        str(path.relative_to(ROOT))
        for folder in ("airflow_provider_minimax", "example_dags", "tests")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module in lacking
    }
    assert found == {"airflow_provider_minimax/compat.py"}
