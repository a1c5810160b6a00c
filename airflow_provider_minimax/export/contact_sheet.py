"""The contact sheet: an HTML page that shows an export, opens from a disk, and sends no request to any host.

Prompts are hostile text. The page holds them as JSON that cannot end the element around it, and its script turns them
into text nodes only. The content security policy allows that one script, by its hash, and pictures and videos beside
the page. The poster of a video is its own first frame.

The gallery in Airflow's UI is the same page, with its style and script beside it.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from itertools import islice
from typing import Final

from airflow_provider_minimax.api.cursors import Image, image_key
from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.jobs import created_at, status_label
from airflow_provider_minimax.api.kinds import IMAGES, MediaKind
from airflow_provider_minimax.api.serialization import dumps
from airflow_provider_minimax.export.manifest import Manifest
from airflow_provider_minimax.export.options import ExportPlan
from airflow_provider_minimax.export.parts import read_rows
from airflow_provider_minimax.media.filenames import MEDIA, stem_and_digits
from airflow_provider_minimax.storage.base import Storage

NAME: Final = "index.html"
#: Images of one page, the newest ones: more than anybody looks through, fewer than a browser can handle.
MAX_IMAGES: Final = 20_000
_MARK: Final = b'<meta name="generator" content="airflow-provider-minimax">'
_MARK_BYTES: Final = 2_000
#: The fields of a row that the page shows.
FIELDS: Final = (
    *("mediaPath", "desc", "status", "statusLabel", "modelID", "createTime", "aspectRatio", "width", "height"),
    *("imageId", "videoId", "id"),
)
#: Width by height, between which a picture gets a frame of its own shape.
_MIN_RATIO, _MAX_RATIO = 0.4, 2.6
_ADDRESSES: Final = ("downloadURL", "videoURL", "url")
#: Characters of a text that is shown; the service takes prompts of 2,000.
_MAX_TEXT: Final = 5_000
#: Characters that no ratio has.
_MAX_SHAPE: Final = 20
#: Pixels that no picture has.
_PIXELS: Final = 10**6
#: Characters that could end the element around JSON, or its line.
_ESCAPES: Final = tuple((character.encode(), f"\\u{ord(character):04x}".encode()) for character in "<>&\u2028\u2029")
_BATCH: Final = 200
_PLACEHOLDER: Final = re.compile(r"\{\{(\w+)\}\}")


def check(storage: Storage) -> None:
    """Check that the page would replace no foreign one.

    :raises MiniMaxBadRequestError: it would.
    """
    if _is_foreign(storage):
        raise MiniMaxBadRequestError(
            f"{storage.url(NAME)} is not a contact sheet of ours. Choose another output_path, or remove it."
        )


def update(storage: Storage, plan: ExportPlan, manifest: Manifest) -> None:
    """Write the page of an export, or remove that of an older one."""
    if plan.contact_sheet:
        check(storage)
        write(storage, plan, manifest)
    else:
        remove(storage)


def write(storage: Storage, plan: ExportPlan, manifest: Manifest, max_images: int = MAX_IMAGES) -> None:
    """Write the page of an export whose parts all exist.

    :param max_images: how many images the page shows at most, the first ones of the export.
    """
    names = tuple(name for name in FIELDS if name in plan.columns)
    rows = islice(read_rows(storage, plan.format, manifest.parts, names), max_images)
    draft = storage.draft()
    try:
        for piece in page(rows, manifest.contents.images, plan.kind, storage.folder.name):
            draft.write(piece)
        draft.commit(NAME)
    finally:
        draft.discard()


def remove(storage: Storage) -> None:
    """Remove the page of an older export, and no foreign one."""
    if not _is_foreign(storage):
        storage.remove(NAME)


def page(rows: Iterable[Image], total: int, kind: MediaKind = IMAGES, name: str = "") -> Iterator[bytes]:
    """Yield the page piece by piece.

    :param total: images or videos of the export; the rows may be fewer.
    """
    style, script = resource("contact_sheet.css"), resource("contact_sheet.js")
    policy = (
        f"default-src 'none'; img-src 'self' file:; script-src {_hash(script)}; style-src {_hash(style)}; "
        "media-src 'self' file:; base-uri 'none'; form-action 'none'"
    )
    before, after = frame(
        title=f"{name}: contact sheet" if name else "Contact sheet",
        kind=kind.name,
        head=f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n<style>{style}</style>',
        foot=f"<script>{script}</script>",
        without_script=f"This page needs JavaScript to show its {kind.plural}; they lie in the folder media beside it.",
    )
    yield before
    yield b'{"kind":"%b","total":%d,"rows":[' % (kind.name.encode(), total)
    lines, separator = (safe_json(cells(row, media_path(row))) for row in rows), b""
    while batch := list(islice(lines, _BATCH)):
        yield separator + b",\n".join(batch)
        separator = b",\n"
    yield b"]}"
    yield after


def frame(*, title: str, kind: str, head: str, foot: str, without_script: str) -> tuple[bytes, bytes]:
    """Return what stands before and after the data of a page.

    :param head: the elements of its style.
    :param foot: the element of its script.
    :param without_script: text, for a browser that runs none.
    """
    values = {
        "title": html.escape(title),
        "kind": kind,
        "Kind": kind.capitalize(),
        "head": head,
        "foot": foot,
        "without_script": html.escape(without_script),
    }
    # In one go: a title may hold what looks like a placeholder.
    before, after = (
        _PLACEHOLDER.sub(lambda match: values[match[1]], part).encode(errors="replace")
        for part in resource("contact_sheet.html").split("{{data}}")
    )
    return before, after


def cells(row: Image, address: str | None, facts: Mapping[str, str] | None = None) -> list[object]:
    """Return a row as the script of the page reads it.

    :param address: of its file, as the page links to it; checked by the caller. None without one.
    """
    shape = str(row.get("aspectRatio") or "")
    return [
        address,
        str(row.get("desc") or ""),
        status_label(row),
        str(row.get("modelID") or ""),
        created_at(row),
        _ratio(row),
        image_key(row),
        shape if len(shape) < _MAX_SHAPE else "",
        *([dict(facts)] if facts else []),
    ]


def shown_fields(row: Mapping[str, object]) -> Image:
    """Return what the page shows of a row that may hold anything: plain values only, and texts cut."""
    found = {name: row.get(name) for name in (*FIELDS, *_ADDRESSES)}
    return {
        name: value[:_MAX_TEXT] if isinstance(value, str) else value
        for name, value in found.items()
        if isinstance(value, str | int | float)
    }


def media_path(row: Image) -> str | None:
    """Return the path of a row's file within the export if it is one of ours; the service may send any."""
    folder, _, name = str(row.get("mediaPath")).rpartition("/")
    return f"{folder}/{name}" if folder == MEDIA and stem_and_digits(name) else None


def _ratio(row: Image) -> float:
    """Return width by height, within the bounds of the grid."""
    width, height = row.get("width"), row.get("height")
    if not (isinstance(width, int) and isinstance(height, int) and 0 < width < _PIXELS and 0 < height < _PIXELS):
        # The service sends 0 even for completed images.
        left, _, right = str(row.get("aspectRatio") or "").partition(":")
        is_ratio = left.isdecimal() and right.isdecimal() and len(left + right) < 10
        width, height = (int(left), int(right)) if is_ratio else (1, 1)
    return round(min(max(width / height, _MIN_RATIO), _MAX_RATIO), 3) if width and height else 1.0


def safe_json(value: object) -> bytes:
    """Return JSON that cannot end the element around it."""
    text = dumps(value)
    for character, escape in _ESCAPES:
        text = text.replace(character, escape)
    return text


def _is_foreign(storage: Storage) -> bool:
    try:
        with storage.open(NAME) as file:
            return _MARK not in file.read(_MARK_BYTES)
    except FileNotFoundError:
        return False


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def resource(name: str) -> str:
    """Return a part of the page: its template, style or script."""
    return (files("airflow_provider_minimax.export") / name).read_text(encoding="utf-8")
