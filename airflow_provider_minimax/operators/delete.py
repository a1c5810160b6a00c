"""The operator that deletes images and videos at the service."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Unpack

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.ids import parse_media_ids
from airflow_provider_minimax.api.kinds import MEDIA_KINDS
from airflow_provider_minimax.api.words import count
from airflow_provider_minimax.arguments import rendered
from airflow_provider_minimax.operators.base import MiniMaxBaseOperator
from airflow_provider_minimax.storage.location import required_location

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_minimax.arguments import Ids, Location, MiniMaxArguments, Templated

log = logging.getLogger(__name__)

#: Ids in one message.
_MAX_NAMED: Final = 5


class MiniMaxDeleteOperator(MiniMaxBaseOperator):
    """Deletes images and videos from their account, once an export holds their files.

    The service may have the only copy. So all ids are looked up in the export first, its parts and the files in
    question are read and hashed, and nothing is deleted unless every one of them is there.

    A retry deletes what is left: to delete again what is gone changes nothing. A kill stops it before the next one.

    :param ids: full ids or compact dicts of images and videos: one, a list, or a list of lists (the results of a mapped
        task). Templated; text that a template renders of any of them will do.
    :param confirm_exported: the ``manifest.json`` of an export with ``download_media=True``, as the export returns it
        under ``manifest``: text, a ``Path`` or an ``ObjectStoragePath``. Templated.
    :param storage_conn_id: the Airflow connection of its storage. Templated.
    :param force: delete without an export.
    :param account: the Hailuo account that the ids have to belong to; defaults to the connection's. Templated.
    :return: (XCom) how many were deleted, or were gone already: ``images``, ``videos``.
    :raises MiniMaxBadRequestError: the export does not hold all of them, or is not whole; nothing was deleted.
    """

    template_fields: Sequence[str] = (
        "ids",
        "confirm_exported",
        "storage_conn_id",
        *MiniMaxBaseOperator.template_fields,
    )

    def __init__(
        self,
        *,
        ids: Ids,
        confirm_exported: Templated[Location | None] = None,
        storage_conn_id: Templated[str | None] = None,
        force: bool = False,
        **kwargs: Unpack[MiniMaxArguments],
    ) -> None:
        super().__init__(**kwargs)
        if (confirm_exported is None) is not force:
            raise MiniMaxBadRequestError(
                "The service may have the only copy: name the manifest of an export (confirm_exported), or delete "
                "without one (force=True); one of the two."
            )
        self.ids = ids
        self.confirm_exported = confirm_exported
        self.storage_conn_id = rendered(storage_conn_id)
        self.force = force

    def execute(self, context: Context) -> dict[str, int]:  # noqa: ARG002 - Airflow passes it
        """Check the export, and delete."""
        client = self.hook.get_conn()
        # All of them, before the first one is deleted.
        jobs = {job.full: job.kind for job in parse_media_ids(self.ids, "ids", client.settings.account)}
        if not self.force:
            self._confirm(list(jobs))
        counts = {kind.plural: 0 for kind in MEDIA_KINDS.values()}
        for job_id, kind in jobs.items():
            self._check_stopped()
            with self._interruptible():
                client.delete_job(kind, job_id)
            counts[MEDIA_KINDS[kind].plural] += 1
        log.info("Deleted %s.", " and ".join(count(counts[kind.plural], kind.name) for kind in MEDIA_KINDS.values()))
        return counts

    def _confirm(self, ids: list[str]) -> None:
        """Check that the export holds each file.

        :raises MiniMaxBadRequestError: it does not.
        """
        # Here, so that reading a DAG file does not import what only a running task needs.
        from airflow_provider_minimax.export.finished import find_unconfirmed
        from airflow_provider_minimax.export.manifest import MANIFEST
        from airflow_provider_minimax.storage.folders import folder_at, storage_at

        where = required_location("confirm_exported", self.confirm_exported)
        folder, _, name = where.rpartition("/")
        if name != MANIFEST:
            raise MiniMaxBadRequestError(
                f"confirm_exported must name the {MANIFEST} of an export, not {where}. Nothing was deleted."
            )
        unconfirmed = find_unconfirmed(
            storage_at(folder_at(folder or "/", self.storage_conn_id)), ids, self._check_stopped
        )
        if unconfirmed:
            named = [f"{job_id}: {reason}" for job_id, reason in list(unconfirmed.items())[:_MAX_NAMED]]
            more = len(unconfirmed) - len(named)
            raise MiniMaxBadRequestError(
                f"Nothing was deleted: the export in {folder} does not hold {len(unconfirmed)} of the {len(ids)} ids "
                f"with their file ({'; '.join(named)}{f'; and {more} more' if more else ''}). Export them, or delete "
                "those that it holds."
            )
