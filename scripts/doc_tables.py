"""Write the tables of the docs that show the package's data: ``python -m scripts doc_tables``.

A page says where each belongs: between ``<!-- table: NAME -->`` and ``<!-- end of table -->``. A test holds the pages
against the data, so they cannot go stale.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from airflow_provider_minimax.api.ids import Kind
from airflow_provider_minimax.api.jobs import STATUSES
from airflow_provider_minimax.api.models import MODELS, Model, Price
from airflow_provider_minimax.api.prices import documented

DOCS: Final = Path(__file__).resolve().parent.parent / "docs"
_PLACE: Final = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)
_WORDS: Final[Mapping[Kind, Sequence[str]]] = {
    "image": ("aspect_ratio", "resolution", "quality"),
    "video": ("options", "resolution", "aspect_ratio"),
}


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _models(kind: Kind) -> str:
    words = _WORDS[kind]
    head = [
        "model", "prompt", *(f"`{word}`" for word in words), "images" if kind == "image" else "`duration`",
        "files", "also listed as", "documented", "credits an image" if kind == "image" else "credits",
    ]  # fmt: skip
    return _table(head, (_model(kind, model, words) for model in MODELS[kind].values()))


def _model(kind: Kind, model: Model, words: Sequence[str]) -> list[str]:
    seconds = f"{model.durations[0]} to {model.durations[-1]} s" if model.durations else ""
    files = (f"{maximum} `{name}`" for name, maximum in model.max_files.items() if name != "file_id")
    return [
        f"`{model.name}`",
        str(model.max_prompt),
        *(", ".join(_word(model, word, value) for value in model.words.get(word, ())) for word in words),
        str(model.batch or "1 to 4") if kind == "image" else seconds,
        ", ".join(files),
        ", ".join(f"`{name}`" for name in model.shown_as),
        f"{model.source.date} ({model.source.confidence})",
        _credits(model.credits),
    ]


def _word(model: Model, parameter: str, value: str) -> str:
    return f"**{value}**" if model.defaults.get(parameter) == value else value


def _credits(prices: Sequence[Price]) -> str:
    if not prices:
        return "unknown"
    texts = []
    for price in prices:
        of = ", ".join(value for value in (price.quality, price.resolution, price.options) if value)
        texts.append(f"{price.credits}{' a second' if price.per == 'second' else ''}{f' ({of})' if of else ''}")
    source = prices[0].source
    return f"{', '.join(texts)}; {source.date} ({source.confidence})"


def _prices() -> str:
    rows = []
    for kind, models in MODELS.items():
        # Models of the same prices share a row.
        named: dict[tuple[Price, ...], list[Model]] = {}
        for model in models.values():
            named.setdefault(model.credits, []).append(model)
        rows += [_price_row(kind, prices, alike) for prices, alike in named.items() if prices]
    return _table(["model", "credits", "source"], rows)


def _price_row(kind: Kind, prices: Sequence[Price], models: Sequence[Model]) -> list[str]:
    by_word: dict[str, list[Price]] = {}
    for price in prices:
        by_word.setdefault(price.quality or "", []).append(price)
    texts = [f"{word} {', '.join(map(_price, alike))}".strip() for word, alike in by_word.items()]
    batch = models[0].batch
    whole = f", and so {prices[0].credits * batch} a create" if batch else ""
    unit = "a second" if prices[0].per == "second" else "a video" if kind == "video" else "an image"
    return [
        ", ".join(f"`{model.name}`" for model in models),
        f"{'; '.join(texts)} {unit}{whole}",
        documented(prices[0].source),
    ]


def _price(price: Price) -> str:
    of = price.resolution or price.options
    return f"{price.credits} ({of})" if of else str(price.credits)


def _statuses() -> str:
    rows = (
        [str(number), status.label or status.note, "" if status.label else "not documented", status.source.confidence]
        for number, status in STATUSES.items()
    )
    return _table(["status", "meaning", "label", "confidence"], rows)


#: The tables by name.
TABLES: Final[Mapping[str, Callable[[], str]]] = {
    "image-models": lambda: _models("image"),
    "video-models": lambda: _models("video"),
    "prices": _prices,
    "statuses": _statuses,
}


def with_tables(text: str) -> str:
    """Return the text of a page with its tables as the data has them now."""
    return _PLACE.sub(lambda place: f"{place[1]}\n{TABLES[place[2]]()}\n{place[3]}", text)


def main() -> int:
    """Write the pages."""
    for page in DOCS.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        page.write_text(with_tables(text), encoding="utf-8")
    return 0
