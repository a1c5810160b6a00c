"""Which requests a create sends before and with its POST: counted, for each way to choose an account."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.submission.record_store import KEY
from tests.unit.operators.creates import make
from tests.unit.operators.support import CREATE, Task

pytestmark = pytest.mark.usefixtures("fast_creates")

ACCOUNTS, ROOM = "GET /accounts", "GET /scheduler/available"
#: Such that neither the account's price list is needed nor a first page is so short that it is read twice.
CONFIG: dict[str, Any] = {"images": 60, "videos": 60}
OPTIONS = {
    "image": {"model": "nano-banana-2", "resolution": "1K"},
    "video": {"model": "T2V-2.3", "options": "768p-6sec"},
}


def sent(sandbox: Sandbox, kind: str, *, known: int | None = 30, **options: Any) -> list[str]:
    """Return the requests of one create that does not wait.

    :param known: how many jobs its record then knows of each account; None for an account that it does not know.
    """
    before, task = len(sandbox.calls), Task()
    task.run(make(kind, **OPTIONS[kind], **options, wait_for_completion=False))
    stored = task.store.get(KEY)["known_ids"].values()
    assert {len(ids) for ids in stored} == ({known} - {None})
    return [call.operation for call in sandbox.calls[before:]]


@pytest.mark.parametrize("kind", ["image", "video"])
def test_an_account_that_is_named_or_the_only_one_needs_no_list_of_accounts(sandbox: Sandbox, kind: str) -> None:
    page = f"GET /{kind}s/"
    sandbox.reset(replace(sandbox.config, **CONFIG))
    assert sent(sandbox, kind) == [page, CREATE[kind]]
    assert sent(sandbox, kind, account=sandbox.accounts[0]) == [page, CREATE[kind]]
    sandbox.reset(replace(sandbox.config, **CONFIG, accounts=3))
    assert sent(sandbox, kind, account=sandbox.accounts[1]) == [page, CREATE[kind]]
    assert sent(sandbox, kind, account="auto") == [ACCOUNTS, ROOM, page, CREATE[kind]]


def test_of_several_accounts_that_the_service_chooses_from_each_list_is_read(sandbox: Sandbox) -> None:
    sandbox.reset(replace(sandbox.config, **CONFIG, accounts=3))
    page = "GET /videos/"
    # The first page is refused: it names no account, and there are several.
    assert sent(sandbox, "video") == [page, ACCOUNTS, page, page, page, CREATE["video"]]


@pytest.mark.parametrize("kind", ["image", "video"])
def test_an_empty_list_names_no_account(sandbox: Sandbox, kind: str) -> None:
    sandbox.reset(replace(sandbox.config, images=0, videos=0))
    page = f"GET /{kind}s/"
    # The service does not count videos, so nothing confirms that there is none.
    assert sent(sandbox, kind, known=0 if kind == "image" else None) == [page, page, ACCOUNTS, CREATE[kind]]


def test_an_account_in_error_beside_a_healthy_one_is_not_read(sandbox: Sandbox) -> None:
    sandbox.reset(replace(sandbox.config, **CONFIG, accounts=2, accounts_in_error=(1,)))
    page = "GET /videos/"
    assert sent(sandbox, "video") == [page, ACCOUNTS, page, CREATE["video"]]
