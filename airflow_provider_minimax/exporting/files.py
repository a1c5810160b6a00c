"""The files of images beside their rows: their names, and how they join the rows in order."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, Final, NamedTuple, Protocol

from airflow_provider_minimax.api.errors import MiniMaxUpstreamError
from airflow_provider_minimax.api.jobs import is_final, media_url
from airflow_provider_minimax.api.paging import Image, image_key
from airflow_provider_minimax.exporting.ahead import result_of
from airflow_provider_minimax.exporting.plan import Plan
from airflow_provider_minimax.exporting.records import Manifest, MediaFailure
from airflow_provider_minimax.exporting.rows import MEDIA_FIELDS
from airflow_provider_minimax.exporting.storage import Storage

#: The folder of the files, below that of the export.
MEDIA: Final = "media"
#: Images that may wait for a file while the walk goes on.
_WINDOW: Final = 64
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_STEM: Final = 80
#: Digits of the checksum that stand in a name, so that each file can be checked by itself.
_DIGITS: Final = 16
_NAME = re.compile(rf"([A-Za-z0-9_-]+)-([0-9a-f]{{{_DIGITS}}})\.[a-z0-9]{{3,4}}")
#: In the name of a file that was downloaded by its id, and not exported; see ``stem_with_owner``.
_DOWNLOADED = re.compile(r"-(image|video)-")


class Saved(NamedTuple):
    """A file that lies in the folder, whole."""

    path: str
    bytes: int
    sha256: str


class MediaError(Exception):
    """A file that could not be fetched, and why."""


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


def stem_of(key: str) -> str:
    """Return what the file of an image is called before its checksum: safe on any storage, and its own.

    :param key: the id of the image, as the service sent it.
    """
    bare = key.rpartition(":")[2]
    safe = _UNSAFE.sub("_", bare)[:_LONGEST_STEM]
    if safe == bare and safe:
        return safe
    return f"{safe or 'image'}-{hashlib.sha256(key.encode(errors='backslashreplace')).hexdigest()[:8]}"


def stem_with_owner(key: str) -> str:
    """Return what the file of an image or a video is called where files of any kind and account lie side by side.

    :param key: its full id, of which the bare part is unique only within a kind and an account.
    """
    owner, _, bare = key.rpartition("minimax:")[2].rpartition(":")
    return f"{_UNSAFE.sub('_', owner)}-{stem_of(bare)}" if owner else stem_of(key)


def file_name(stem: str, sha256: str, extension: str) -> str:
    """Return the name of a file."""
    return f"{stem}-{sha256[:_DIGITS]}.{extension}"


def stem_and_digits(name: str) -> tuple[str, str] | None:
    """Return the parts of such a name; None for another file."""
    match = _NAME.fullmatch(name)
    return (match[1], match[2]) if match else None


def digits_match(name: str, sha256: str) -> bool:
    """Tell whether a file is what its name says."""
    found = stem_and_digits(name)
    return found is not None and sha256.startswith(found[1])


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
    if sum(_is_named_by_us(file.name) for file in storage.files(MEDIA)) == manifest.found.media_files:
        return
    stray = {file.name for file in storage.files(MEDIA) if _is_named_by_us(file.name)}
    if plan.download_media:
        for row in rows_of(storage, plan, manifest, (MEDIA_FIELDS[0],)):
            stray.discard((row.get(MEDIA_FIELDS[0]) or "").rpartition("/")[2])
    for name in stray:
        path = f"{MEDIA}/{name}"
        with contextlib.suppress(FileNotFoundError):
            _, sha256 = storage.measure(path)
            if digits_match(name, sha256):
                remove(path)
    if not plan.download_media:
        storage.remove_folder(MEDIA)


def _is_named_by_us(name: str) -> bool:
    found = stem_and_digits(name)
    return found is not None and _DOWNLOADED.search(found[0]) is None


def rows_of(storage: Storage, plan: Plan, manifest: Manifest, names: tuple[str, ...]) -> Iterator[Image]:
    """Yield the rows of an export, newest first, with at least these fields."""
    for part in manifest.parts:
        with storage.open(part.name) as file:
            yield from plan.format.read(file, names)
