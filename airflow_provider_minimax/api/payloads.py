"""The body of a create, from Python parameters to the API's own names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

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


def create_body(kind: Kind, prompt: str | None, account: str | None, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of a create as it is sent, in the documented spelling (``4K`` for ``4k``).

    Whether the model takes it is another question: see ``input_checks``. Without an account the service would choose
    one for a video at random. A file belongs to one account, so the account of the files is then requested by name.

    :param account: the account to create on; None takes that of the files, if any are given.
    :param fields: see ``ImageFields`` and ``VideoFields``.
    :raises MiniMaxBadRequestError: no prompt (nor first frame of a video), an unknown field, a quantity below 1, or a
        file of another account.
    """
    _check(kind, prompt, fields)
    body: dict[str, Any] = {}
    files: list[str] = []
    for field in CREATE_FIELDS[kind]:
        sent = _sent(field, fields.get(field.parameter))
        body |= sent
        if field.is_file:
            files += sent.values()
    for file_id in sorted(files):
        account = parse_id(file_id, "file", account=account).account
    if prompt:
        body["prompt"] = prompt
    if account:
        body["account"] = account
    return normalize_words(kind, body)


def _check(kind: Kind, prompt: str | None, fields: Mapping[str, Any]) -> None:
    """Refuse what is no request, and a field that would silently have no effect on a billable job."""
    has_prompt = isinstance(prompt, str) and bool(prompt.strip())
    if not has_prompt and kind == "image":
        raise MiniMaxBadRequestError("An image needs a prompt.")
    if not has_prompt and not fields.get("file_id"):
        raise MiniMaxBadRequestError("A video needs a prompt or a file_id.")
    known = parameters(kind)
    unknown = sorted(fields.keys() - set(known))
    if unknown:
        raise MiniMaxBadRequestError(f"Unknown field {', '.join(unknown)}; known are {', '.join(sorted(known))}.")
    if fields.get("quantity") is not None:
        at_least_one("quantity", fields["quantity"])


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
