"""A bucket of moto's server on loopback, which speaks the real API of S3."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import export_to, without_name

pytest.importorskip("moto.server", reason="needs moto[server]: make integration installs it")
pytest.importorskip("s3fs", reason="needs s3fs: make integration installs it")

BUCKET = "exports"


class Bucket:
    def __init__(self, client: Any) -> None:
        self.client = client

    def files(self, prefix: str) -> dict[str, bytes]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{prefix}/")
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        return {
            key.removeprefix(f"{prefix}/"): without_name(self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read())
            for key in keys
        }

    def uploads(self) -> list[Any]:
        return list(self.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", ()))


def export(prefix: str, **options: Any) -> dict[str, Any]:
    return export_to(f"s3://{BUCKET}/{prefix}", storage_conn_id="s3_test", **options)
