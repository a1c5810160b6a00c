"""From ``output_path`` to a folder."""

from __future__ import annotations

import pytest

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.storage.folders import folder_at


@pytest.mark.parametrize("path", ["/data/x", "file:///data/x", " /data/x\n"])
def test_a_folder_is_found_by_its_path(path: str) -> None:
    assert folder_at(path, None).path == "/data/x"


@pytest.mark.parametrize("path", ["", "  ", "\n"])
def test_an_empty_path_is_refused(path: str) -> None:
    with pytest.raises(MiniMaxBadRequestError, match="output_path must name a folder"):
        folder_at(path, None)


@pytest.mark.parametrize("path", ["s3x://bucket/x", "nosuchstorage://x"])
def test_a_storage_that_is_not_installed_is_refused_by_name(path: str) -> None:
    with pytest.raises(MiniMaxBadRequestError, match="output_path") as caught:
        folder_at(path, None)
    assert path in str(caught.value)
    assert "\n" not in str(caught.value)
