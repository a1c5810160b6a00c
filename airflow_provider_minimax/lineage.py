"""What a task has read and written, for the events of its outlets and for OpenLineage, whose provider is optional.

Imports that only a finished task needs stand in the functions: to parse a DAG file must cost little.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_minimax.api.ids import parse_media_id
from airflow_provider_minimax.api.kinds import MEDIA_KINDS, MediaKind

if TYPE_CHECKING:
    from airflow.providers.common.compat.openlineage.facet import Dataset, DatasetFacet, RunFacet
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context

    from airflow_provider_minimax.assets import Made


class Data(NamedTuple):
    """The images or videos of an account, or a folder of files.

    :param uri: ``minimax://<account>/images``, or the URL of the folder.
    :param columns: of its rows, in their order; empty for mere files.
    :param rows: how many rows a task has written or added; None for mere files, and for what a task reads.
    :param bytes: likewise of the files.
    :param files: likewise.
    """

    uri: str
    columns: tuple[str, ...] = ()
    rows: int | None = None
    bytes: int | None = None
    files: int | None = None


class Lineage(NamedTuple):
    """What a task has read and written."""

    read: Iterable[Data] = ()
    written: Iterable[Data] = ()


def data_of(ids: Iterable[str], rows: int | None = None) -> list[Data]:
    """Return what full ids of images and videos belong to: by account and kind, in the order of the ids."""
    found = (parse_media_id(one) for one in ids)
    return [media_of(*one, rows) for one in dict.fromkeys((one.account, MEDIA_KINDS[one.kind]) for one in found)]


def media_of(account: str, kind: MediaKind, rows: int | None = None) -> Data:
    """Return all images or videos of an account."""
    from airflow_provider_minimax.assets import account_uri

    return Data(account_uri(account, kind.plural), kind.fields, rows)


def images_in(value: object) -> list[str]:
    """Return the ids of the compact images within a rendered parameter such as ``file_id``.

    A bare file id does not tell whether its file is an image of the account or was uploaded.
    """
    if isinstance(value, Mapping):
        return [value["imageId"]] if value.get("imageId") else []
    # No lazy sequence: a listener of Airflow may run in a fork, which must not speak to the supervisor.
    return [one for member in value for one in images_in(member)] if isinstance(value, list | tuple) else []


class LineageMixin:
    """An operator that tells its outlets and OpenLineage's listener what it has read and written.

    The listener asks at the end of a task, in the process that ran it or a fork of it. Until there is a result, as at
    the start and after a failure, the inlets and outlets of the task count.
    """

    outlets: list[Any]

    def _made(self, context: Context) -> Made | None:
        """Return what the events of the outlets tell; None for nothing."""
        raise NotImplementedError

    def _lineage(self) -> Lineage:
        """Return what the task has read and written; nothing before it has a result."""
        raise NotImplementedError

    def post_execute(self, context: Context, result: object = None) -> None:  # noqa: ARG002 - Airflow passes it
        """Fill the events of the outlets. Airflow calls this when the task has succeeded, after a deferral as well."""
        if self.outlets:
            from airflow_provider_minimax.assets import add_to_events

            add_to_events(context, self.outlets, lambda: self._made(context))

    def get_openlineage_facets_on_complete(self, task_instance: object) -> OperatorLineage[Dataset, RunFacet]:  # noqa: ARG002 - its face
        """Return the lineage of the task."""
        from airflow.providers.common.compat.openlineage.facet import (
            InputDataset,
            OutputDataset,
            OutputStatisticsOutputDatasetFacet,
        )
        from airflow.providers.openlineage.extractors import OperatorLineage

        from airflow_provider_minimax.assets import dataset_name

        lineage = self._lineage()
        return OperatorLineage(
            inputs=[InputDataset(*dataset_name(data.uri), facets=_schema(data)) for data in lineage.read],
            outputs=[
                OutputDataset(
                    *dataset_name(data.uri),
                    facets=_schema(data),
                    outputFacets={
                        "outputStatistics": OutputStatisticsOutputDatasetFacet(data.rows, data.bytes, data.files)
                    },
                )
                for data in lineage.written
            ],
        )


def _schema(data: Data) -> dict[str, DatasetFacet]:
    from airflow.providers.common.compat.openlineage.facet import SchemaDatasetFacet, SchemaDatasetFacetFields

    from airflow_provider_minimax.export.rows import type_of

    fields = [SchemaDatasetFacetFields(name=name, type=type_of(name)) for name in data.columns]
    return {"schema": SchemaDatasetFacet(fields=fields)} if fields else {}
