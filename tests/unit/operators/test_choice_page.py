"""The page on which a person chooses: prompts are text in it, and only web addresses are pictures and links."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from airflow_provider_minimax.operators import choice_page

#: Where Airflow's pages (remark-gfm) look for links in text, beside what CommonMark says.
AUTOLINKS = re.compile(r"https?://|www(?=\.)|[-.\w+]+@[-\w]+(\.[-\w]+)+", re.IGNORECASE)

HOSTILE = [
    "![](x)",
    "![a](https://evil.example/x.png)",
    "[link](javascript:alert(1))",
    "[ref]: https://evil.example",
    "<script>document.title='ran'</script>",
    "<img src=x onerror=alert(1)>",
    "<https://evil.example>",
    "https://evil.example/a?b=c&d",
    "HTTP://EVIL.EXAMPLE",
    "see www.evil.example.",
    "mail me@evil.example now",
    "mailto:me@evil.example",
    "a | b | c\n|---|---|\n| d | e |",
    "`code` ``more`` ```fence",
    "```\nfence\n```",
    "~~gone~~ **bold** __bold__ *it* _it_",
    "# heading",
    "heading\n===",
    "- item\n- item",
    "1. one\n2. two",
    "> quote",
    "    indented",
    "---",
    "&lt;b&gt; &#60; &amp;",
    "back\\slash \\",
    "footnote[^1]\n\n[^1]: note",
    "- [ ] task",
    "line\\\nbreak  \nbreak",
    "{{ 1 + 1 }}",
    "\\![](x)",
    "]](x)",
]


def parse(text: str) -> list[Token]:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)


def assert_is_text(markdown: str, line: str) -> None:
    """Assert that Markdown is one paragraph of nothing but this line."""
    tokens = parse(markdown)
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    children = tokens[1].children or []
    assert {child.type for child in children} <= {"text", "text_special"}
    shown = "".join(child.content for child in children)
    assert shown.replace("\u2060", "") == line
    assert AUTOLINKS.search(shown) is None


@pytest.mark.parametrize("prompt", HOSTILE)
def test_a_prompt_is_shown_as_it_is(prompt: str) -> None:
    line = choice_page.one_line(prompt, 300)
    assert_is_text(choice_page.escape(line), line)


def test_so_is_any_mixture() -> None:
    chance = random.Random(7)
    parts = [*"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ \t\nab1", "http", "://", "www", "\u202e", "é", "👩‍👩‍👧", *HOSTILE]
    for _ in range(500):
        line = choice_page.one_line("x" + "".join(chance.choices(parts, k=chance.randint(1, 20))), 2_000)
        assert_is_text(choice_page.escape(line), line)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (None, ""),
        ("", ""),
        ("  a\t b\r\n c\u2028d\u2029e\u00a0f ", "a b c d e f"),
        ("a\x00b\x1b[31mc\x7fd\x85", "ab[31mcd"),
        ("a\u202egnp.exe\u2066b\u200fc\ufeffd", "agnp.exebcd"),
        ("half \ud83d of an emoji", "half of an emoji"),
        ("👩\u200d👩\u200d👧 \u0645\u06cc\u200c\u062e", "👩\u200d👩\u200d👧 \u0645\u06cc\u200c\u062e"),
        (1984, "1984"),
        ("123456789", "123456789"),
        ("1234567890", "1234567890"),
        ("12345678901", "123456789…"),
        ("12345678 901", "12345678…"),
    ],
)
def test_text_becomes_one_line(text: object, line: str) -> None:
    limit = 10 if str(text).startswith("12345") else 300
    assert choice_page.one_line(text, limit) == line


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://cdn.example/a.png", "https://cdn.example/a.png"),
        ("http://127.0.0.1:8080/a.png?x=1&y=2", "http://127.0.0.1:8080/a.png?x=1&amp;y=2"),
        ("HTTPS://CDN.EXAMPLE/A", "HTTPS://CDN.EXAMPLE/A"),
        ("https://a.example/x>)![](https://b.example/y", "https://a.example/x%3E)![](https://b.example/y"),
        ('https://a.example/a b\\c"d`e|f^g{h}é<', "https://a.example/a%20b%5Cc%22d%60e%7Cf%5Eg%7Bh%7D%C3%A9%3C"),
        ("https://a.example/&lt;", "https://a.example/&amp;lt;"),
        ("https://a.example/%20", "https://a.example/%20"),
        ("https://a.example/\ud83d", "https://a.example/?"),
        ("javascript:alert(1)", None),
        ("data:image/png;base64,AAAA", None),
        ("file:///etc/passwd", None),
        ("//a.example/x", None),
        ("https:///x", None),
        ("https://[::1", None),
        ("a.png", None),
        ("", None),
        (None, None),
        (7, None),
    ],
)
def test_only_web_addresses_are_addresses(url: object, address: str | None) -> None:
    assert choice_page.web_address(url) == address


# Options


def image(**fields: Any) -> dict[str, Any]:
    return {"imageId": "user:1-minimax:2-image:3", "desc": "a lamp", "url": "https://cdn.example/a.png"} | fields


def video(**fields: Any) -> dict[str, Any]:
    return {"videoId": "user:1-minimax:2-video:3", "desc": "a lamp", "url": "https://cdn.example/a.mp4"} | fields


def test_options_are_named_after_number_and_prompt() -> None:
    media = [image(), image(desc="x" * 2_000), image(desc=None), video(desc=" \n"), image(desc="![](x)\n<b>")]
    assert choice_page.options(media) == [
        "1. a lamp",
        f"2. {'x' * 20}…",
        "3. Image",
        "4. Video",
        "5. ![](x) <b>",
    ]


def test_options_are_unique_and_of_bounded_length() -> None:
    names = choice_page.options([image(desc="the same prompt " * 100)] * 250)
    assert len(set(names)) == 250
    assert max(map(len, names)) == choice_page.MAX_OPTION


# Body


def shown(markdown: str) -> list[tuple[str, str | None, str]]:
    """Return what a body links to: the text of each link, its picture, and its address."""
    found = []
    for token in parse(markdown):
        children = token.children or []
        for place, child in enumerate(children):
            if child.type == "link_open":
                inside = children[place + 1 :]
                inside = inside[: next(n for n, one in enumerate(inside) if one.type == "link_close")]
                picture = next((str(one.attrs["src"]) for one in inside if one.type == "image"), None)
                text = "".join(one.content for one in inside if one.type == "text").strip()
                found.append((text, picture, str(child.attrs["href"])))
    return found


def test_pictures_stand_under_their_prompt() -> None:
    media = [image(url=f"https://cdn.example/{number}.png?a=1&b=2") for number in range(3)]
    media += [image(desc="a fox", url="https://cdn.example/fox.png")]
    body = choice_page.body(media, "Choose **well**.")
    urls = [item["url"] for item in media]
    assert shown(body) == [(str(number), url, url) for number, url in enumerate(urls, start=1)]
    paragraphs = [token.content for token in parse(body) if token.type == "inline"]
    assert [paragraphs[place] for place in (0, 1, 3)] == ["Choose **well**.", "a lamp", "a fox"]
    assert len(paragraphs) == 5


def test_a_video_is_a_poster_that_links_to_it_or_a_link() -> None:
    media = [video(coverURL="https://cdn.example/a.webp"), video(), video(coverURL="javascript:alert(1)")]
    assert shown(choice_page.body(media)) == [
        ("1", "https://cdn.example/a.webp", "https://cdn.example/a.mp4"),
        ("2 Play the video", None, "https://cdn.example/a.mp4"),
        ("3 Play the video", None, "https://cdn.example/a.mp4"),
    ]


@pytest.mark.parametrize(
    ("url", "text"),
    [
        (None, "no file"),
        ("", "no file"),
        ("javascript:alert(1)", "javascript:alert(1)"),
        ("![](data:image/png,x)", "![](data:image/png,x)"),
        ("x" * 1_000, f"{'x' * 299}…"),
    ],
)
def test_what_is_no_web_address_is_text(url: object, text: str) -> None:
    (paragraph,) = [
        token
        for token in parse(choice_page.body([image(url=url)]))
        if "no file" in token.content or "1" in token.content
    ]
    assert {child.type for child in paragraph.children or []} <= {"strong_open", "strong_close", "text", "text_special"}
    assert "".join(child.content for child in paragraph.children or []) == f"1 {text}"


@pytest.mark.parametrize("prompt", HOSTILE)
def test_a_hostile_prompt_adds_nothing_to_the_page(prompt: str) -> None:
    tame, body = (choice_page.body([image(desc=desc), image(desc=desc)]) for desc in ("a lamp", prompt))
    assert shown(body) == shown(tame)
    assert [token.type for token in parse(body)] == [token.type for token in parse(tame)]


@pytest.mark.parametrize(
    "url", ["https://a.example/>)[x](javascript:alert(1))", "https://a.example/\n\n# heading", "https://a.example/<b>"]
)
def test_nor_does_a_hostile_address(url: str) -> None:
    ((text, picture, link),) = shown(choice_page.body([image(url=url)]))
    assert text == "1"
    assert picture == link
    assert link.startswith("https://a.example/")
    assert [token.type for token in parse(choice_page.body([image(url=url)]))].count("paragraph_open") == 2
