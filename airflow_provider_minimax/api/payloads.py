"""The body of a create: built from Python parameters, in the documented spelling, and checked before credits are spent.

The service and its models change faster than this package, so whoever knows better may overrule each of the checks.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypedDict

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.fields import CREATE_FIELDS, CreateField, parameters
from airflow_provider_minimax.api.ids import AnyId, Kind, parse_id
from airflow_provider_minimax.api.models import MODELS, Model, find_model, model_name
from airflow_provider_minimax.api.settings import CheckInputs
from airflow_provider_minimax.api.validation import at_least_one

log = logging.getLogger(__name__)

#: Characters of ``replyUrl`` and ``replyRef``, as documented.
_MAX_REPLY_LENGTH: Final = 1024
#: By API name: the documented range of a number, whichever the model.
_RANGES: Final[Mapping[str, range]] = {"quantity": range(1, 5), "maxJobs": range(1, 11)}
_MENTION: Final = re.compile(r"@image\d+", re.IGNORECASE)


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

    Whether the model takes it is another question: see ``check_inputs``. Without an account the service would choose
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


def normalize_words(kind: Kind, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body in the documented spelling: ``4K`` for ``4k``."""
    normalized, model = dict(body), find_model(kind, body)
    if model is None:
        return normalized
    for field in CREATE_FIELDS[kind]:
        spellings = {word.casefold(): word for word in model.words.get(field.parameter, ())}
        documented = spellings.get(str(body.get(field.api_name)).casefold())
        if documented is not None:
            normalized[field.api_name] = documented
    return normalized


def check_inputs(kind: Kind, body: Mapping[str, Any], mode: CheckInputs) -> None:
    """Check the normalised body of a create.

    :param mode: what happens to inputs that are documented not to be taken.
    :raises MiniMaxBadRequestError: in the mode ``"strict"``: there are such inputs.
    """
    if mode == "off":
        return
    model = find_model(kind, body)
    for hint in _hints(kind, body, model):
        log.warning("%s", hint)
    doubts = list(_doubts(kind, body, model))
    if doubts and mode == "strict":
        raise MiniMaxBadRequestError(
            f"{' '.join(f'{doubt}.' for doubt in doubts)} Nothing was sent. If the service takes it by now, "
            "check_inputs='warn' sends it all the same."
        )
    for doubt in doubts:
        log.warning("%s. Sending it all the same (check_inputs='warn').", doubt)


def _hints(kind: Kind, body: Mapping[str, Any], model: Model | None) -> Iterator[str]:
    """Yield what may be wrong and is never refused."""
    if model is None:
        known = ", ".join(MODELS[kind])
        yield f"Model {model_name(kind, body)!r} is not known here, so its fields are not checked. Known: {known}."
    elif body.get("aspectRatio") and "aspect_ratio" not in model.words:
        yield f"Model {model.name} is not documented to take an aspect_ratio; it may be ignored."


def _doubts(kind: Kind, body: Mapping[str, Any], model: Model | None) -> Iterator[str]:
    """Yield what is documented not to be taken."""
    yield from _service_doubts(kind, body)
    if model is not None:
        dated = f"(documented {model.source.date})"
        for doubt in (*_word_doubts(kind, body, model), *_model_doubts(body, model), *_file_doubts(kind, body, model)):
            yield f"Model {model.name}: {doubt} {dated}"


def _service_doubts(kind: Kind, body: Mapping[str, Any]) -> Iterator[str]:
    for field in CREATE_FIELDS[kind]:
        value, bounds = body.get(field.api_name), _RANGES.get(field.api_name)
        if field.api_name in ("replyUrl", "replyRef") and len(value or "") > _MAX_REPLY_LENGTH:
            yield f"{field.parameter} is longer than {_MAX_REPLY_LENGTH} characters"
        if bounds and value is not None and value not in bounds:
            yield f"{field.parameter} is {bounds[0]} to {bounds[-1]}, not {value!r}"
    if "fileID2" in body and not body.get("fileID"):
        yield (
            "reference_file_ids are the second file and the following ones, and may leave no gap: give the first as "
            "file_id"
        )


def _word_doubts(kind: Kind, body: Mapping[str, Any], model: Model) -> Iterator[str]:
    for field in CREATE_FIELDS[kind]:
        value, known = body.get(field.api_name), model.words.get(field.parameter)
        if value is None or not field.is_word:
            continue
        if known is not None and str(value).casefold() not in map(str.casefold, known):
            yield f"{field.parameter} is one of {_join(known)}, not {value!r}"
        # Some models may ignore a ratio.
        elif known is None and field.parameter != "aspect_ratio":
            yield f"{field.parameter} is not taken"


def _model_doubts(body: Mapping[str, Any], model: Model) -> Iterator[str]:
    prompt, quantity, duration = body.get("prompt") or "", body.get("quantity"), body.get("duration")
    if len(prompt) > model.max_prompt:
        yield f"the prompt has {len(prompt)} characters; {model.max_prompt} are taken"
    if model.batch and quantity not in (None, model.batch):
        yield f"it always makes, and costs, {model.batch} images: leave quantity out"
    if not model.mentions and _MENTION.search(prompt):
        yield "the prompt may not speak of @Image1 and the like"
    if duration is not None and duration not in model.durations:
        bounds = f"{model.durations[0]} to {model.durations[-1]} seconds" if model.durations else "set by its options"
        yield f"duration is {bounds}, not {duration!r}"


def _file_doubts(kind: Kind, body: Mapping[str, Any], model: Model) -> Iterator[str]:
    for field in CREATE_FIELDS[kind]:
        if field.is_file:
            given, maximum = _count(field, body), model.max_files.get(field.parameter, 0)
            if given > maximum and field.first is None:
                yield f"{field.parameter} is not taken"
            elif given > maximum:
                yield f"{field.parameter}: {f'at most {maximum} are' if maximum else 'none is'} taken, not {given}"
    last = body.get("end_frame_fileID")
    if last is None:
        return
    if model.end_frame_options and body.get("options") not in (None, *model.end_frame_options):
        yield f"end_frame_file_id is taken only with options {_join(model.end_frame_options)}"
    if "videoFileID1" in body or "audioFileID1" in body:
        yield "end_frame_file_id is not taken beside video_file_ids or audio_file_ids"
    if last == body.get("fileID"):
        yield "end_frame_file_id must differ from file_id"


def _count(field: CreateField, body: Mapping[str, Any]) -> int:
    name = re.escape(field.api_name) + ("" if field.first is None else r"\d+")
    return sum(re.fullmatch(name, given) is not None for given in body)


def _join(words: Iterable[str]) -> str:
    return ", ".join(sorted(words))
