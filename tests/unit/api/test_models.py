"""The table of the models holds together, and what it says of names."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from airflow_provider_minimax.api.fields import parameters
from airflow_provider_minimax.api.ids import Kind
from airflow_provider_minimax.api.models import MODELS, Model, match_model

ALL = [pytest.param(kind, model, id=model.name) for kind, models in MODELS.items() for model in models.values()]


def test_the_nine_image_models_are_known() -> None:
    assert list(MODELS["image"]) == [
        "image-01", "nano-banana-2", "nano-banana-pro", "gpt-image-1.5", "gpt-image-2", "seedream-4.5",
        "seedream-5.0", "midjourney-v7", "midjourney-niji7",
    ]  # fmt: skip


@pytest.mark.parametrize(("kind", "model"), ALL)
def test_a_model_speaks_of_parameters_that_there_are(kind: Kind, model: Model) -> None:
    known = {*parameters(kind)}
    assert {*model.words, *model.max_files, *model.defaults} <= known
    for parameter, value in model.defaults.items():
        assert value in (model.durations if parameter == "duration" else model.words[parameter])
    assert {*model.end_frame_options} <= {*model.words.get("options", ())}


@pytest.mark.parametrize(("kind", "model"), ALL)
def test_a_price_is_for_words_that_the_model_takes(kind: Kind, model: Model) -> None:
    prices = [(price.resolution, price.quality, price.options) for price in model.credits]
    assert len(set(prices)) == len(prices)
    for price in model.credits:
        for parameter in ("resolution", "quality", "options"):
            value = getattr(price, parameter)
            assert value is None or value in model.words[parameter]
        assert price.credits > 0
        assert (price.per == "image") == (kind == "image")
        assert price.source.date


def test_an_image_model_has_its_names_for_itself() -> None:
    names = Counter(name for model in MODELS["image"].values() for name in (model.name, *model.shown_as))
    assert {name for name, count in names.items() if count > 1} == set()


@pytest.mark.parametrize("model", MODELS["image"])
@pytest.mark.parametrize("other", MODELS["image"])
def test_a_list_tells_models_apart_by_each_known_name(model: str, other: str) -> None:
    for shown in (other, other.upper(), f" {other} ", *MODELS["image"][other].shown_as):
        assert match_model("image", {"model": model}, shown) == ("same" if model == other else "other")


@pytest.mark.parametrize("shown", [None, "", " ", "from-tomorrow", 7, 1.5, [], {}, True])
def test_a_name_that_nobody_knows_proves_nothing(shown: Any) -> None:
    for kind, models in MODELS.items():
        for model in (*models, "from-tomorrow", None):
            if model != shown:
                assert match_model(kind, {"model": model}, shown) is None
