"""A folder as a mirror of the account, at a cost that follows the new images and not the history.

The walk ends where the manifest knows the images. What was not final last time, or lacks its file, is read again by its
id, and if its row has changed, the part that holds it is rewritten under another name: until the new manifest is
written, the old one stays valid.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxUpstreamError
from airflow_provider_minimax.api.jobs import created_at
from airflow_provider_minimax.api.kinds import IMAGES, MediaKind
from airflow_provider_minimax.api.pagination import Image, Page, image_key
from airflow_provider_minimax.export.manifest import Head, Manifest, StoredManifest
from airflow_provider_minimax.export.parts import first_damaged

log = logging.getLogger(__name__)


def find_base(stored: StoredManifest, shape: dict[str, Any], sizes: Mapping[str, int]) -> Manifest | None:
    """Return the export that a sync can add to; None where it has to start from scratch.

    :param shape: what two exports must have in common.
    :param sizes: of the files in the folder.
    """
    if stored.manifest is None or stored.manifest.plan != shape:
        log.info("The existing export has other parameters or another source; the export starts from scratch.")
    elif (name := first_damaged(stored.manifest.parts, sizes)) is not None:
        log.warning("Part %s is missing or damaged; the export starts from scratch.", name)
    else:
        return stored.manifest
    return None


def new_images(pages: Iterable[Page], known: Head, kind: MediaKind = IMAGES) -> Iterator[tuple[Page, list[Image]]]:
    """Yield pages with their images that a walk meets before the known ones.

    :param known: the first page of last time. Images older than its oldest are known, too, and so are those without a
        time that stand behind the last known one of their page.
    :param kind: what the list holds, for the errors.
    :raises MiniMaxUpstreamError: the list ends without a known image: it is another list, or half of one.
    """
    keys = frozenset(known.keys)
    owners = frozenset(map(_owner, keys))
    for page in pages:
        _refuse_other_owners(page.images, owners, kind)
        is_known = [image_key(image) in keys for image in page.images]
        behind = len(is_known) - is_known[::-1].index(True) if any(is_known) else len(is_known)
        fresh = [
            image
            for place, image in enumerate(page.images)
            if not (is_known[place] or _is_older(image, known, is_behind=place >= behind))
        ]
        yield page, fresh
        if len(fresh) < len(page.images):
            return
    if keys:
        raise MiniMaxUpstreamError(
            f"The list of {kind.plural} ended without one that the mirror holds; the mirror stays as it is. A retry "
            "reads the list again. If all of them were deleted from the account, or it is another account now, sync "
            "into another output_path, or remove the manifest.json there to start the mirror from scratch."
        )


def _refuse_other_owners(images: Iterable[Image], owners: frozenset[str], kind: MediaKind) -> None:
    """Refuse images of an account that has none in the mirror: where the service chooses it, that may change."""
    others = {_owner(image_key(image) or "") for image in images} - owners - {""}
    if others and owners - {""}:
        raise MiniMaxBadRequestError(
            f"The list holds {kind.plural} of {', '.join(sorted(others))}, and the mirror those of "
            f"{', '.join(sorted(owners - {''}))}. Set the account, or choose another output_path."
        )


def _owner(key: str) -> str:
    """Return the account in a full id; empty for a bare one."""
    return key.rpartition("-")[0] if key.startswith("user:") else ""


def _is_older(image: Image, known: Head, *, is_behind: bool) -> bool:
    """Return whether an image is older than the known ones: by its time, or without times by its place in the list."""
    created = created_at(image)
    return is_behind if created is None or not known.oldest else created <= known.oldest
