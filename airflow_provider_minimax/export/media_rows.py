"""How the files of images join their rows, in order, while several are fetched at a time."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, Final, NamedTuple, Protocol

from airflow_provider_minimax.api.errors import MiniMaxUpstreamError
from airflow_provider_minimax.api.jobs import is_final, media_url
from airflow_provider_minimax.api.pagination import Image, image_key
from airflow_provider_minimax.export.options import Plan
from airflow_provider_minimax.export.read_ahead import result_of
from airflow_provider_minimax.export.records import Manifest, MediaFailure
from airflow_provider_minimax.export.rows import MEDIA_FIELDS
from airflow_provider_minimax.media.filenames import MEDIA, MediaError, Saved, digits_match, is_export_name
from airflow_provider_minimax.storage.base import Storage

#: Images that may wait for a file while the walk goes on.
_WINDOW: Final = 64


class MediaSource(Protocol):
    """What fetches files in the background."""

    def submit(self, image: Image) -> Future[Saved]:
        """Begin to fetch the file of an image; the future may raise a ``MediaError``."""


class Fate(NamedTuple):
    """What becomes of an image: its row, if it is meant, and its file, if there is one."""

    image: Image
    row: Image | None
    saved: Saved | None = None
    failure: MediaFailure | None = None


def settle(
    pages: Iterator[list[Fate]], media: MediaSource | None, *, skip: bool, check: Callable[[], None] = lambda: None
) -> Iterator[list[Fate]]:
    """Add their files to rows, in their order, while several are fetched at a time.

    :param pages: images, whose rows are without files.
    :param media: None where no files are wanted.
    :param skip: a file that cannot be fetched is noted; otherwise it is an error.
    :param check: called now and then while a file is waited for; what it raises ends the wait.
    """
    if media is None:
        yield from pages
        return
    waiting: deque[tuple[Fate, Future[Saved] | None]] = deque()
    for page in pages:
        waiting.extend((fate, begin(fate, media)) for fate in page)
        ready = []
        while waiting and (len(waiting) > _WINDOW or _is_done(waiting[0][1])):
            ready.append(with_file(*waiting.popleft(), skip=skip, check=check))
        yield ready
    yield [with_file(*one, skip=skip, check=check) for one in waiting]


def begin(fate: Fate, media: MediaSource) -> Future[Saved] | None:
    """Begin to fetch the file of an image that is meant; None where it has none (yet)."""
    image = fate.image
    return media.submit(image) if fate.row is not None and is_final(image) and media_url(image) else None


def with_file(fate: Fate, file: Future[Saved] | None, *, skip: bool, check: Callable[[], None]) -> Fate:
    """Wait for the file of an image that is meant, and add it to the row.

    :raises MiniMaxUpstreamError: it could not be fetched, and that is not to be skipped.
    """
    if fate.row is None:
        return fate
    image = fate.image
    saved: Saved | None = None
    failure: MediaFailure | None = None
    try:
        saved = result_of(file, check) if file is not None else None
    except MediaError as error:
        failure = MediaFailure(image_key(image) or "", str(error))
    if failure is not None and not skip:
        raise MiniMaxUpstreamError(
            f"The file of image {failure.image_id} cannot be fetched: {failure.reason}. A retry will try again and "
            "keeps what was fetched; on_media_error='skip' exports the image without its file."
        )
    values: tuple[Any, ...] = saved if saved is not None else (None, None, None)
    return Fate(image, image | dict(zip(MEDIA_FIELDS, values, strict=True)), saved, failure)


def _is_done(file: Future[Saved] | None) -> bool:
    return file is None or file.done()


def forget_strays(storage: Storage, plan: Plan, manifest: Manifest, remove: Callable[[str], None]) -> None:
    """Remove files that an older export has left, if there are any.

    A file is ours when it is what its name says; another one stays.

    :param remove: removes a file of the folder.
    """
    # Counted first: there may be more names than memory should hold, and mostly none is astray.
    if sum(is_export_name(file.name) for file in storage.files(MEDIA)) == manifest.found.media_files:
        return
    stray = {file.name for file in storage.files(MEDIA) if is_export_name(file.name)}
    if plan.download_media:
        for row in rows_of(storage, plan, manifest, (MEDIA_FIELDS[0],)):
            stray.discard((row.get(MEDIA_FIELDS[0]) or "").rpartition("/")[2])
    for name in stray:
        path = f"{MEDIA}/{name}"
        with contextlib.suppress(FileNotFoundError):
            _, sha256 = storage.size_and_hash(path)
            if digits_match(name, sha256):
                remove(path)
    if not plan.download_media:
        storage.remove_folder(MEDIA)


def rows_of(storage: Storage, plan: Plan, manifest: Manifest, names: tuple[str, ...]) -> Iterator[Image]:
    """Yield the rows of an export, newest first, with at least these fields."""
    for part in manifest.parts:
        with storage.open(part.name) as file:
            yield from plan.format.read(file, names)
