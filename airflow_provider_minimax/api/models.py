"""What is known of each model: what a create takes, what it costs, and how lists name it. Data, with its sources.

Models come and go faster than releases of this package. So nothing here is a last word: ``check_inputs`` lets a user
overrule what a model takes, an unknown model passes, an unknown name in a list proves nothing, and an unknown price is
unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from airflow_provider_minimax.api.ids import Kind
from airflow_provider_minimax.api.sources import (
    COLLECTION,
    COMPARE_SCRIPT,
    IMAGES_PAGE,
    IMAGES_PAGE_ALONE,
    VIDEOS_PAGE,
    VIDEOS_PAGE_ALONE,
    WEB_APPLICATION,
    Source,
)

#: What a price is for.
PriceUnit = Literal["image", "video", "second"]


@dataclass(frozen=True)
class Price:
    """The documented credits of one image, one video, or one second of a video.

    A price holds for a create that has these values, given or by ``Model.defaults``; None holds for any.
    """

    credits: int
    source: Source
    per: PriceUnit = "image"
    resolution: str | None = None
    quality: str | None = None
    options: str | None = None


@dataclass(frozen=True)
class Model:
    """A model of POST /images/create or /videos/create.

    :param name: as a create takes it.
    :param source: of what it takes.
    :param max_prompt: characters of a prompt.
    :param words: the values that it takes, by the Python name of the parameter. A parameter that is missing here is
        not taken.
    :param max_files: how many files it takes, likewise by parameter.
    :param durations: seconds; empty where the options say.
    :param end_frame_options: the options with which an end frame may be given; empty for any.
    :param batch: how many images it always makes; None where ``quantity`` says.
    :param mentions: whether the prompt may mention references as ``@Image1``.
    :param defaults: what the service takes for a parameter that is left out, where that is documented.
    :param shown_as: other names of it, in lists (``modelID``) and in an account's price list (``modelControl``).
        Several models may share one.
    :param credits: the known prices.
    """

    name: str
    source: Source
    max_prompt: int = 2000
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    max_files: Mapping[str, int] = field(default_factory=dict)
    durations: range = range(0)
    end_frame_options: tuple[str, ...] = ()
    batch: int | None = None
    mentions: bool = False
    defaults: Mapping[str, str | int] = field(default_factory=dict)
    shown_as: tuple[str, ...] = ()
    credits: tuple[Price, ...] = ()


# Images

_TEN_RATIOS: Final = ("16:9", "21:9", "5:4", "4:3", "3:2", "1:1", "2:3", "3:4", "4:5", "9:16")
_RATIOS: Final = ("auto", *_TEN_RATIOS)
_REFERENCES: Final = {"reference_file_ids": 14}
_AUTO: Final = {"aspect_ratio": "auto"}


def _by_resolution(source: Source, **credits_of: int) -> tuple[Price, ...]:
    """Return prices of an image by resolution; ``_4K`` stands for ``4K``."""
    return tuple(Price(number, source, resolution=name.lstrip("_")) for name, number in credits_of.items())


_NANO_BANANA_2: Final = Model(
    "nano-banana-2",
    IMAGES_PAGE,
    7500,
    {"aspect_ratio": _RATIOS, "resolution": ("512P", "1K", "2K", "4K")},
    _REFERENCES,
    mentions=True,
    defaults=_AUTO,
    shown_as=("nano_banana21_flash",),
    credits=_by_resolution(WEB_APPLICATION, _1K=4, _2K=5, _4K=8),
)
_SEEDREAM_45: Final = Model(
    "seedream-4.5",
    IMAGES_PAGE,
    words={"aspect_ratio": _RATIOS, "resolution": ("2K", "4K")},
    max_files=_REFERENCES,
    mentions=True,
    defaults=_AUTO,
    credits=(Price(4, WEB_APPLICATION),),
)
_MIDJOURNEY_7: Final = Model(
    "midjourney-v7",
    IMAGES_PAGE,
    5000,
    {"aspect_ratio": _RATIOS},
    _REFERENCES,
    batch=4,
    defaults=_AUTO,
    shown_as=("mj_v7",),
    credits=(Price(3, WEB_APPLICATION),),
)
_IMAGE_MODELS: Final = (
    Model(
        "image-01",
        IMAGES_PAGE,
        words={"aspect_ratio": ("16:9", "4:3", "1:1", "3:4", "9:16", "21:9"), "resolution": ("HD",)},
        max_files={"character_file_id": 1},
        defaults={"aspect_ratio": "16:9"},
        credits=(Price(1, WEB_APPLICATION),),
    ),
    _NANO_BANANA_2,
    replace(
        _NANO_BANANA_2,
        name="nano-banana-pro",
        words={"aspect_ratio": _RATIOS, "resolution": ("1K", "2K", "4K")},
        shown_as=("nano-banana2",),
        credits=_by_resolution(WEB_APPLICATION, _1K=6, _2K=6, _4K=10),
    ),
    Model(
        "gpt-image-1.5",
        IMAGES_PAGE,
        words={"aspect_ratio": ("auto", "1:1", "3:2", "2:3"), "resolution": ("Low", "Medium", "High")},
        max_files={"reference_file_ids": 3},
        defaults=_AUTO,
        credits=_by_resolution(WEB_APPLICATION, Low=4, Medium=8, High=15),
    ),
    Model(
        "gpt-image-2",
        IMAGES_PAGE,
        7500,
        {"aspect_ratio": _TEN_RATIOS, "resolution": ("1K", "2K", "4K"), "quality": ("low", "medium", "high")},
        {"reference_file_ids": 16},
        mentions=True,
        defaults={"aspect_ratio": "16:9", "quality": "low"},
        credits=tuple(
            replace(price, quality=quality)
            for quality, prices in {
                "low": _by_resolution(IMAGES_PAGE_ALONE, _1K=2, _2K=5, _4K=10),
                "medium": _by_resolution(IMAGES_PAGE_ALONE, _1K=8, _2K=20, _4K=40),
                "high": _by_resolution(IMAGES_PAGE_ALONE, _1K=30, _2K=80, _4K=160),
            }.items()
            for price in prices
        ),
    ),
    _SEEDREAM_45,
    replace(_SEEDREAM_45, name="seedream-5.0", words={"aspect_ratio": _RATIOS, "resolution": ("2K", "3K")}),
    _MIDJOURNEY_7,
    replace(_MIDJOURNEY_7, name="midjourney-niji7", shown_as=("mj_niji7",)),
)

# Videos

_FIRST_FRAME: Final = {"file_id": 1}
_SIZES: Final = ("768p-6sec", "768p-10sec", "1080p-6sec")
_WIDE_OR_TALL: Final = {"aspect_ratio": ("16:9", "9:16")}
_VEO_WORDS: Final = {"options": ("veo-720p-8sec", "veo-1080p-8sec", "veo-4k-8sec"), **_WIDE_OR_TALL}
_WIDE: Final = {"aspect_ratio": "16:9"}


def _model_01(name: str, *shown_as: str) -> Model:
    price = Price(25, VIDEOS_PAGE_ALONE, "video")
    return Model(name, VIDEOS_PAGE, max_files=_FIRST_FRAME, shown_as=shown_as, credits=(price,))


def _model_2(name: str, *shown_as: str, is_priced: bool = True) -> Model:
    price = Price(25, VIDEOS_PAGE_ALONE, "video", options="768p-6sec")
    return Model(
        name,
        VIDEOS_PAGE,
        words={"options": _SIZES},
        max_files=_FIRST_FRAME,
        shown_as=shown_as,
        credits=(price,) if is_priced else (),
    )


def _veo(name: str, **files: int) -> Model:
    return Model(name, VIDEOS_PAGE, words=_VEO_WORDS, max_files={**_FIRST_FRAME, **files}, defaults=_WIDE)


_SEEDANCE: Final = Model(
    "Seedance-2.0",
    COLLECTION,
    7500,
    {
        "resolution": ("480", "720", "1080", "4K"),
        "aspect_ratio": ("Auto", "21:9", "16:9", "4:3", "1:1", "3:4", "9:16"),
    },
    {**_FIRST_FRAME, "end_frame_file_id": 1, "reference_file_ids": 8, "video_file_ids": 3, "audio_file_ids": 3},
    range(4, 16),
    defaults={"resolution": "720", "aspect_ratio": "Auto", "duration": 5},
    credits=tuple(
        replace(price, per="second") for price in _by_resolution(COMPARE_SCRIPT, _480=10, _720=21, _1080=50, _4K=100)
    ),
)
_SEEDANCE_FAST: Final = replace(
    _SEEDANCE, name="Seedance-2.0-Fast", words={**_SEEDANCE.words, "resolution": ("480", "720")}, credits=()
)
_VIDEO_MODELS: Final = (
    _model_01("T2V-01", "23000"),
    _model_01("I2V-01", "23001"),
    _model_01("I2V-01-live", "23011"),
    _model_01("S2V-01", "23021"),
    _model_01("T2V-01-Director", "23102"),
    _model_01("I2V-01-Director", "23102"),
    replace(
        _model_2("02"),
        words={"options": ("512p-6sec", "512p-10sec", *_SIZES)},
        max_files={**_FIRST_FRAME, "end_frame_file_id": 1},
        end_frame_options=_SIZES,
    ),
    _model_2("T2V-2.3", "23204", "23217"),
    _model_2("I2V-2.3", "23204", "23217"),
    _model_2("I2V-2.3-Fast", "23218", is_priced=False),
    Model(
        "Sora-2",
        VIDEOS_PAGE,
        words={"options": ("720p-4sec", "720p-8sec", "720p-12sec"), **_WIDE_OR_TALL},
        max_files=_FIRST_FRAME,
        defaults=_WIDE,
    ),
    _veo("Veo-3.1", end_frame_file_id=1),
    _veo("Veo-3.1-Fast", end_frame_file_id=1),
    _veo("Veo-3.1-S2V", reference_file_ids=13),
    _veo("Veo-3.1-S2V-Fast", reference_file_ids=13),
    _SEEDANCE,
    _SEEDANCE_FAST,
    replace(_SEEDANCE_FAST, name="Seedance-2.0-Mini"),
)

#: The known models of each kind, by name.
MODELS: Final[Mapping[Kind, Mapping[str, Model]]] = {
    "image": {model.name: model for model in _IMAGE_MODELS},
    "video": {model.name: model for model in _VIDEO_MODELS},
}


def model_name(kind: Kind, body: Mapping[str, Any]) -> str:
    """Return the model of a create: the one that its body names, or the service's default."""
    default = "image-01" if kind == "image" else "I2V-01" if body.get("fileID") else "T2V-01"
    return str(body.get("model") or default)


