"""What is sent to create an image or a video, from Python parameters to the API's own names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypedDict

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.ids import parse_id

#: Images of one POST /images/create, as documented.
_QUANTITIES: Final = (1, 2, 3, 4)


class ImageFields(TypedDict, total=False):
    """Optional fields of POST /images/create. Which values a model takes is the service's to say."""

    model: str | None
    aspect_ratio: str | None
    quantity: int | None
    resolution: str | None
    quality: str | None
    prompt_optimization: bool | None
    character_file_id: str | None
    reference_file_ids: Sequence[str] | None
    reply_url: str | None
    reply_ref: str | None


class VideoFields(TypedDict, total=False):
    """Optional fields of POST /videos/create. ``reference_file_ids`` become ``fileID2``, ``fileID3``, ..."""

    file_id: str | None
    end_frame_file_id: str | None
    reference_file_ids: Sequence[str] | None
    video_file_ids: Sequence[str] | None
    audio_file_ids: Sequence[str] | None
    model: str | None
    options: str | None
    resolution: str | None
    duration: int | None
    aspect_ratio: str | None
    prompt_optimization: bool | None
    reply_url: str | None
    reply_ref: str | None
    max_jobs: int | None


#: Python name -> API name, in the vendor's own spelling, which differs from field to field.
_NAMES: Final[Mapping[str, str]] = {
    "model": "model",
    "aspect_ratio": "aspectRatio",
    "quantity": "quantity",
    "resolution": "resolution",
    "quality": "quality",
    "options": "options",
    "duration": "duration",
    "prompt_optimization": "promptOptimization",
    "character_file_id": "characterFileId",
    "file_id": "fileID",
    "end_frame_file_id": "end_frame_fileID",
    "reply_url": "replyUrl",
    "reply_ref": "replyRef",
    "max_jobs": "maxJobs",
}
_FILE_NAMES: Final = frozenset({"characterFileId", "fileID", "end_frame_fileID"})


def image_body(prompt: str, account: str | None, fields: ImageFields) -> dict[str, Any]:
    """Return the body of POST /images/create.

    :param account: the account to create on; None takes that of the files, if any are given.
    :raises MiniMaxBadRequestError: no prompt, a quantity out of bounds, a file of another account.
    """
    if not _is_text(prompt):
        raise MiniMaxBadRequestError("An image needs a prompt.")
    quantity = fields.get("quantity")
    if quantity is not None and quantity not in _QUANTITIES:
        raise MiniMaxBadRequestError(f"quantity must be one of {_QUANTITIES}, not {quantity!r}.")
    _refuse_unknown(fields, ImageFields)
    references = _numbered("referenceFileId", "reference_file_ids", fields.get("reference_file_ids"), first=1)
    return _body(prompt, account, fields, references)


def video_body(prompt: str | None, account: str | None, fields: VideoFields) -> dict[str, Any]:
    """Return the body of POST /videos/create.

    Without an account the service would choose one at random, and a file belongs to one account only: the
    account of the files is then asked for by name.

    :raises MiniMaxBadRequestError: neither prompt nor file, or a file of another account.
    """
    if not _is_text(prompt) and not fields.get("file_id"):
        raise MiniMaxBadRequestError("A video needs a prompt or a file_id.")
    _refuse_unknown(fields, VideoFields)
    files = (
        _numbered("fileID", "reference_file_ids", fields.get("reference_file_ids"), first=2)
        | _numbered("videoFileID", "video_file_ids", fields.get("video_file_ids"), first=1)
        | _numbered("audioFileID", "audio_file_ids", fields.get("audio_file_ids"), first=1)
    )
    return _body(prompt, account, fields, files)


def _body(
    prompt: str | None, account: str | None, fields: ImageFields | VideoFields, numbered: Mapping[str, str]
) -> dict[str, Any]:
    given = {_NAMES[name]: value for name, value in fields.items() if name in _NAMES and value is not None}
    files = {name: str(given[name]).strip() for name in _FILE_NAMES & given.keys()} | dict(numbered)
    body = given | files
    if prompt:
        body["prompt"] = prompt
    if owner := _owner(files.values(), account):
        body["account"] = owner
    return body


def _numbered(name: str, parameter: str, file_ids: Sequence[str] | None, *, first: int) -> dict[str, str]:
    if isinstance(file_ids, str):
        raise MiniMaxBadRequestError(f"{parameter} takes a list of file ids, not the string {file_ids!r}.")
    return {f"{name}{number}": str(file_id).strip() for number, file_id in enumerate(file_ids or (), start=first)}


def _owner(file_ids: Iterable[str], account: str | None) -> str | None:
    """Return the account that all files belong to; a file is of use to no other."""
    for file_id in sorted(file_ids):
        account = parse_id(file_id, "file", account=account).account
    return account


def _refuse_unknown(fields: ImageFields | VideoFields, known: type[ImageFields] | type[VideoFields]) -> None:
    """Refuse a field that would silently have no effect on something that is paid for."""
    unknown = sorted(fields.keys() - known.__annotations__.keys())
    if unknown:
        raise MiniMaxBadRequestError(
            f"Unknown field {', '.join(unknown)}; known are {', '.join(sorted(known.__annotations__))}."
        )


def _is_text(prompt: object) -> bool:
    return isinstance(prompt, str) and bool(prompt.strip())
