"""The extra link to the created media."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_minimax.links import MiniMaxMediaLink, address_of, browser_url, first_url
from airflow_provider_minimax.provider_info import get_provider_info

#: Operators and sensors without a button, since no image or video is their result.
NO_MEDIA = {"MiniMaxDeleteOperator", "MiniMaxUploadFileOperator", "MiniMaxCreditsSensor"}

PREFIXES = {
    "s3://bucket/": "https://files.example/",
    "s3://bucket/public": "https://public.example",
    "s3://console/": "https://console.example/object?prefix=",
    "file:///data": "http://127.0.0.1:8000",
}


@pytest.mark.parametrize(
    ("operator", "link"),
    [
        pytest.param(SimpleNamespace(media_url="https://cdn.test/1.png"), "https://cdn.test/1.png", id="a result"),
        pytest.param(SimpleNamespace(media_url=None), "", id="deferred"),
        pytest.param(SimpleNamespace(), "", id="an operator without the attribute"),
    ],
)
def test_the_link_comes_from_the_operator_and_reads_no_xcom(operator: Any, link: str) -> None:
    assert MiniMaxMediaLink().get_link(operator, ti_key=SimpleNamespace()) == link  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "address"),
    [
        pytest.param("s3://bucket/a/index.html", "https://files.example/a/index.html", id="a prefix"),
        pytest.param("s3://bucket/public/index.html", "https://public.example/index.html", id="the longest prefix"),
        pytest.param("s3://bucket/publication/a.png", "https://files.example/publication/a.png", id="whole segments"),
        pytest.param("s3://bucket/a b#1?.png", "https://files.example/a%20b%231%3F.png", id="quoted"),
        pytest.param("s3://console/a/b.png", "https://console.example/object?prefix=a/b.png", id="a console"),
        pytest.param("file:///data/a.png", "http://127.0.0.1:8000/a.png", id="a local folder"),
        pytest.param("file:///database/a.png", None, id="another local folder"),
        pytest.param("s3://other/a.png", None, id="nobody has said where"),
        pytest.param("https://files.example/a.png", "https://files.example/a.png", id="an address already"),
    ],
)
def test_a_stored_file_has_the_address_that_its_prefix_is_mapped_to(url: str, address: str | None) -> None:
    assert address_of(url, PREFIXES) == address


def test_the_prefixes_are_airflow_s_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__MINIMAX__LINK_PREFIXES", '{"s3://bucket/": "https://files.example/"}')
    # Airflow writes the connection before the bucket.
    assert browser_url("s3://aws_default@bucket/a/index.html") == "https://files.example/a/index.html"
    assert browser_url("/data/a.png") is None


@pytest.mark.parametrize("option", ["https://files.example", "[1]", '{"s3://bucket/": "javascript:alert(1)"}', "{"])
def test_a_wrong_configuration_costs_a_link_and_no_task(
    option: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AIRFLOW__MINIMAX__LINK_PREFIXES", option)
    assert browser_url("s3://bucket/a.png") is None
    assert "[minimax] link_prefixes is not a JSON object" in caplog.text


@pytest.mark.parametrize(
    ("urls", "first"),
    [
        ([None, "", "https://cdn.test/1.png", "https://cdn.test/2.png"], "https://cdn.test/1.png"),
        (["javascript:alert(1)", 7], None),
        ([], None),
    ],
)
def test_a_button_opens_the_first_address_that_a_browser_can_open(urls: list[object], first: str | None) -> None:
    assert first_url(urls) == first


def test_each_operator_and_sensor_has_the_button_unless_it_has_nothing_to_open() -> None:
    info = get_provider_info()
    modules = [name for section in ("operators", "sensors") for name in info[section][0]["python-modules"]]
    classes = {
        name: thing
        for module in modules
        for name, thing in vars(importlib.import_module(module)).items()
        if name.startswith("MiniMax") and name.endswith(("Operator", "Sensor")) and thing.__module__ == module
    }
    buttons = {name for name, thing in classes.items() if any(link.name for link in thing.operator_extra_links)}
    assert len(buttons) == 10
    assert classes.keys() - buttons == NO_MEDIA
