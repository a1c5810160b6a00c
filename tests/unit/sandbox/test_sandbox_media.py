"""Pictures and videos are real, differ from each other, and need no token."""

from __future__ import annotations

import struct
import subprocess
import sys
import time
import zlib

import pytest
import requests

from airflow_provider_minimax.sandbox import SandboxConfig
from airflow_provider_minimax.sandbox.pictures import dimensions, picture
from airflow_provider_minimax.sandbox.sample_videos import sample_video


def chunks(png):
    """Take a PNG apart, checking signature, lengths and checksums."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at = 8
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", png, at + 8 + length)[0] == zlib.crc32(kind + data)
        yield kind, data
        at += 12 + length
    assert kind == b"IEND"


def decode(png):
    """Return width, height and the palette indices of a PNG."""
    parts = dict(chunks(png))
    width, height, depth, color = struct.unpack_from(">IIBB", parts[b"IHDR"])
    assert (depth, color) == (8, 3)
    pixels = zlib.decompress(parts[b"IDAT"])
    assert len(pixels) == (width + 1) * height
    assert max(pixels) < len(parts[b"PLTE"]) // 3 <= 256
    return width, height, pixels


def boxes(data):
    at = 0
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        yield data[at + 4 : at + 8], data[at + 8 : at + size]
        at += size
    assert at == len(data)


@pytest.mark.parametrize(
    ("aspect", "size"),
    [("9:16", (360, 640)), ("16:9", (640, 360)), ("1:1", (640, 640)), ("21:9", (640, 274)), ("auto", (640, 640))],
)
def test_pictures_have_their_aspect_ratio(aspect, size):
    assert dimensions(aspect, 640) == size
    width, height, _ = decode(picture(1, *dimensions(aspect, 64)))
    assert abs(width / height - size[0] / size[1]) < 0.1


def test_pictures_differ_by_seed_and_by_nothing_else():
    drawn = [decode(picture(seed, 72, 128))[2] for seed in range(40)]
    assert len(set(drawn)) == 40
    assert all(len(set(pixels)) > 15 for pixels in drawn)
    first = picture(7, 72, 128)
    picture.cache_clear()
    assert picture(7, 72, 128) == first != picture(7, 72, 128, watermark=True)
    assert decode(first)[2] == drawn[7]


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (300, 4), (4, 300)])
def test_pictures_of_odd_sizes(size):
    for seed in range(30):
        assert decode(picture(seed, *size))[:2] == size


def test_a_thumbnail_is_drawn_fast():
    picture.cache_clear()
    best = min(_seconds(seed) for seed in range(10))
    assert best < 0.05


def _seconds(seed):
    start = time.perf_counter()
    picture(seed, 180, 320)
    return time.perf_counter() - start


def test_pictures_can_have_an_exact_size():
    assert len(picture(1, 64, 64, size=50_000)) == 50_000
    decode(picture(1, 64, 64, size=50_000))
    with pytest.raises(ValueError, match="does not fit"):
        picture(1, 64, 64, size=100)


def test_downloads_over_http(api, sandbox):
    sandbox.reset(SandboxConfig(media_bytes=60_000, step_seconds=0))
    items = [item for item in sandbox.all_images() if item["status"] == 2][:8]
    bodies = set()
    for item in items:
        full = requests.get(item["downloadURL"], timeout=10)
        assert (full.headers["Content-Type"], full.headers["Content-Length"]) == ("image/png", "60000")
        width = decode(full.content)[0]
        cover = requests.get(item["coverURL"], timeout=10)
        assert decode(cover.content)[0] == pytest.approx(width / 2, abs=1)
        assert requests.get(item["videoURL"], timeout=10).content != full.content
        bodies.add(full.content)
    assert len(bodies) == len(items)
    assert sandbox.stats.media_requests == 3 * len(items)
    assert sandbox.stats.media_requests_with_authorization == 0


def test_a_token_that_reaches_the_media_is_recorded(api, sandbox):
    url = next(item["downloadURL"] for item in sandbox.all_images() if item["status"] == 2)
    requests.get(url, headers={"Authorization": "Bearer x"}, timeout=10)
    assert sandbox.stats.media_requests_with_authorization == 1


def test_head_and_range(sandbox):
    url = next(item["downloadURL"] for item in sandbox.all_images() if item["status"] == 2)
    whole = requests.get(url, timeout=10).content
    head = requests.head(url, timeout=10)
    assert (head.headers["Content-Length"], head.content) == (str(len(whole)), b"")
    part = requests.get(url, headers={"Range": "bytes=100-199"}, timeout=10)
    assert (part.status_code, part.content) == (206, whole[100:200])
    assert part.headers["Content-Range"] == f"bytes 100-199/{len(whole)}"
    rest = requests.get(url, headers={"Range": f"bytes={len(whole) - 5}-"}, timeout=10)
    assert rest.content == whole[-5:]
    assert requests.get(url, headers={"Range": f"bytes={len(whole)}-"}, timeout=10).status_code == 416


def test_unfinished_and_unknown_media_are_404(sandbox):
    failed = next(item for item in sandbox.all_images() if item["status"] != 2)
    for name in (f"{failed['id']}.png", "1.png", "x.png", f"{failed['id']}.mp4", "999999999999999999.png"):
        assert requests.get(f"{sandbox.url}/media/{name}", timeout=10).status_code == 404


def test_media_may_be_elsewhere(sandbox):
    sandbox.reset(SandboxConfig(media_origin="http://127.0.0.2:9"))
    urls = [item["downloadURL"] for item in sandbox.all_images() if item["status"] == 2]
    assert all(url.startswith("http://127.0.0.2:9/media/") for url in urls)


def test_a_video_is_a_whole_mp4_and_differs_by_seed():
    videos = [sample_video(seed) for seed in (0, 1, 2, 3, 2**64 - 1)]
    assert len(set(videos)) == len(videos)
    for video in videos:
        # The index comes first, so that a browser plays while it loads; the seed comes last and is skipped.
        assert [kind for kind, _ in boxes(video)] == [b"ftyp", b"moov", b"free", b"mdat", b"free"]
        parts = dict(boxes(video))
        index = parts[b"moov"]
        assert b"avc1" in index
        assert struct.unpack_from(">I", index, index.index(b"stco") + 12)[0] == video.index(b"mdat") + 4
        (size, count) = struct.unpack_from(">II", index, index.index(b"stsz") + 8)
        assert size == 0
        sizes = struct.unpack_from(f">{count}I", index, index.index(b"stsz") + 16)
        assert (count, sum(sizes)) == (48, len(parts[b"mdat"]))


def test_a_video_over_http(api, sandbox):
    item = api.get(f"/videos/{sandbox.create_video('a fox')}").json()
    video = requests.get(item["downloadURL"], timeout=10)
    assert (video.status_code, video.headers["Content-Type"]) == (200, "video/mp4")
    assert next(boxes(video.content))[0] == b"ftyp"
    cover = requests.get(item["coverURL"], timeout=10)
    assert decode(cover.content)[:2] == (320, 180)


def test_without_pillow_only_pictures_are_missing(api, sandbox, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.delitem(sys.modules, picture.__module__)
    url = next(item["downloadURL"] for item in sandbox.all_images() if item["status"] == 2)
    missing = requests.get(url, timeout=10)
    assert missing.status_code == 501
    assert "pip install 'airflow-provider-minimax[sandbox]'" in missing.json()["error"]
    video = api.get(f"/videos/{sandbox.create_video('a fox')}").json()
    assert requests.get(video["downloadURL"], timeout=10).status_code == 200


def test_the_sandbox_starts_without_pillow():
    code = (
        "import sys; sys.modules['PIL'] = None; from airflow_provider_minimax.sandbox import Sandbox\n"
        "with Sandbox() as sandbox: print(len(sandbox.all_images()))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "60"
