"""Exports to an object store: the real API of S3, spoken by moto's server on loopback."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.io import store

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.operators.files import MiniMaxUploadFileOperator
from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.storage.base import DraftGoneError, Storage
from airflow_provider_minimax.storage.folders import folder_at, storage_at
from airflow_provider_minimax.storage.object_store import BLOCK_BYTES
from tests.integration.buckets import BUCKET, Bucket, export
from tests.support import ROOT, connect, export_to, files

LIST = "GET /images/"
EVERYTHING = {"part_rows": 25, "download_media": True, "contact_sheet": True}


def test_a_bucket_holds_what_a_folder_would(sandbox: Sandbox, bucket: Bucket, tmp_path: Path) -> None:
    summary = export("night", **EVERYTHING)
    export_to(str(tmp_path), **EVERYTHING)
    assert bucket.files("night") == files(tmp_path)
    # Airflow's way to write it: an ``ObjectStoragePath`` made of this finds its connection again.
    assert summary["path"] == f"s3://s3_test@{BUCKET}/night"
    assert summary["manifest"] == f"s3://s3_test@{BUCKET}/night/manifest.json"
    fetched = sandbox.stats.count("GET /media/{name}")
    export("night", **EVERYTHING)
    assert bucket.files("night") == files(tmp_path)
    assert sandbox.stats.count("GET /media/{name}") == fetched


def test_a_failed_attempt_leaves_no_half_part_and_the_next_resumes(
    sandbox: Sandbox, bucket: Bucket, tmp_path: Path
) -> None:
    sandbox.reset(replace(sandbox.config, images=300, page_cap=20))
    export_to(str(tmp_path), part_rows=70)
    sandbox.fail("401", operation=LIST, skip=10)
    with pytest.raises(errors.MiniMaxAuthError):
        export("broken", part_rows=70)
    there = bucket.files("broken")
    assert set(there) == {"checkpoint.json", "images-00000.jsonl", "images-00001.jsonl"}
    assert there["images-00001.jsonl"] == files(tmp_path)["images-00001.jsonl"]
    before = sandbox.stats.requests[LIST]
    export("broken", part_rows=70)
    assert bucket.files("broken") == files(tmp_path)
    assert sandbox.stats.requests[LIST] - before <= 15 - 7 + 1


def test_a_missing_bucket_is_a_clear_error(sandbox: Sandbox, bucket: Bucket) -> None:
    with pytest.raises(errors.MiniMaxBadRequestError, match=r"cannot be written: .*bucket"):
        export_to("s3://no-such-bucket/x", storage_conn_id="s3_test")


def test_an_unreachable_store_is_a_clear_error(
    sandbox: Sandbox, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = {"endpoint_url": "http://127.0.0.1:9", "config_kwargs": {"retries": {"max_attempts": 0}}}
    connection = {"conn_type": "aws", "login": "key", "password": "secret", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_S3_AWAY", json.dumps(connection))
    with pytest.raises(errors.MiniMaxError, match=r"127\.0\.0\.1:9"):
        export_to(f"s3://{BUCKET}/x", storage_conn_id="s3_away")


def test_a_sync_adds_to_a_bucket(sandbox: Sandbox, bucket: Bucket) -> None:
    export("mirror", mode="sync", **EVERYTHING)
    first = bucket.files("mirror")
    sandbox.arrive(10)
    assert export("mirror", mode="sync", **EVERYTHING)["images"] == 70
    second = bucket.files("mirror")
    assert {name: second[name] for name in first if name.startswith("images-")} == {
        name: body for name, body in first.items() if name.startswith("images-")
    }
    assert set(second) - set(first) > {"images-00003.jsonl"}


def test_a_sync_searches_the_bucket_for_the_files_of_new_images_only(
    sandbox: Sandbox, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    import s3fs

    export("mirror", mode="sync", download_media=True)
    sandbox.arrive(3)
    searched: list[str] = []
    iterate = s3fs.S3FileSystem._iterdir

    def noting(self: Any, bucket: str, *args: Any, prefix: str = "", **options: Any) -> Any:
        searched.append(prefix)
        return iterate(self, bucket, *args, prefix=prefix, **options)

    monkeypatch.setattr(s3fs.S3FileSystem, "_iterdir", noting)
    assert export("mirror", mode="sync", download_media=True)["images"] == 63
    media = [prefix for prefix in searched if prefix.startswith("mirror/media/")]
    assert len(media) <= 3
    assert all(re.fullmatch(r"mirror/media/\d+-", prefix) for prefix in media)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The requests to the store, by operation."""
    from aiobotocore.client import AioBaseClient

    counted: Counter[str] = Counter()
    real = AioBaseClient._make_api_call

    def note(self: Any, operation: str, parameters: Any) -> Any:
        counted[operation] += 1
        return real(self, operation, parameters)

    monkeypatch.setattr(AioBaseClient, "_make_api_call", note)
    return counted


