"""Uploads to an object store: in several pieces, and those that fail."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.storage import object_store
from tests.integration.buckets import BUCKET, Bucket, export
from tests.support import export_to, files


def test_a_part_larger_than_a_block_is_uploaded_in_several(sandbox: Sandbox, bucket: Bucket, tmp_path: Path) -> None:
    sandbox.reset(replace(sandbox.config, images=9_000))
    export("pieces")
    export_to(str(tmp_path))
    (name, body), *_ = sorted(bucket.files("pieces").items())
    assert name == "images-00000.jsonl"
    assert len(body) > 10 * 2**20
    # The store itself knows how it was uploaded.
    assert bucket.client.head_object(Bucket=BUCKET, Key=f"pieces/{name}")["ETag"].strip('"').endswith("-2")
    assert bucket.files("pieces") == files(tmp_path)
    assert bucket.uploads() == []


def test_a_store_that_fails_during_an_upload_keeps_the_older_parts(
    sandbox: Sandbox, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failed upload is not completed by accident, not even by the garbage collector."""
    import gc

    sandbox.reset(replace(sandbox.config, images=300))
    real, calls = object_store.shutil.copyfileobj, iter(range(100))

    def break_off(source: Any, target: Any, length: int) -> None:
        # The claim first, and for each of two parts what comes, the part, and that it is there.
        if next(calls) == 8:
            target.write(source.read(1000))
            raise OSError(5, "Input/output error")
        real(source, target, length)

    monkeypatch.setattr(object_store.shutil, "copyfileobj", break_off)
    with pytest.raises(errors.MiniMaxError, match=r"Input/output error.*a retry resumes after the last complete part"):
        export("cut", part_rows=70)
    gc.collect()
    assert set(bucket.files("cut")) == {"checkpoint.json", "images-00000.jsonl", "images-00001.jsonl"}
    assert bucket.uploads() == []


def test_an_upload_that_cannot_be_completed_is_aborted(
    sandbox: Sandbox, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last step is taken when the file is closed."""
    import gc

    from botocore.exceptions import ClientError
    from s3fs.core import S3File, translate_boto_error

    commit = S3File.commit

    def refuse(file: Any) -> None:
        if file.parts:
            response = {"Error": {"Code": "SlowDown", "Message": "Please reduce your request rate."}}
            raise translate_boto_error(ClientError(response, "CompleteMultipartUpload"))
        commit(file)

    monkeypatch.setattr(S3File, "commit", refuse)
    sandbox.reset(replace(sandbox.config, images=7_000))
    with pytest.raises(errors.MiniMaxError, match=r"reduce your request rate.*a retry resumes") as raised:
        export("unfinished")
    assert not isinstance(raised.value, errors.MiniMaxBadRequestError)
    gc.collect()
    assert bucket.uploads() == []
    assert bucket.files("unfinished") == {}


def test_a_foreign_upload_stays(sandbox: Sandbox, bucket: Bucket) -> None:
    """Also one under a name of ours, where no attempt of ours has said that it would write it."""
    names = ("images-00000.jsonl", "manifest.json", f"media/1-{'a' * 16}.png", "notes.txt", "deeper/images-00000.jsonl")
    keys = ["images-00000.jsonl", *(f"shared/{name}" for name in names)]
    started = [bucket.client.create_multipart_upload(Bucket=BUCKET, Key=key) for key in keys]
    export("shared")
    assert sorted(upload["Key"] for upload in bucket.uploads()) == sorted(keys)
    for upload in started:
        bucket.client.abort_multipart_upload(Bucket=BUCKET, Key=upload["Key"], UploadId=upload["UploadId"])
