"""The body of a create, from Python parameters to the API's own names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict, cast

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.fields import CREATE_FIELDS, CreateField, parameters
from airflow_provider_minimax.api.ids import AnyId, Kind, parse_id
from airflow_provider_minimax.api.input_checks import normalize_words
from airflow_provider_minimax.api.validation import at_least_one


class ImageFields(TypedDict, total=False):
    """Optional fields of POST /images/create. See ``models`` for the values that a model takes."""

    model: str | None
    aspect_ratio: str | None
    quantity: int | None
    resolution: str | None
    quality: str | None
    prompt_optimization: bool | None
    character_file_id: AnyId | None
    reference_file_ids: AnyId | Sequence[AnyId] | None
    reply_url: str | None
    reply_ref: str | None


class VideoFields(TypedDict, total=False):
    """Optional fields of POST /videos/create. ``reference_file_ids`` become ``fileID2``, ``fileID3``, ..."""

    file_id: AnyId | None
    end_frame_file_id: AnyId | None
    reference_file_ids: AnyId | Sequence[AnyId] | None
    video_file_ids: AnyId | Sequence[AnyId] | None
    audio_file_ids: AnyId | Sequence[AnyId] | None
    model: str | None
    options: str | None
    resolution: str | None
    duration: int | None
    aspect_ratio: str | None
    prompt_optimization: bool | None
    reply_url: str | None
    reply_ref: str | None
    max_jobs: int | None


def image_body(prompt: str, account: str | None, fields: ImageFields) -> dict[str, Any]:
    """Return the body of POST /images/create.

    :param account: the account to create on; None takes that of the files, if any are given.
    :raises MiniMaxBadRequestError: no prompt, a quantity below 1, a file of another account.
    """
    if not _is_text(prompt):
        raise MiniMaxBadRequestError("An image needs a prompt.")
    quantity = fields.get("quantity")
    if quantity is not None:
        at_least_one("quantity", quantity)
    return _body("image", prompt, account, fields)


def video_body(prompt: str | None, account: str | None, fields: VideoFields) -> dict[str, Any]:
    """Return the body of POST /videos/create.

    Without an account the service would choose one at random. A file belongs to one account, so the account of the
    files is then requested by name.

    :raises MiniMaxBadRequestError: neither prompt nor file, or a file of another account.
    """
    if not _is_text(prompt) and not fields.get("file_id"):
        raise MiniMaxBadRequestError("A video needs a prompt or a file_id.")
    return _body("video", prompt, account, fields)


def create_body(kind: Kind, prompt: str | None, account: str | None, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of a create as it is sent, in the documented spelling (``4K`` for ``4k``).

    Whether the model takes it is another question: see ``input_checks``.

    :raises MiniMaxBadRequestError: it is no request.
    """
    if kind == "image":
        return normalize_words(kind, image_body(prompt or "", account, cast("ImageFields", fields)))
    return normalize_words(kind, video_body(prompt, account, cast("VideoFields", fields)))


def _body(kind: Kind, prompt: str | None, account: str | None, given: ImageFields | VideoFields) -> dict[str, Any]:
    _refuse_unknown(kind, given)
    values: Mapping[str, Any] = given
    body: dict[str, Any] = {}
    files: list[str] = []
    for field in CREATE_FIELDS[kind]:
        sent = _sent(field, values.get(field.parameter))
        body |= sent
        if field.is_file:
            files += sent.values()
    if prompt:
        body["prompt"] = prompt
    if owner := _owner(files, account):
        body["account"] = owner
    return body


def _sent(field: CreateField, value: Any) -> dict[str, Any]:
    """Return what is sent for a field: nothing for None, and numbered names for a list."""
    if field.is_file:
        # A caller of the hook has an id in any form, as a template has.
        value = field.read(field.parameter, value)
    if value is None:
        return {}
    if field.first is None:
        return {field.api_name: str(value).strip() if field.is_file else value}
    return {f"{field.api_name}{number}": str(one).strip() for number, one in enumerate(value, start=field.first)}


def _owner(file_ids: Iterable[str], account: str | None) -> str | None:
    """Return the account that all files belong to; no other account can use them."""
    for file_id in sorted(file_ids):
        account = parse_id(file_id, "file", account=account).account
    return account


def _refuse_unknown(kind: Kind, given: ImageFields | VideoFields) -> None:
    """Refuse a field that would silently have no effect on a billable job."""
    known = parameters(kind)
    unknown = sorted(given.keys() - set(known))
    if unknown:
        raise MiniMaxBadRequestError(f"Unknown field {', '.join(unknown)}; known are {', '.join(sorted(known))}.")


def _is_text(prompt: object) -> bool:
    return isinstance(prompt, str) and bool(prompt.strip())
