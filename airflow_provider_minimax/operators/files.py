"""Operators for files: give the service one."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.api.accounts import AUTO
from airflow_provider_minimax.api.ids import parse_id
from airflow_provider_minimax.operators.base import MiniMaxBaseOperator

if TYPE_CHECKING:
    from typing import Any

    from airflow.sdk import Context

_CHUNK: Final = 1024 * 1024


class MiniMaxUploadFileOperator(MiniMaxBaseOperator):
    """Uploads a picture, a sound or a video, for a create to refer to.

    It costs nothing, so a retry just uploads again. The file belongs to one account, and whatever is made with it is
    made on that account.

    :param source_path: a png, jpeg, webp, mp3, wav or mp4 file, on the worker or on any storage that
        ``ObjectStoragePath`` knows. Templated.
    :param storage_conn_id: the Airflow connection of that storage.
    :param minimax_conn_id: the Airflow connection. Templated.
    :param account: the Hailuo account to upload to; required by the service where several are configured. Templated.
    :return: (XCom) the file id.
    """

    template_fields: Sequence[str] = ("source_path", *MiniMaxBaseOperator.template_fields)

    def __init__(self, *, source_path: str, storage_conn_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source_path = source_path
        self.storage_conn_id = storage_conn_id

    def execute(self, context: Context) -> str:  # noqa: ARG002 - Airflow passes it
        """Upload."""
        if self.account == AUTO:
            raise errors.MiniMaxBadRequestError(
                "A file is of use to one account only: name it. (A create with account='auto' follows its files.)"
            )
        with _local_copy(self.source_path, self.storage_conn_id) as path:
            file_id = self.hook.upload_file(path)
        wanted = self.hook.get_conn().settings.account
        owner = parse_id(file_id, "file").account
        if wanted not in (None, owner):
            # Nothing was paid, and a create on the account that was asked for would refuse it.
            raise errors.MiniMaxUpstreamError(
                f"{file_id} was uploaded to account {owner} instead of {wanted}. A retry uploads again."
            )
        self.log.info("Uploaded %s as %s", self.source_path, file_id)
        return file_id


@contextmanager
def _local_copy(source: str, conn_id: str | None) -> Iterator[Path]:
    """Give the file as one on this machine: a request that is repeated reads it again."""
    if not str(source or "").strip():
        raise errors.MiniMaxBadRequestError(f"source_path must name a file, not {source!r}.")
    if "://" not in source and conn_id is None:
        yield Path(source)
        return
    from airflow.sdk import ObjectStoragePath

    with tempfile.TemporaryDirectory(prefix="minimax-") as folder:
        copy = Path(folder) / "upload"
        try:
            with ObjectStoragePath(source, conn_id=conn_id).open("rb") as remote, copy.open("wb") as local:
                shutil.copyfileobj(remote, local, _CHUNK)
        except (OSError, ValueError, ImportError) as error:
            raise errors.MiniMaxBadRequestError(f"source_path: {source} cannot be read: {error}.") from None
        yield copy
