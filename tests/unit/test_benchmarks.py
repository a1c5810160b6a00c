"""The page of benchmarks, and the servers that they measure against."""

from __future__ import annotations

import platform

import pytest
import requests

from airflow_provider_minimax.api.client import MiniMaxClient
from airflow_provider_minimax.api.settings import Settings
from bench import _rendered, _report, creates
from bench._measuring import Row
from tests.support import ROOT


def test_the_page_names_machine_versions_and_every_row_but_no_place() -> None:
    rows = [
        Row("fast", "1.00", "<= 1.05", True),
        Row("slow", "1.20", "<= 1.1", False),
        Row("size", "3", "stated", None),
    ]
    page = _report.report({"Media": rows})
    assert (
        "\n| fast | 1.00 | <= 1.05 | kept |\n| slow | 1.20 | <= 1.1 | **broken** |\n| size | 3 | stated |  |\n" in page
    )
    assert all(word in page for word in ("`make bench`", "cores", platform.python_version(), "apache-airflow 3."))
    assert str(ROOT) not in page


@pytest.mark.parametrize("has_nginx", [True, False])
def test_a_rendered_site_is_read_like_the_sandbox_it_was_rendered_from(
    has_nginx: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nginx is not installed, both are served from Python."""
    if not has_nginx:
        monkeypatch.setenv("PATH", "")
        monkeypatch.setattr(_rendered, "NGINX_PATHS", ())
    with _rendered.site(230, media_bytes=1000) as site:
        assert has_nginx or site.server.endswith("as nginx is not installed")
        images = list(MiniMaxClient(Settings(site.service.token, site.service.base_url)).iter_images())
        assert len({image["imageId"] for image in images}) == 230
        body = requests.get(next(image["downloadURL"] for image in images if image["downloadURL"]), timeout=60).content
        assert (body[:4], len(body)) == (b"\x89PNG", 1000)


def test_creates_run_without_celery_where_it_cannot_and_say_by_name_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    executor, (row,) = creates.choose_executor()
    assert (executor, row.is_kept) == ("LocalExecutor", None)
    assert row.found.startswith("not installed: redis-server")
