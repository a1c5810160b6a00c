"""Deletes with a manifest that somebody has edited, and with ids of several accounts: all or nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.sandbox import Sandbox
from tests.unit.operators.test_delete_operator import completed, delete, export, listed


@pytest.fixture(autouse=True)
def _few(sandbox: Sandbox) -> None:
    sandbox.reset(replace(sandbox.config, images=6, videos=6, media_pixels=16))


def _deletes(sandbox: Sandbox) -> int:
    return sum(count for operation, count in sandbox.stats.requests.items() if operation.startswith("DELETE"))


JUNK: list[Any] = [None, "", "other", 0, -1, [], {}, [None], ["x"], True, 1.5, "jsonl", "csv", "parquet"]


@pytest.mark.parametrize("kind", ["image", "video"])
def test_an_edited_manifest_is_refused_or_changes_nothing(sandbox: Sandbox, tmp_path: Path, kind: str) -> None:
    manifest = Path(export(kind, tmp_path)["manifest"])
    whole = json.loads(manifest.read_text())
    ids = [*completed(sandbox, kind), f"{completed(sandbox, kind)[0]}0"]
    edits = [{name: value for name, value in whole.items() if name != gone} for gone in whole]
    edits += [{**whole, name: value} for name in whole for value in JUNK]
    edits += [{**whole, "parts": [{**whole["parts"][0], name: value}]} for name in whole["parts"][0] for value in JUNK]
    for edited in edits:
        manifest.write_text(json.dumps(edited))
        with pytest.raises(MiniMaxBadRequestError, match=r"Nothing was (deleted|changed)"):
            delete(ids, confirm_exported=str(manifest))
    assert _deletes(sandbox) == 0


@pytest.mark.parametrize("order", [1, -1])
def test_ids_of_an_account_that_is_not_the_connections_delete_nothing(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, order: int
) -> None:
    ours = listed(sandbox, "image")[0]
    account = ours.partition("minimax:")[2].partition("-")[0]
    connection = {"conn_type": "minimax", "password": sandbox.token, "host": f"{sandbox.url}/v1/minimax"}
    connection["extra"] = {"account": account}  # type: ignore[assignment]
    monkeypatch.setenv("AIRFLOW_CONN_MINIMAX_DEFAULT", json.dumps(connection))
    ids = [ours, ours.replace(f"minimax:{account}", "minimax:other")][::order]
    with pytest.raises(MiniMaxBadRequestError, match="belongs to account other"):
        delete(ids, force=True)
    assert _deletes(sandbox) == 0


def test_ids_come_in_every_form(sandbox: Sandbox) -> None:
    first, second, third, fourth = listed(sandbox, "video")[:4]
    image = {"imageId": listed(sandbox, "image")[0]}
    counts = delete([[{"videoId": first}, image], [second, f" {second} "], f"['{third}']", [[fourth]]], force=True)
    assert counts == {"images": 1, "videos": 4}


WRONG: list[Any] = [None, "", " ", "1234", ["x"], [None], {}, {"fileID": "user:1-minimax:1-file:1"}, 7, True, "[", "{}"]


@pytest.mark.parametrize("wrong", [*WRONG, "None", "user:1-minimax:1-file:1", "user:1-minimax:1-image:../files", b"x"])
def test_a_wrong_id_among_right_ones_deletes_nothing(sandbox: Sandbox, wrong: object) -> None:
    with pytest.raises(MiniMaxBadRequestError):
        delete([listed(sandbox, "image")[0], wrong], force=True)
    with pytest.raises(MiniMaxBadRequestError):
        delete(wrong, force=True)
    assert _deletes(sandbox) == 0