def test_a_whole_export_is_exported_again_with_as_many_requests_for_many_files_as_for_few(
    sandbox: Sandbox, bucket: Bucket, calls: Counter[str]
) -> None:
    found = []
    for images in (60, 180):
        sandbox.reset(replace(sandbox.config, images=images))
        summary = export(f"again-{images}", download_media=True)
        before, fetched = bucket.files(f"again-{images}"), sandbox.stats.count("GET /media/{name}")
        calls.clear()
        assert export(f"again-{images}", download_media=True) == summary
        assert bucket.files(f"again-{images}") == before
        assert sandbox.stats.count("GET /media/{name}") == fetched == summary["media_files"]
        found.append(calls.total())
    # A page more of the service's list takes some, and 120 more files take none.
    assert found[1] - found[0] < 10


def test_an_export_takes_few_requests_beside_its_files(sandbox: Sandbox, bucket: Bucket, calls: Counter[str]) -> None:
    """They come one after the other, so on a store far away they are seconds."""
    files = export("few", download_media=True)["media_files"]
    first = calls.total() - files
    calls.clear()
    export("few", download_media=True)
    assert first <= 52
    assert calls.total() <= 56


def test_an_object_of_another_size_is_fetched_again(sandbox: Sandbox, bucket: Bucket) -> None:
    export("sizes", download_media=True)
    before, fetched = bucket.files("sizes"), sandbox.stats.count("GET /media/{name}")
    key, body = next((name, body) for name, body in before.items() if name.startswith("media/"))
    bucket.client.put_object(Bucket=BUCKET, Key=f"sizes/{key}", Body=body[:-1])
    export("sizes", download_media=True)
    assert bucket.files("sizes") == before
    assert sandbox.stats.count("GET /media/{name}") == fetched + 1


def kill(sandbox: Sandbox, prefix: str, **options: Any) -> list[str]:
    """Kill exports to the bucket before given requests that change it, and let each next attempt end."""
    options |= {"how": "store", "folder": f"s3://s3_test@{BUCKET}/{prefix}"}
    options |= {"base_url": sandbox.base_url, "token": sandbox.token}
    command = [sys.executable, "-m", "tests.integration.killing", json.dumps(options)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=600)
    folders: list[str] = json.loads(done.stdout.splitlines()[-1])["folders"]
    return [folder.rpartition("/")[2] for folder in folders]


def test_killed_before_each_change_of_a_bucket(sandbox: Sandbox, bucket: Bucket, tmp_path: Path) -> None:
    plan = {"max_images": 1, "download_media": True}
    export_to(str(tmp_path), **plan)
    prefixes = kill(sandbox, "killed", plan=plan, requests=None)
    assert len(prefixes) > 12
    for prefix in prefixes:
        assert bucket.files(f"killed/{prefix}") == files(tmp_path)


def test_half_an_upload_does_not_stay_after_a_kill(sandbox: Sandbox, bucket: Bucket, tmp_path: Path) -> None:
    """The store would keep it, and charge for it, for ever."""
    sandbox.reset(replace(sandbox.config, images=7_000))
    export_to(str(tmp_path))
    # Before the first block, after it, and before the file is put together.
    for prefix in kill(sandbox, "large", plan={}, requests=[5, 6, 7]):
        assert bucket.files(f"large/{prefix}") == files(tmp_path)
    assert bucket.uploads() == []


