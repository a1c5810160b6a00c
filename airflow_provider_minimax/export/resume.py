"""Where an export starts: behind the checkpoint of an earlier attempt, or from scratch."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

from airflow_provider_minimax.api.kinds import MediaKind
from airflow_provider_minimax.api.pagination import Page, Position
from airflow_provider_minimax.export.checkpoint import Checkpoint
from airflow_provider_minimax.export.options import ExportPlan
from airflow_provider_minimax.export.parts import first_damaged_media
from airflow_provider_minimax.storage.base import Storage

log = logging.getLogger(__name__)


class PageSource(Protocol):
    """Reads the lists of images and videos."""

    def iter_pages(self, *, after: Position | None = None, kind: MediaKind) -> Iterator[Page]:
        """Read a whole list, newest first."""


class Start(NamedTuple):
    """The state from which an export starts, and the pages that remain."""

    state: Checkpoint
    pages: Iterator[Page]


def start(
    checkpoint: Checkpoint | None,
    scratch: Checkpoint,
    source: PageSource,
    plan: ExportPlan,
    storage: Storage,
    sizes: Mapping[str, int],
) -> Start:
    """Return where an export starts.

    :param checkpoint: of an earlier attempt.
    :param scratch: the state of an export from scratch.
    :param sizes: of the files in the folder.
    """
    kind = plan.kind
    # Without a position, the attempt failed before its first part.
    if checkpoint is None or (checkpoint.after is None and not checkpoint.is_complete):
        return Start(scratch, source.iter_pages(kind=kind))
    reason = _mismatch(checkpoint, scratch, plan, storage, sizes)
    pages: Iterator[Page] | None = None
    if reason is None and (scratch.run is None or checkpoint.run != scratch.run):
        pages = source.iter_pages(kind=kind)
        first = next(pages, None)
        pages = itertools.chain([] if first is None else [first], pages)
        reason = checkpoint.staleness(first, kind)
    if reason is not None:
        log.info("The checkpoint in %s is discarded: %s.", storage.folder, reason)
        return Start(scratch, source.iter_pages(kind=kind) if pages is None else pages)
    log.info(
        "The export resumes from its checkpoint: %d %s in %d parts exist.",
        checkpoint.contents.images,
        kind.plural,
        len(checkpoint.parts),
    )
    checkpoint.run = scratch.run
    rest = iter(()) if checkpoint.is_complete else source.iter_pages(after=checkpoint.after, kind=kind)
    return Start(checkpoint, rest)


def _mismatch(
    checkpoint: Checkpoint, scratch: Checkpoint, plan: ExportPlan, storage: Storage, sizes: Mapping[str, int]
) -> str | None:
    """Return why the export cannot resume from a checkpoint."""
    skip = plan.skip_bad_media
    reason = checkpoint.mismatch(scratch.plan, scratch.base, sizes, skip_bad_media=skip, kind=plan.kind)
    if reason is not None or not plan.download_media:
        return reason
    name = first_damaged_media(storage, plan.format, checkpoint.parts)
    return None if name is None else "its files are not all there"
