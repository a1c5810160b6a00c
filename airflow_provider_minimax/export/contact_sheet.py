"""The contact sheet: an HTML page that shows an export, opens from a disk, and sends no request to any host.

Prompts are hostile text. The page holds them as JSON that cannot end the element around it, and its script turns them
into text nodes only. The content security policy allows that one script, by its hash, and pictures and videos beside
the page. The poster of a video is its own first frame.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from importlib.resources import files
from itertools import islice
from typing import Final

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.jobs import created_at, status_label
from airflow_provider_minimax.api.kinds import IMAGES, MediaKind
from airflow_provider_minimax.api.pagination import Image, image_key
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
_FIELDS: Final = (
    *("mediaPath", "desc", "status", "statusLabel", "modelID", "createTime", "aspectRatio", "width", "height"),
    *("imageId", "videoId", "id"),
)
#: Width by height, between which a picture gets a frame of its own shape.
_MIN_RATIO, _MAX_RATIO = 0.4, 2.6
#: Pixels that no picture has.
_PIXELS: Final = 10**6
_ESCAPES: Final = (
    (b"<", b"\\u003c"),
    (b">", b"\\u003e"),
    (b"&", b"\\u0026"),
    ("\u2028".encode(), b"\\u2028"),
    ("\u2029".encode(), b"\\u2029"),
)
_BATCH: Final = 200


def check(storage: Storage) -> None:
    """Check that the page would replace no foreign one.

    :raises MiniMaxBadRequestError: it would.
    """
    if _is_foreign(storage):
        raise MiniMaxBadRequestError(
            f"{storage.url(NAME)} is not a contact sheet of ours. Choose another output_path, or remove it."
        )


def write(storage: Storage, plan: ExportPlan, manifest: Manifest, max_images: int = MAX_IMAGES) -> None:
    """Write the page of an export whose parts all exist.

    :param max_images: how many images the page shows at most, the first ones of the export.
    """
    rows = islice(read_rows(storage, plan.format, manifest.parts, _names(plan)), max_images)
    draft = storage.draft()
    try:
        for piece in page(rows, manifest.contents.images, plan.kind):
            draft.write(piece)
        draft.commit(NAME)
    finally:
        draft.discard()


def remove(storage: Storage) -> None:
    """Remove the page of an older export, and no foreign one."""
    if not _is_foreign(storage):
        storage.remove(NAME)


def page(rows: Iterable[Image], total: int, kind: MediaKind = IMAGES) -> Iterator[bytes]:
    """Yield the page piece by piece.

    :param rows: newest first.
    :param total: images or videos of the export; the rows may be fewer.
    :param kind: what they are called on the page.
    """
    template, style, script = (_resource(f"contact_sheet.{kind}") for kind in ("html", "css", "js"))
    policy = "; ".join(
        (
            "default-src 'none'",
            "img-src 'self' file:",
            f"script-src {_hash(script)}",
            f"style-src {_hash(style)}",
            "media-src 'self' file:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    template = template.replace("{{kind}}", kind.name).replace("{{Kind}}", kind.name.capitalize())
    before, after = template.split("{{data}}")
    yield before.replace("{{csp}}", policy).replace("{{style}}", style).encode()
    yield b'{"kind":"%b","total":%d,"rows":[' % (kind.name.encode(), total)
    cells, separator = map(_cells, rows), b""
    while batch := list(islice(cells, _BATCH)):
        yield separator + b",\n".join(map(_safe_json, batch))
        separator = b",\n"
    yield b"]}"
    yield after.replace("{{script}}", script).encode()


def _cells(row: Image) -> list[object]:
    return [
        _file(row),
        str(row.get("desc") or ""),
        status_label(row),
        str(row.get("modelID") or ""),
        created_at(row),
        _ratio(row),
        image_key(row),
    ]


def _file(row: Image) -> str | None:
    """Return the file of a row if its name is one of ours: the service may send a field of that name, too."""
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


def _safe_json(value: object) -> bytes:
    text = dumps(value)
    for character, escape in _ESCAPES:
        text = text.replace(character, escape)
    return text


def _names(plan: ExportPlan) -> tuple[str, ...]:
    return tuple(name for name in _FIELDS if name in plan.columns)


def _is_foreign(storage: Storage) -> bool:
    try:
        with storage.open(NAME) as file:
            return _MARK not in file.read(_MARK_BYTES)
    except FileNotFoundError:
        return False


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _resource(name: str) -> str:
    return (files("airflow_provider_minimax.export") / name).read_text(encoding="utf-8")
