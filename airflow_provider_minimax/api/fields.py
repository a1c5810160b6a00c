"""The optional fields of a create in one table: names, readers, and where each is sent.

A template renders to text, or, in a DAG with ``render_template_as_native_obj``, to whatever the text looks like: a
number for a prompt such as ``1984``. A missing value renders to the text ``None``, or to nothing, and is refused:
whoever wants the service's default leaves the parameter out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.ids import Kind, parse_id_list, parse_one_id
from airflow_provider_minimax.api.validation import missing_value_error, optional_text, whole_number

_FLAGS: Final[Mapping[str, bool]] = {"true": True, "false": False}


def _read_bool(parameter: str, value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    text = optional_text(parameter, value)
    if text is None:
        return None
    word = text.strip().lower()
    if word not in _FLAGS:
        raise MiniMaxBadRequestError(f"{parameter} is true or false, not {value!r}. Nothing was sent.")
    return _FLAGS[word]


def _read_file_ids(parameter: str, value: object) -> list[str] | None:
    if value is None:
        return None
    given, _ = parse_id_list(value, parameter, "file")
    ids = [optional_text(parameter, one) for one in given]
    if None in ids:
        raise missing_value_error(parameter, value)
    return [one for one in ids if one is not None]


@dataclass(frozen=True)
class CreateField:
    """An optional field of a create.

    :param parameter: its Python name.
    :param api_name: the vendor's spelling, which differs from field to field.
    :param read: reads a rendered value; None stays None.
    :param is_file: whether it takes a file id, or a list of them.
    :param is_word: whether it takes one of a few words, which depend on the model; see ``models``.
    :param first: the number of the first one, where the field is a list that is sent as numbered fields.
    """

    parameter: str
    api_name: str
    read: Callable[[str, object], Any] = optional_text
    is_file: bool = False
    is_word: bool = False
    first: int | None = None


def _word(parameter: str, api_name: str) -> CreateField:
    return CreateField(parameter, api_name, is_word=True)


def _file(parameter: str, api_name: str) -> CreateField:
    return CreateField(parameter, api_name, lambda name, value: parse_one_id(value, name, "file"), is_file=True)


def _files(parameter: str, api_name: str, *, first: int = 1) -> CreateField:
    return CreateField(parameter, api_name, _read_file_ids, is_file=True, first=first)


_MODEL: Final = CreateField("model", "model")
_RESOLUTION: Final = _word("resolution", "resolution")
_ASPECT_RATIO: Final = _word("aspect_ratio", "aspectRatio")
_COMMON: Final = (
    CreateField("prompt_optimization", "promptOptimization", _read_bool),
    CreateField("reply_url", "replyUrl"),
    CreateField("reply_ref", "replyRef"),
)

#: In the order of the operators' parameters.
CREATE_FIELDS: Final[Mapping[Kind, tuple[CreateField, ...]]] = {
    "image": (
        _MODEL,
        _ASPECT_RATIO,
        CreateField("quantity", "quantity", whole_number),
        _RESOLUTION,
        _word("quality", "quality"),
        _file("character_file_id", "characterFileId"),
        _files("reference_file_ids", "referenceFileId"),
        *_COMMON,
    ),
    "video": (
        _file("file_id", "fileID"),
        _MODEL,
        _word("options", "options"),
        _RESOLUTION,
        CreateField("duration", "duration", whole_number),
        _ASPECT_RATIO,
        _file("end_frame_file_id", "end_frame_fileID"),
        _files("reference_file_ids", "fileID", first=2),
        _files("video_file_ids", "videoFileID"),
        _files("audio_file_ids", "audioFileID"),
        *_COMMON,
        CreateField("max_jobs", "maxJobs", whole_number),
    ),
}


def parameters(kind: Kind) -> tuple[str, ...]:
    """Return the Python names of the optional fields of a create."""
    return tuple(field.parameter for field in CREATE_FIELDS[kind])


def read_fields(kind: Kind, rendered: Mapping[str, object]) -> dict[str, Any]:
    """Return the optional fields of a create by their Python names; what else was rendered is left out.

    :raises MiniMaxBadRequestError: a value has the wrong type, or was rendered to nothing.
    """
    given = (field for field in CREATE_FIELDS[kind] if field.parameter in rendered)
    return {field.parameter: field.read(field.parameter, rendered[field.parameter]) for field in given}
