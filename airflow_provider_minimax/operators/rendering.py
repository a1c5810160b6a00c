"""What the fields of a create are once their templates are rendered, read before anything is paid for.

A template renders to text, or, in a DAG with ``render_template_as_native_obj``, to whatever the text looks like: a
number for a prompt such as ``1984``. What is not there renders to the text ``None``, or to nothing: whoever wants the
service's default leaves the parameter out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.ids import ids_given
from airflow_provider_minimax.api.validation import given_text, rendered_to_nothing

_FLAGS: Final[Mapping[str, bool]] = {"true": True, "false": False}


#: Text; None when it was not given.
text = given_text


def whole(parameter: str, value: object) -> int | None:
    """Return a whole number; None when there is none.

    :raises MiniMaxBadRequestError: it is no whole number.
    """
    found = given_text(parameter, value) if not isinstance(value, bool) else str(value)
    if found is None:
        return None
    try:
        number = float(found)
        if number.is_integer():
            return int(number)
    except ValueError:
        pass
    raise MiniMaxBadRequestError(f"{parameter} takes a whole number, not {value!r}. Nothing was sent.")


def flag(parameter: str, value: object) -> bool | None:
    """Return a truth value; None when there is none.

    :raises MiniMaxBadRequestError: it is neither true nor false.
    """
    if isinstance(value, bool):
        return value
    found = given_text(parameter, value)
    if found is None:
        return None
    word = found.strip().lower()
    if word not in _FLAGS:
        raise MiniMaxBadRequestError(f"{parameter} is true or false, not {value!r}. Nothing was sent.")
    return _FLAGS[word]


def files(parameter: str, value: object) -> list[str] | None:
    """Return the ids of files, unchecked; None when none are meant.

    :param value: a list, or the text of one.
    :raises MiniMaxBadRequestError: it is something else, or one of them is not there.
    """
    if value is None:
        return None
    found, is_single = ids_given(value, parameter)
    if is_single:
        raise MiniMaxBadRequestError(f"{parameter} takes a list of file ids, not {value!r}. Nothing was sent.")
    ids = [given_text(parameter, one) for one in found]
    if None in ids:
        raise rendered_to_nothing(parameter, value)
    return [one for one in ids if one is not None]


#: How a field is read, where it is not text.
_READERS: Final[Mapping[str, Callable[[str, object], Any]]] = {
    **dict.fromkeys(("quantity", "duration", "max_jobs"), whole),
    "prompt_optimization": flag,
    **dict.fromkeys(("reference_file_ids", "video_file_ids", "audio_file_ids"), files),
}


def fields(given: Mapping[str, object]) -> dict[str, Any]:
    """Return the fields of a create by their parameters.

    :raises MiniMaxBadRequestError: one of them is not what it has to be.
    """
    return {parameter: _READERS.get(parameter, given_text)(parameter, value) for parameter, value in given.items()}
