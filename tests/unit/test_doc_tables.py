"""The tables of the docs that show the package's data."""

from __future__ import annotations

from airflow_provider_minimax.api.jobs import STATUSES
from airflow_provider_minimax.api.models import MODELS
from scripts.doc_tables import DOCS, TABLES, with_tables


def test_the_pages_show_what_the_data_says() -> None:
    pages = {page.name: page.read_text(encoding="utf-8") for page in DOCS.glob("*.md")}
    stale = [name for name, text in pages.items() if with_tables(text) != text]
    assert stale == [], "write them with: python -m scripts doc_tables"
    assert {name for name in TABLES if not any(f"<!-- table: {name} -->" in text for text in pages.values())} == set()


def test_each_model_and_status_has_a_row() -> None:
    for kind, models in MODELS.items():
        assert TABLES[f"{kind}-models"]().count("\n") == len(models) + 2
    assert TABLES["statuses"]().count("\n") == len(STATUSES) + 2


def test_each_model_of_a_known_price_stands_in_the_prices_once() -> None:
    table = TABLES["prices"]()
    for model in (model for models in MODELS.values() for model in models.values()):
        assert table.count(f"`{model.name}`") == bool(model.credits), model.name
    assert "| `nano-banana-2` | 4 (1K), 5 (2K), 8 (4K) an image | third-party report, September 2026 |" in table
    assert "low 2 (1K), 5 (2K), 10 (4K); medium 8 (1K), 20 (2K), 40 (4K); high 30 (1K)" in table
    assert "| 3 an image, and so 12 a create |" in table
    assert "| 10 (480), 21 (720), 50 (1080), 100 (4K) a second | documented October 2026 |" in table


def test_another_table_in_its_place_is_replaced() -> None:
    text = "before\n<!-- table: statuses -->\n\n| stale |\n\n<!-- end of table -->\nafter\n"
    written = with_tables(text)
    assert written.startswith("before\n<!-- table: statuses -->\n\n| status | meaning |")
    assert "stale" not in written
    assert with_tables(written) == written
