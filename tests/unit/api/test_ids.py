"""Ids: what is taken, what is refused, and what the refusal says."""

from __future__ import annotations

import pytest

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.ids import Kind, ResourceId, parse_id

IMAGE = "user:1234-minimax:987654321012345678-image:357846312387492374"
WANTED = "user:<user>-minimax:<account>-image:<image_id>"


@pytest.mark.parametrize(
    ("text", "kind", "account", "bare"),
    [
        pytest.param(IMAGE, "image", "987654321012345678", "357846312387492374", id="image"),
        pytest.param("user:1-minimax:2-video:3", "video", "2", "3", id="video"),
        pytest.param("user:1-minimax:2-file:3", "file", "2", "3", id="file"),
        pytest.param("user:1-minimax:acc_B2-image:3", "image", "acc_B2", "3", id="account with letters"),
        pytest.param("user:1-minimax:2-image:ab-cd_3", "image", "2", "ab-cd_3", id="bare id with letters and dashes"),
    ],
)
def test_a_full_id_is_taken_apart(text: str, kind: Kind, account: str, bare: str) -> None:
    found = parse_id(text, kind)
    assert found == ResourceId(text, account, kind, bare)
    assert f"{found.owner}-{kind}:{bare}" == found.full


def test_blanks_around_an_id_do_not_belong_to_it() -> None:
    assert parse_id(f"  {IMAGE}\n", "image").full == IMAGE


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(None, id="None"),
        pytest.param("", id="empty"),
        pytest.param("  \n", id="blank"),
        pytest.param(357846312387492374, id="number"),
        pytest.param([IMAGE], id="list"),
        pytest.param(IMAGE.encode(), id="bytes"),
    ],
)
def test_what_is_no_text_is_refused_as_no_id(value: object) -> None:
    with pytest.raises(MiniMaxBadRequestError) as caught:
        parse_id(value, "image")
    assert f"No image id was given (got {value!r})" in str(caught.value)
    assert WANTED in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("357846312387492374", id="bare id"),
        pytest.param("None", id="rendered None"),
        pytest.param("user:1-minimax:2-image:", id="nothing after the kind"),
        pytest.param("user:1-minimax:-image:3", id="no account"),
        pytest.param("user:-minimax:2-image:3", id="no user"),
        pytest.param("user:abc-minimax:2-image:3", id="user with letters"),
        pytest.param("USER:1-minimax:2-image:3", id="capitals"),
        pytest.param("user:1-pixverse:2-image:3", id="another service"),
        pytest.param("x user:1-minimax:2-image:3", id="text before"),
        pytest.param(f"['{IMAGE}']", id="list as text"),
        pytest.param("user:1-minimax:2-image:3,user:1-minimax:2-image:4", id="two ids, comma"),
        pytest.param("user:1-minimax:2-image:3 user:1-minimax:2-image:4", id="two ids, blank"),
        *[
            pytest.param(template.format(char), id=f"{char!r} in the {where}")
            for char in ("\n", "\r\n", "\t", " ", "?", "#", "%", "%2F", "/", "\\", "/../")
            for where, template in (
                ("bare id", "user:1-minimax:2-image:3{}4"),
                ("account", "user:1-minimax:2{}3-image:4"),
            )
        ],
    ],
)
def test_what_could_not_stand_in_a_path_is_refused(text: str) -> None:
    with pytest.raises(MiniMaxBadRequestError) as caught:
        parse_id(text, "image")
    assert repr(text) in str(caught.value)
    assert WANTED in str(caught.value)


@pytest.mark.parametrize(
    ("given", "wanted"), [("video", "image"), ("image", "video"), ("file", "image"), ("image", "file")]
)
def test_an_id_of_another_kind_is_refused_by_both_names(given: str, wanted: Kind) -> None:
    text = f"user:1-minimax:2-{given}:3"
    with pytest.raises(MiniMaxBadRequestError) as caught:
        parse_id(text, wanted)
    assert f"{text} is an id of kind {given}" in str(caught.value)
    assert f"-{wanted}:<{wanted}_id>" in str(caught.value)


def test_an_id_of_another_account_is_refused_by_both_names() -> None:
    with pytest.raises(MiniMaxBadRequestError) as caught:
        parse_id("user:1-minimax:222-image:3", "image", account="333")
    message = str(caught.value)
    assert "belongs to account 222" in message
    assert "works on account 333" in message


def test_an_id_of_the_account_that_is_asked_for_is_taken() -> None:
    assert parse_id("user:1-minimax:222-image:3", "image", account="222").account == "222"


def test_a_refusal_is_never_retried_and_is_a_value_error_too() -> None:
    from airflow_provider_minimax.compat import AirflowFailException

    with pytest.raises(AirflowFailException) as caught:
        parse_id("3", "image")
    assert isinstance(caught.value, ValueError)
    assert caught.value.__cause__ is None
