"""The documented limits of each model, checked before credits are spent.

The tables hold what the vendor's pages of May 2026 and its own collection of mid-2026 agree on. Models
come and go faster than releases of this package, so a model that is not in a table passes, with a warning.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError

log = logging.getLogger(__name__)

#: Characters of ``replyUrl`` and ``replyRef``.
_MAX_REPLY_LENGTH: Final = 1024
#: ``maxJobs``: the running videos that the account may have for a create to start.
_MAX_JOBS: Final = range(1, 11)
_MENTION: Final = re.compile(r"@image\d+", re.IGNORECASE)
_NOTHING: Final[frozenset[str]] = frozenset()


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TEN_RATIOS: Final = _words("16:9 21:9 5:4 4:3 3:2 1:1 2:3 3:4 4:5 9:16")


@dataclass(frozen=True)
class ImageModel:
    """The limits of a model of POST /images/create.

    :param prompt: the maximum length of a prompt, in characters.
    :param ratio: the default ratio.
    :param batch: how many images it always makes; None where ``quantity`` says.
    :param mentions: whether the prompt may mention references as ``@Image1``.
    """

    prompt: int
    ratios: frozenset[str] = _TEN_RATIOS | {"auto"}
    resolutions: frozenset[str] = _NOTHING
    qualities: frozenset[str] = _NOTHING
    references: int = 14
    ratio: str = "auto"
    batch: int | None = None
    mentions: bool = False
    character: bool = False


@dataclass(frozen=True)
class VideoModel:
    """The limits of a model of POST /videos/create.

    :param prompt: the maximum length of a prompt, in characters.
    :param references: how many files may follow the first one (``fileID2``, ...).
    :param end_frame: the options with which an end frame may be given; None for none.
    :param media: whether it takes videos and sounds as references.
    """

    prompt: int = 2000
    options: frozenset[str] = _NOTHING
    resolutions: frozenset[str] = _NOTHING
    durations: range = range(0)
    ratios: frozenset[str] = _NOTHING
    references: int = 0
    end_frame: frozenset[str] | None = None
    media: bool = False


_MIDJOURNEY: Final = ImageModel(5000, batch=4)
DEFAULT_IMAGE_MODEL: Final = "image-01"
IMAGE_MODELS: Final[Mapping[str, ImageModel]] = {
    DEFAULT_IMAGE_MODEL: ImageModel(
        2000, _words("16:9 4:3 1:1 3:4 9:16 21:9"), _words("HD"), references=0, ratio="16:9", character=True
    ),
    "nano-banana-2": ImageModel(7500, resolutions=_words("512P 1K 2K 4K"), mentions=True),
    "nano-banana-pro": ImageModel(7500, resolutions=_words("1K 2K 4K"), mentions=True),
    "gpt-image-1.5": ImageModel(2000, _words("auto 1:1 3:2 2:3"), _words("Low Medium High"), references=3),
    "gpt-image-2": ImageModel(
        7500, _TEN_RATIOS, _words("1K 2K 4K"), _words("low medium high"), references=16, ratio="16:9", mentions=True
    ),
    "seedream-4.5": ImageModel(2000, resolutions=_words("2K 4K"), mentions=True),
    "seedream-5.0": ImageModel(2000, resolutions=_words("2K 3K"), mentions=True),
    "midjourney-v7": _MIDJOURNEY,
    "midjourney-niji7": _MIDJOURNEY,
}

_LARGE: Final = _words("768p-6sec 768p-10sec 1080p-6sec")
_01: Final = VideoModel()
_23: Final = VideoModel(options=_LARGE)
_WIDE_OR_TALL: Final = _words("16:9 9:16")
_VEO_OPTIONS: Final = _words("veo-720p-8sec veo-1080p-8sec veo-4k-8sec")
_VEO: Final = VideoModel(options=_VEO_OPTIONS, ratios=_WIDE_OR_TALL, end_frame=_VEO_OPTIONS)
_VEO_S2V: Final = VideoModel(options=_VEO_OPTIONS, ratios=_WIDE_OR_TALL, references=13)


def _seedance(resolutions: str) -> VideoModel:
    return VideoModel(
        prompt=7500,
        resolutions=_words(resolutions),
        durations=range(4, 16),
        ratios=_words("Auto 21:9 16:9 4:3 1:1 3:4 9:16"),
        references=8,
        end_frame=_NOTHING,
        media=True,
    )


VIDEO_MODELS: Final[Mapping[str, VideoModel]] = {
    **dict.fromkeys(("T2V-01", "I2V-01", "I2V-01-live", "S2V-01", "T2V-01-Director", "I2V-01-Director"), _01),
    "02": VideoModel(options=_LARGE | _words("512p-6sec 512p-10sec"), end_frame=_LARGE),
    **dict.fromkeys(("T2V-2.3", "I2V-2.3", "I2V-2.3-Fast"), _23),
    "Sora-2": VideoModel(options=_words("720p-4sec 720p-8sec 720p-12sec"), ratios=_WIDE_OR_TALL),
    **dict.fromkeys(("Veo-3.1", "Veo-3.1-Fast"), _VEO),
    **dict.fromkeys(("Veo-3.1-S2V", "Veo-3.1-S2V-Fast"), _VEO_S2V),
    "Seedance-2.0": _seedance("480 720 1080 4K"),
    **dict.fromkeys(("Seedance-2.0-Fast", "Seedance-2.0-Mini"), _seedance("480 720")),
}


def image_model(body: Mapping[str, Any]) -> str:
    """Return the model that makes an image."""
    return str(body.get("model") or DEFAULT_IMAGE_MODEL)


def image_ratio(body: Mapping[str, Any]) -> str:
    """Return the ratio of an image; ``"auto"`` if it is unknown beforehand."""
    model = IMAGE_MODELS.get(image_model(body))
    return str(body.get("aspectRatio") or (model.ratio if model else "auto"))


def images_made(body: Mapping[str, Any]) -> int:
    """Return the number of images that a create makes."""
    model = IMAGE_MODELS.get(image_model(body))
    return (model.batch if model else None) or int(body.get("quantity") or 1)


def video_model(body: Mapping[str, Any]) -> str:
    """Return the model that makes a video."""
    return str(body.get("model") or ("I2V-01" if body.get("fileID") else "T2V-01"))


def check_image(body: Mapping[str, Any]) -> dict[str, Any]:
    """Check the body of POST /images/create.

    :return: the body with the documented spelling of its words: ``4K`` for ``4k``.
    :raises MiniMaxBadRequestError: the model is documented to refuse it.
    """
    _check_replies(body)
    name = image_model(body)
    model = IMAGE_MODELS.get(name)
    if model is None:
        return _pass_unknown(name, IMAGE_MODELS, body)
    _check_prompt(name, body, model.prompt)
    normalized = _normalize_words(
        name,
        body,
        {
            "aspectRatio": ("aspect_ratio", model.ratios),
            "resolution": ("resolution", model.resolutions),
            "quality": ("quality", model.qualities),
        },
    )
    _check_max(name, "reference_file_ids", _count(body, "referenceFileId"), model.references)
    if body.get("characterFileId") and not model.character:
        raise _refused(name, "character_file_id is not taken")
    if model.batch and body.get("quantity") not in (None, model.batch):
        raise _refused(name, f"it always makes, and costs, {model.batch} images: leave quantity out")
    if not model.mentions and _MENTION.search(body["prompt"]):
        raise _refused(name, "the prompt may not speak of @Image1 and the like")
    return normalized


def check_video(body: Mapping[str, Any]) -> dict[str, Any]:
    """Check the body of POST /videos/create.

    :return: the body with the documented spelling of its words.
    :raises MiniMaxBadRequestError: the service or the model is documented to refuse it.
    """
    _check_replies(body)
    _check_max_jobs(body.get("maxJobs"))
    if "fileID2" in body and not body.get("fileID"):
        raise MiniMaxBadRequestError(
            "reference_file_ids are the second file and the following ones, and may leave no gap: give the first as "
            "file_id. Nothing was sent."
        )
    name = video_model(body)
    model = VIDEO_MODELS.get(name)
    if model is None:
        return _pass_unknown(name, VIDEO_MODELS, body)
    _check_prompt(name, body, model.prompt)
    words = {"options": ("options", model.options), "resolution": ("resolution", model.resolutions)}
    if model.ratios:
        words["aspectRatio"] = ("aspect_ratio", model.ratios)
    elif body.get("aspectRatio"):
        log.warning("Model %s is not documented to take an aspect_ratio; it may be ignored.", name)
    normalized = _normalize_words(name, body, words)
    duration = body.get("duration")
    if duration is not None and duration not in model.durations:
        bounds = f"{model.durations[0]} to {model.durations[-1]} seconds" if model.durations else "set by its options"
        raise _refused(name, f"duration is {bounds}, not {duration!r}")
    _check_max(name, "reference_file_ids", sum(f"fileID{number}" in body for number in range(2, 20)), model.references)
    _check_media(name, model, normalized)
    return normalized


def _check_max_jobs(given: object) -> None:
    if given is not None and given not in _MAX_JOBS:
        raise MiniMaxBadRequestError(f"max_jobs is {_MAX_JOBS[0]} to {_MAX_JOBS[-1]}, not {given!r}. Nothing was sent.")


def _check_media(name: str, model: VideoModel, body: Mapping[str, Any]) -> None:
    maximum = 3 if model.media else 0
    videos, sounds = _count(body, "videoFileID"), _count(body, "audioFileID")
    _check_max(name, "video_file_ids", videos, maximum)
    _check_max(name, "audio_file_ids", sounds, maximum)
    last = body.get("end_frame_fileID")
    if last is None:
        return
    if model.end_frame is None:
        raise _refused(name, "end_frame_file_id is not taken")
    if model.end_frame and body.get("options") not in (None, *model.end_frame):
        raise _refused(name, f"end_frame_file_id is taken only with options {_join(model.end_frame)}")
    if videos or sounds:
        raise _refused(name, "end_frame_file_id is not taken beside video_file_ids or audio_file_ids")
    if last == body.get("fileID"):
        raise _refused(name, "end_frame_file_id must differ from file_id")


def _check_prompt(name: str, body: Mapping[str, Any], max_length: int) -> None:
    length = len(body.get("prompt") or "")
    if length > max_length:
        raise _refused(name, f"the prompt has {length} characters; {max_length} are taken")


def _check_replies(body: Mapping[str, Any]) -> None:
    for parameter, field in (("reply_url", "replyUrl"), ("reply_ref", "replyRef")):
        if len(body.get(field) or "") > _MAX_REPLY_LENGTH:
            raise MiniMaxBadRequestError(f"{parameter} is longer than {_MAX_REPLY_LENGTH} characters.")


def _normalize_words(
    name: str, body: Mapping[str, Any], words: Mapping[str, tuple[str, Collection[str]]]
) -> dict[str, Any]:
    """Return a body in which these fields have their documented spelling.

    :param words: by the API name of a field: its Python name, and the words that the model takes.
    """
    found = dict(body)
    for field, (parameter, known) in words.items():
        value = body.get(field)
        if value is None:
            continue
        if not known:
            raise _refused(name, f"{parameter} is not taken")
        documented = {word.casefold(): word for word in known}.get(str(value).casefold())
        if documented is None:
            raise _refused(name, f"{parameter} is one of {_join(known)}, not {value!r}")
        found[field] = documented
    return found


def _check_max(name: str, parameter: str, given: int, maximum: int) -> None:
    if given > maximum:
        raise _refused(name, f"{parameter}: {f'at most {maximum} are' if maximum else 'none is'} taken, not {given}")


def _count(body: Mapping[str, Any], prefix: str) -> int:
    return sum(field.startswith(prefix) for field in body)


def _join(words: Collection[str]) -> str:
    return ", ".join(sorted(words))


def _refused(name: str, what: str) -> MiniMaxBadRequestError:
    return MiniMaxBadRequestError(f"Model {name}: {what}. Nothing was sent.")


def _pass_unknown(name: str, known: Mapping[str, object], body: Mapping[str, Any]) -> dict[str, Any]:
    log.warning("Model %r is not known here, so its fields are not checked. Known: %s.", name, ", ".join(known))
    return dict(body)
