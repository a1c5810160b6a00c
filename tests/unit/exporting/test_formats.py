"""Images as bytes."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.exporting.formats import COLUMNS, FORMATS, OTHER_FIELDS, format_named

#: An image with what is hard to write.
IMAGE: dict[str, Any] = {
    "imageId": "user:1-minimax:2-image:3",
    "userID": 923847293472394123,
    "desc": 'Grüße 日本語 🦊,\r\n"so"',
    "statusFinal": True,
    "hasVoice": False,
    "message": None,
    "extra": {"cameraMotions": [], "promptStruct": ""},
    "tags": [{"type": "normal", "tagText": "ü"}],
    "somethingNew": {"big": 2**70},
}

#: The item fields of GET /images/ as the vendor's page lists them.
DOCUMENTED = set(
    """
    id desc coverURL videoURL status canRetry width height originFiles canAppeal downloadURL hasVoice modelID
    useOriginPrompt isBookmarked disableGenerateSimilar createTime postStatus userID createType promptImgURL extra
    isVisitor videoURLs priority generatorType isInFolder batchID aspectRatio fileID tags duration resolution
    humanCheckStatus userIDStr statusLabel statusFinal imageId
    """.split()  # noqa: SIM905 - a list of forty strings is harder to read
)


def jsonl(*images: dict[str, Any]) -> list[bytes]:
    return FORMATS["jsonl"].encode(images).split(b"\n")


def table(*images: dict[str, Any]) -> list[dict[str, str]]:
    """Return the rows of a CSV file as Python's own reader sees them."""
    body = FORMATS["csv"].header + FORMATS["csv"].encode(images)
    return list(csv.DictReader(io.StringIO(body.decode(), newline=""), strict=True))


# JSON lines


def test_a_line_of_json_holds_every_field_as_it_was_sent() -> None:
    line, rest = jsonl(IMAGE)
    assert json.loads(line) == IMAGE
    assert list(json.loads(line)) == list(IMAGE)
    assert rest == b""


def test_each_image_is_one_line_whatever_its_text_holds() -> None:
    images = [{"desc": text} for text in ("a\nb", "a\r\nb", "a\u2028b", "\x00", "cut \ud83e")]
    lines = jsonl(*images)
    assert [json.loads(line) for line in lines[:-1]] == images


def test_text_stays_readable() -> None:
    assert "Grüße 日本語 🦊".encode() in jsonl(IMAGE)[0]


def test_integers_stay_exact() -> None:
    assert b'"userID":923847293472394123' in jsonl(IMAGE)[0]
    assert str(2**70).encode() in jsonl(IMAGE)[0]


def test_no_images_are_no_lines() -> None:
    assert (FORMATS["jsonl"].header, FORMATS["jsonl"].encode([])) == (b"", b"")


# CSV


def test_every_documented_field_has_a_column_of_its_own_and_the_last_takes_the_rest() -> None:
    header = next(csv.reader(io.StringIO(FORMATS["csv"].header.decode(), newline="")))
    assert sorted(header[:-1]) == sorted(DOCUMENTED), "each once"
    assert header[0] == "imageId"
    assert header == [*COLUMNS, OTHER_FIELDS]


def test_a_row_holds_text_as_it_is_and_json_for_all_else() -> None:
    (row,) = table(IMAGE)
    assert row["desc"] == IMAGE["desc"]
    assert (row["statusFinal"], row["hasVoice"], row["userID"]) == ("true", "false", "923847293472394123")
    assert json.loads(row["extra"]) == IMAGE["extra"]
    assert json.loads(row["tags"]) == IMAGE["tags"]
    assert json.loads(row[OTHER_FIELDS]) == {"message": None, "somethingNew": {"big": 2**70}}


def test_what_is_missing_or_none_is_an_empty_cell() -> None:
    (row,) = table({"imageId": "x", "desc": None})
    assert {value for name, value in row.items() if name != "imageId"} == {""}


@pytest.mark.parametrize(
    "text",
    [
        "a\nb",
        "a\rb",
        "a\r\nb",
        "\r",
        "\n",
        'say "a"',
        '"',
        "a,b",
        ";",
        "\t",
        " padded ",
        "'",
        "\u2028",
        "\x00",
        "=1+1",
        "",
    ],
    ids=repr,
)
def test_any_text_comes_back_from_a_csv_reader(text: str) -> None:
    rows = table({"imageId": text, "desc": text, "unknown": text}, {"imageId": "next"})
    assert [row["imageId"] for row in rows] == [text, "next"]
    assert rows[0]["desc"] == text
    assert json.loads(rows[0][OTHER_FIELDS]) == {"unknown": text}


def test_half_an_emoji_does_not_cost_the_row() -> None:
    (row,) = table({"desc": "cut \ud83e", "tags": ["\ud83e"], "unknown": "\ud83e"})
    assert row["desc"] == r"cut \ud83e"
    assert json.loads(row["tags"]) == ["\ud83e"]
    assert json.loads(row[OTHER_FIELDS]) == {"unknown": "\ud83e"}


def test_the_same_images_are_the_same_bytes() -> None:
    for form in FORMATS.values():
        assert form.encode([IMAGE, IMAGE]) == form.encode([dict(IMAGE)]) * 2


# By name


@pytest.mark.parametrize("name", ["jsonl", "csv"])
def test_a_format_is_found_by_its_name(name: str) -> None:
    assert format_named(name).extension == name


@pytest.mark.parametrize("name", ["json", "JSONL", "", "xml"])
def test_an_unknown_format_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(MiniMaxBadRequestError) as caught:
        format_named(name)
    assert repr(name) in str(caught.value)
    assert "jsonl, csv" in str(caught.value)