@pytest.mark.parametrize(("config", "found"), [({}, 32), ({"max_pool_connections": 3}, 3)], ids=["ours", "theirs"])
def test_each_thread_that_stores_a_file_finds_a_connection(
    monkeypatch: pytest.MonkeyPatch, config: dict[str, int], found: int
) -> None:
    """The library of S3 opens 10, unless the connection of Airflow says how many."""
    extra = {"endpoint_url": "http://127.0.0.1:9", "region_name": "us-east-1", "config_kwargs": config}
    connection = {"conn_type": "aws", "login": "key", "password": "secret", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_S3_POOL", json.dumps(connection))
    monkeypatch.setattr(store, "_STORE_CACHE", {})
    folder = folder_at(f"s3://{BUCKET}/pool", "s3_pool")
    storage_at(folder)
    assert folder.fs.s3.meta.config.max_pool_connections == found


# Two attempts in one bucket


def attempt(prefix: str) -> Storage:
    return storage_at(folder_at(f"s3://{BUCKET}/{prefix}", "s3_test"))


@pytest.mark.parametrize("before", [None, b"theirs before"], ids=["none", "another"])
def test_a_late_takeover_does_not_replace_another_one(bucket: Bucket, before: bytes | None) -> None:
    one, two = attempt("claim"), attempt("claim")
    if before is not None:
        one.write("checkpoint.json", before)

    def is_seen(body: bytes | None) -> bool:
        # The other attempt is quicker.
        assert two.replace("checkpoint.json", b"two", lambda body: body == before)
        return body == before

    assert not one.replace("checkpoint.json", b"one", is_seen)
    assert one.read("checkpoint.json") == b"two"
    assert two.replace("checkpoint.json", b"three", lambda body: body == b"two")
    assert one.read("checkpoint.json") == b"three"


def test_a_draft_that_a_rival_has_discarded_is_not_published(bucket: Bucket) -> None:
    one, two = attempt("published"), attempt("published")
    one.publish("manifest.json", b"old", lambda: None)
    with pytest.raises(DraftGoneError):
        one.publish("manifest.json", b"new", lambda: two.discard_drafts([one.token]))
    assert bucket.files("published") == {"manifest.json": b"old"}


ACCESS_POINT = "arn:aws:s3:us-east-1:123456789012:accesspoint/team"


@pytest.mark.parametrize(("root", "prefix"), [(ACCESS_POINT, ""), (f"{ACCESS_POINT}/a/b", "a/b/")])
def test_an_access_point_is_a_bucket_whatever_is_requested(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, root: str, prefix: str
) -> None:
    import s3fs.core

    requests = set()

    async def recorded(_: object, method: str, *__: object, **request: Any) -> dict[str, Any]:
        source = request.get("CopySource", {"Bucket": None, "Key": None})
        requests.add((method, request["Bucket"], request.get("Key", request.get("Prefix")), *source.values()))
        return {"ETag": "x"}

    monkeypatch.setattr(s3fs.core.S3FileSystem, "_call_s3", recorded)
    monkeypatch.setattr(s3fs.core.S3FileSystem, "call_s3", s3fs.core.sync_wrapper(recorded))
    storage = storage_at(folder_at(f"s3://{root}", "s3_test"))
    monkeypatch.setattr(storage, "read", lambda _: b"before")
    monkeypatch.setattr(storage, "etag", lambda _: "x")
    storage.publish("manifest.json", b"new", lambda: None)
    assert storage.replace("checkpoint.json", b"new", lambda _: True)
    storage.abort_uploads(lambda _: True)
    draft = f"{prefix}.minimax-{storage.token}.unfinished"
    assert requests == {
        ("put_object", ACCESS_POINT, draft, None, None),
        ("copy_object", ACCESS_POINT, f"{prefix}manifest.json", ACCESS_POINT, draft),
        ("delete_object", ACCESS_POINT, draft, None, None),
        ("put_object", ACCESS_POINT, f"{prefix}checkpoint.json", None, None),
        ("list_multipart_uploads", ACCESS_POINT, prefix, None, None),
    }


@pytest.mark.parametrize("size", [5, BLOCK_BYTES + 1], ids=["one request", "several"])
def test_a_new_file_replaces_no_other_one(bucket: Bucket, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Also if the other one appeared after the check."""
    import s3fs

    one = attempt(f"new-{size}")
    one.write("part", b"theirs", is_new=True)
    with pytest.raises(FileExistsError):
        one.write("part", b"x" * size, is_new=True)
    monkeypatch.setattr(s3fs.S3FileSystem, "exists", lambda *_, **__: False)
    with pytest.raises(FileExistsError):
        one.write("part", b"x" * size, is_new=True)
    assert bucket.files(f"new-{size}") == {"part": b"theirs"}
    assert bucket.uploads() == []


def test_a_part_that_was_replaced_by_one_of_equal_size_prevents_the_manifest(
    sandbox: Sandbox, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.reset(replace(sandbox.config, images=60, page_cap=20))
    publish, key = type(attempt("any")).publish, "tampered/images-00000.jsonl"

    def tamper(self: Any, name: str, body: bytes, check: Any) -> None:
        if name == "manifest.json":
            there = bucket.files("tampered")["images-00000.jsonl"]
            bucket.client.put_object(Bucket=BUCKET, Key=key, Body=there[::-1])
        publish(self, name, body, check)

    monkeypatch.setattr(type(attempt("any")), "publish", tamper)
    with pytest.raises(errors.MiniMaxError, match=r"images-00000\.jsonl is not what was written there"):
        export("tampered", part_rows=25)
    assert "manifest.json" not in bucket.files("tampered")


# What cannot be reached


def test_the_path_may_name_the_connection(sandbox: Sandbox, bucket: Bucket) -> None:
    summary = export_to(f"s3://s3_test@{BUCKET}/named")
    assert summary["path"] == f"s3://s3_test@{BUCKET}/named"
    assert "manifest.json" in bucket.files("named")


@pytest.fixture
def _no_credentials(bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A worker with none of its own, on a machine without a service that gives some."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(store, "_STORE_CACHE", {})


@pytest.mark.usefixtures("_no_credentials")
@pytest.mark.parametrize(
    ("path", "conn_id", "words"),
    [
        (
            f"s3://missing@{BUCKET}/x",
            None,
            "The storage connection 'missing' does not exist: output_path s3://missing@",
        ),
        (f"s3://{BUCKET}/x", "missing", "The storage connection 'missing' does not exist: output_path s3://exports/x"),
        (
            f"s3://{BUCKET}/x",
            None,
            r"it names no connection, .* Name one: storage_conn_id, or s3://<conn_id>@exports/x",
        ),
    ],
)
def test_a_bucket_that_nobody_can_write_is_refused_before_any_request(
    sandbox: Sandbox, undefined_connections: None, monkeypatch: pytest.MonkeyPatch, path: str, conn_id: str, words: str
) -> None:
    connect(monkeypatch, sandbox.url, sandbox.token)
    with pytest.raises(errors.MiniMaxBadRequestError, match=words):
        export_to(path, storage_conn_id=conn_id)
    assert not sandbox.calls


def test_a_bucket_that_does_not_exist_is_no_passing_failure(sandbox: Sandbox, bucket: Bucket) -> None:
    with pytest.raises(errors.MiniMaxBadRequestError, match="output_path s3://s3_test@nowhere/x cannot be written"):
        export_to("s3://s3_test@nowhere/x")


def test_a_picture_in_a_bucket_is_uploaded(sandbox: Sandbox, bucket: Bucket) -> None:
    bucket.client.put_object(Bucket=BUCKET, Key="in/lamp.png", Body=b"\x89PNG\r\n\x1a\n" + bytes(200))
    for path, conn_id in ((f"s3://s3_test@{BUCKET}/in/lamp.png", None), (f"s3://{BUCKET}/in/lamp.png", "s3_test")):
        operator = MiniMaxUploadFileOperator(task_id="upload", source_path=path, storage_conn_id=conn_id)
        assert "-file:" in MiniMaxUploadFileOperator.execute.__wrapped__(operator, {})
    missing = MiniMaxUploadFileOperator(task_id="upload", source_path=f"s3://s3_test@{BUCKET}/in/none.png")
    with pytest.raises(errors.MiniMaxBadRequestError, match=r"source_path s3://\S+/in/none\.png cannot be"):
        MiniMaxUploadFileOperator.execute.__wrapped__(missing, {})
