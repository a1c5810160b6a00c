"""A sandbox resumes from what an earlier one remembers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import requests

from airflow_provider_minimax.sandbox import Sandbox, SandboxConfig

CONFIG = SandboxConfig(images=20, step_seconds=0.0)


def remembered(config: SandboxConfig, dumped: bytes) -> bytes:
    """Return what a new sandbox remembers after it has resumed."""
    with Sandbox(config) as sandbox:
        sandbox.restore(dumped)
        return sandbox.dump()


def test_images_videos_and_their_files_outlive_a_sandbox() -> None:
    config = replace(CONFIG, media_origin="http://127.0.0.1:1")
    with Sandbox(config) as sandbox:
        moderated, image = sandbox.create_image("a lamp [moderate:5:1]", quantity=2)
        sandbox.arrive(2)
        video = sandbox.create_video("a lamp turns")
        sandbox.finish(video, status=3)
        held = sandbox.create_video("a lamp [hold]")
        before, dumped = sandbox.all_images(), sandbox.dump()
    with Sandbox(config) as later:
        later.restore(dumped)
        assert later.all_images() == before
        assert later.dump() == dumped
        headers = {"Authorization": f"Bearer {later.token}"}
        statuses = [
            requests.get(f"{later.base_url}/{path}", headers=headers, timeout=10).json()["statusLabel"]
            for path in (f"images/{moderated}", f"images/{image}", f"videos/{video}", f"videos/{held}")
        ]
        assert statuses == ["moderated", "completed", "failed", "pending"]
        (address,) = (one["downloadURL"] for one in before if one["imageId"] == image)
        file = requests.get(address.replace(config.media_origin, later.url), timeout=10)
        assert (file.status_code, file.headers["content-type"]) == (200, "image/png")
        # New ids follow the earlier ones.
        assert later.create_image("another lamp")[0] not in {one["imageId"] for one in before}


@pytest.mark.parametrize(
    "other", [replace(CONFIG, seed=2), replace(CONFIG, images=21), replace(CONFIG, accounts=2)], ids=repr
)
def test_another_configuration_does_not_resume(other: SandboxConfig) -> None:
    with Sandbox(CONFIG) as sandbox:
        dumped = sandbox.dump()
    with pytest.raises(ValueError, match="the sandbox had another"):
        remembered(other, dumped)


@pytest.mark.parametrize("dumped", [b"", b"not ours", b"\x80"])
def test_what_no_sandbox_has_dumped_is_refused(dumped: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        remembered(CONFIG, dumped)
