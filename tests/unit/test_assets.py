"""The URIs of assets, as Airflow reads them, and the events of outlets."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Asset, AssetAlias
from airflow.sdk.definitions.asset import AssetAliasEvent
from airflow.sdk.execution_time.context import OutletEventAccessors

from airflow_provider_minimax.assets import (
    MAX_IDS,
    Made,
    add_to_events,
    alias_extra,
    convert_asset_to_openlineage,
    create_asset,
    dataset_name,
    event_ids,
)
from airflow_provider_minimax.provider_info import get_provider_info
from tests.unit.test_provider_info import resolve

MADE = Made("minimax://2/images", {"ids": ["user:1-minimax:2-image:3"], "count": 1})


def outlet(asset: Any) -> Any:
    """Return the event of an asset after a task has told what it made."""
    context: Any = {"outlet_events": OutletEventAccessors()}
    add_to_events(context, [asset], lambda: MADE)
    return context["outlet_events"][asset]


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("minimax://2/images", id="as it is"),
        pytest.param("minimax://2/images/", id="a slash at the end"),
        pytest.param("MiniMax://2/Images", id="capital letters"),
    ],
)
def test_one_asset_has_one_uri(uri: str) -> None:
    assert Asset(uri).uri == create_asset(account="2").uri == "minimax://2/images"


def test_the_factory_takes_what_an_asset_takes() -> None:
    asset = create_asset(account="2", kind="videos", name="clips", extra={"team": "film"})
    assert (asset.name, asset.uri, asset.extra) == ("clips", "minimax://2/videos", {"team": "film"})


def test_an_account_may_hold_what_stands_before_a_host() -> None:
    assert Asset("minimax://a%40b.example/images").uri == create_asset(account="a@b.example").uri
    assert create_asset(account="a@b.example").uri == "minimax://a%40b.example/images"


@pytest.mark.parametrize(
    "uri",
    [
        "minimax://2",
        "minimax://2/files",
        "minimax://2/images/3",
        "minimax:///images",
        "minimax://auto/images",
        "minimax://2:80/images",
        "minimax://2/images?status=completed",
    ],
)
def test_a_uri_of_nothing_is_refused_where_the_dag_is_read(uri: str) -> None:
    with pytest.raises(ValueError, match="minimax://<account>/images or /videos"):
        Asset(uri)


def test_airflow_finds_each_function_of_the_scheme() -> None:
    (found,) = get_provider_info()["asset-uris"]
    assert found["schemes"] == ["minimax"]
    assert resolve(found["factory"]) is create_asset
    assert resolve(found["to_openlineage_converter"]) is convert_asset_to_openlineage
    assert callable(resolve(found["handler"]))


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("minimax://2/images", ("minimax://2", "images")),
        ("file:///data/exports", ("file", "/data/exports")),
        ("file:///", ("file", "/")),
        ("s3://bucket/a/b/", ("s3://bucket", "a/b")),
        ("s3a://bucket/a", ("s3://bucket", "a")),
        ("gs://bucket/a", ("gs://bucket", "a")),
        ("gcs://bucket/a", ("gs://bucket", "a")),
        ("s3://bucket", ("s3://bucket", "/")),
        ("https://files.example/a", ("https://files.example", "a")),
    ],
)
def test_openlineage_knows_each_place_by_one_name(uri: str, name: tuple[str, str]) -> None:
    assert dataset_name(uri) == name


def test_an_outlet_tells_what_was_made() -> None:
    assert outlet(Asset("mine")).extra == MADE.extra


def test_what_the_user_has_put_there_wins() -> None:
    context: Any = {"outlet_events": OutletEventAccessors()}
    asset = Asset("mine")
    context["outlet_events"][asset].extra = {"count": "mine", "team": "film"}
    add_to_events(context, [asset], lambda: MADE)
    assert context["outlet_events"][asset].extra == {**MADE.extra, "count": "mine", "team": "film"}


def test_an_alias_stands_for_the_asset_that_was_made() -> None:
    (event,) = outlet(AssetAlias("made")).asset_alias_events
    assert (event.dest_asset_key.uri, event.extra) == (MADE.uri, alias_extra(MADE.extra, vars(AssetAliasEvent)))


@pytest.mark.parametrize(
    ("event_class", "extra"),
    [
        pytest.param({}, {"count": 1}, id="Airflow 3.1.0 fails the task over a list"),
        pytest.param({"dest_asset_extra": None}, MADE.extra, id="later ones"),
    ],
)
def test_the_event_of_an_alias_holds_what_airflow_s_server_can_take(
    event_class: dict[str, object], extra: dict[str, Any]
) -> None:
    assert alias_extra(MADE.extra, event_class) == extra


def test_without_an_asset_nothing_is_described() -> None:
    def describe() -> Made:
        raise AssertionError("described for nobody")

    add_to_events({}, [SimpleNamespace(uri="file:///x"), "text"], describe)  # type: ignore[typeddict-item]


def test_no_outlet_fails_a_task(caplog: pytest.LogCaptureFixture) -> None:
    # Outside of Airflow, nobody tells what the reference stands for.
    context: Any = {"outlet_events": OutletEventAccessors()}
    unknown, mine = Asset.ref(name="unknown"), Asset("mine")
    add_to_events(context, [unknown, mine], lambda: MADE)
    assert context["outlet_events"][mine].extra == MADE.extra
    assert "unknown" in caplog.text


def test_an_event_names_so_many_ids_and_counts_all() -> None:
    ids = [f"user:1-minimax:2-image:{number}" for number in range(MAX_IDS + 5)]
    assert event_ids(ids, 12_345) == {"ids": ids[:MAX_IDS], "count": 12_345}