def find_model(kind: Kind, body: Mapping[str, Any]) -> Model | None:
    """Return what is known of the model of a create; None if it is unknown."""
    return MODELS[kind].get(model_name(kind, body))


def match_model(kind: Kind, body: Mapping[str, Any], shown: object) -> Literal["same", "other"] | None:
    """Return whether a list shows the model that makes a create's jobs, or another one.

    :param shown: the name in the list. The service may list a model under any.
    :return: None for a missing or an unknown name, which proves nothing.
    """
    named, ours = _models_named(kind, shown), model_name(kind, body)
    if named & _models_named(kind, ours) or str(shown).strip().casefold() == ours.casefold():
        return "same"
    return "other" if named else None


def _models_named(kind: Kind, name: object) -> set[str]:
    """Return the models that are known under a name, upper and lower case alike."""
    text = str(name).strip().casefold()
    return {
        model.name.casefold()
        for model in MODELS[kind].values()
        if text in map(str.casefold, (model.name, *model.shown_as))
    }


def image_ratio(body: Mapping[str, Any]) -> str:
    """Return the ratio of an image; ``"auto"`` if it is unknown beforehand."""
    model = find_model("image", body)
    return str(body.get("aspectRatio") or (model.defaults.get("aspect_ratio", "auto") if model else "auto"))


def jobs_made(kind: Kind, body: Mapping[str, Any]) -> int:
    """Return the number of jobs that a create makes. A given quantity overrules what is documented of the model."""
    if kind == "video":
        return 1
    model = find_model(kind, body)
    return int(body.get("quantity") or (model.batch if model else None) or 1)
