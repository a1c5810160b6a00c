"""Downloads: checked before they appear, and requested with nothing that is secret."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.media.downloader import MediaDownloader
from airflow_provider_minimax.media.filenames import MediaError, Saved
from airflow_provider_minimax.storage.folders import storage_at

PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)


class Cdn(BaseHTTPRequestHandler):
    """Responds as the test says, and records the headers of requests."""

    replies: dict[str, tuple[int, dict[str, str | None], bytes | Iterator[bytes]]]
    seen: list[dict[str, str]]

    def do_GET(self) -> None:
        self.seen.append(dict(self.headers))
        status, headers, body = self.replies[self.path]
        self.send_response(status)
        pieces = [body] if isinstance(body, bytes) else body
        length = {"Content-Length": str(len(body))} if isinstance(body, bytes) else {}
        for name, value in {**length, **headers}.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                self.wfile.write(piece)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def cdn() -> Iterator[tuple[str, dict[str, Any], list[dict[str, str]]]]:
    handler = type("Handler", (Cdn,), {"replies": {}, "seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", handler.replies, handler.seen  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def fetch(tmp_path: Path) -> Iterator[Callable[..., Saved]]:
    storage = storage_at(ObjectStoragePath(str(tmp_path)))
    storage.prepare("media")

    def one(
        url: object, image_id: str = "user:1-minimax:2-image:7", base_url: str = "http://api", **options: Any
    ) -> Saved:
        settings = Settings("user:1-secret", base_url, connect_timeout=2, read_timeout=2, max_attempts=1)
        with MediaDownloader(settings, storage, **options) as fetcher:
            return fetcher.submit({"imageId": image_id, "downloadURL": url}).result()

    return one  # type: ignore[return-value]


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "media").iterdir())


def test_no_secret_is_sent(cdn: Any, fetch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, replies, seen = cdn
    (tmp_path / "netrc").write_text("default login me password secret-of-netrc\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    replies["/a"] = (302, {"Location": "/b", "Set-Cookie": "session=1; Path=/"}, b"")
    replies["/b"] = (200, {}, PNG)
    assert fetch(f"{url}/a").bytes == len(PNG)
    assert len(seen) == 2
    for headers in seen:
        assert not {"Authorization", "Cookie", "Referer"} & headers.keys()
        assert "secret" not in repr(headers)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/x", "ftp://127.0.0.1/x", "file:///etc/passwd", "//127.0.0.1/x", "x", "", None, 7,
        "https://user:pw@127.0.0.1/x", "https://[::1", "data:image/png;base64,AAAA", "javascript:alert(1)",
    ],
)  # fmt: skip
def test_an_address_that_is_not_https_is_refused(fetch: Any, tmp_path: Path, url: object) -> None:
    with pytest.raises(MediaError, match="the address is"):
        fetch(url, base_url="https://api.useapi.net/v1/minimax")
    assert left(tmp_path) == []


def test_an_impossible_address_costs_its_own_file_only(fetch: Any) -> None:
    with pytest.raises(MediaError, match="no response"):
        fetch("http://a..b/x")


def test_redirects_lead_to_the_web_only_and_end(cdn: Any, fetch: Any) -> None:
    url, replies, _ = cdn
    replies["/file"] = (302, {"Location": "file:///etc/passwd"}, b"")
    replies["/round"] = (302, {"Location": "/round"}, b"")
    with pytest.raises(MediaError, match="the address is"):
        fetch(f"{url}/file")
    with pytest.raises(MediaError, match="more than 3 redirects"):
        fetch(f"{url}/round")


def test_the_body_of_a_redirect_is_not_read(cdn: Any, fetch: Any) -> None:
    url, replies, _ = cdn
    sent = []

    def body() -> Iterator[bytes]:
        for number in range(1_000):
            sent.append(number)
            yield bytes(2**16)

    replies["/a"] = (302, {"Location": "/b", "Content-Length": str(1_000 * 2**16)}, body())
    replies["/b"] = (200, {}, PNG)
    assert fetch(f"{url}/a").bytes == len(PNG)
    assert len(sent) < 500, "no more than what fits into the buffers of a connection"


@pytest.mark.parametrize("location", ["http://[::1", "http://127.0.0.1:port/", "", "http://127.0.0.1:1\u00e9/"])
def test_a_malformed_redirect_costs_its_own_file_only(cdn: Any, fetch: Any, location: str) -> None:
    url, replies, _ = cdn
    replies["/a"] = (302, {"Location": location}, b"")
    with pytest.raises(MediaError):
        fetch(f"{url}/a")


def test_text_that_cannot_be_encoded_costs_its_own_file_only(fetch: Any) -> None:
    with pytest.raises(MediaError, match="no response"):
        fetch("http://127.0.0.1:1/\ud800")


def test_a_missing_ca_file_is_a_failed_download(fetch: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    with pytest.raises(MediaError, match="no response"):
        fetch("https://127.0.0.1:1/x")


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ((200, {}, b"<html>gone</html>"), "no known picture"),
        ((200, {}, b""), "0 bytes came"),
        ((200, {"Content-Length": "500"}, PNG), "the connection broke|bytes came"),
        ((403, {}, PNG), "status code 403"),
        ((503, {}, PNG), "status code 503"),
        ((206, {}, PNG), "status code 206"),
        # Such a body ends when the connection does, also in the middle of a picture.
        ((200, {"Content-Length": None}, PNG), "does not say how long it is"),
        ((200, {"Content-Length": None, "Transfer-Encoding": "chunked"}, b"40\r\n" + PNG[:64]), "connection broke"),
        ((200, {"Content-Length": "5, 6"}, PNG), "no response"),
    ],
)
def test_an_incomplete_or_unknown_picture_never_appears(
    cdn: Any, fetch: Any, tmp_path: Path, reply: Any, reason: str
) -> None:
    url, replies, _ = cdn
    replies["/x"] = reply
    with pytest.raises(MediaError, match=reason):
        fetch(f"{url}/x")
    assert left(tmp_path) == []


def test_a_chunked_body_is_complete_with_its_last_chunk(cdn: Any, fetch: Any, tmp_path: Path) -> None:
    url, replies, _ = cdn
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (PNG[:3], PNG[3:], b""))
    replies["/x"] = (200, {"Content-Length": None, "Transfer-Encoding": "chunked"}, chunks)
    assert (tmp_path / fetch(f"{url}/x").path).read_bytes() == PNG


@pytest.fixture
def trickle(cdn: Any) -> Iterator[str]:
    """The address of a picture that comes byte by byte, faster than any time-out, and never ends."""
    url, replies, _ = cdn
    is_over = threading.Event()

    def body() -> Iterator[bytes]:
        yield PNG
        while not is_over.wait(0.02):
            yield b"x"

    replies["/x"] = (200, {"Content-Length": "100000"}, body())
    yield f"{url}/x"
    is_over.set()


def test_a_download_that_trickles_ends(trickle: str, fetch: Any, tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(MediaError, match="too slowly"):
        fetch(trickle, max_seconds=0.2)
    assert time.monotonic() - started < 1.5
    assert left(tmp_path) == []


def test_the_end_of_the_context_does_not_wait_for_a_download_that_trickles(trickle: str, tmp_path: Path) -> None:
    storage = storage_at(ObjectStoragePath(str(tmp_path)))
    storage.prepare("media")
    with MediaDownloader(Settings("user:1-secret", "http://api"), storage) as fetcher:
        coming = fetcher.submit({"imageId": "user:1-minimax:2-image:7", "downloadURL": trickle})
        while not left(tmp_path):
            time.sleep(0.01)
        started = time.monotonic()
    assert time.monotonic() - started < 1
    assert isinstance(coming.exception(), MediaError)
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    "image_id",
    ["../../etc/passwd", "a/b", "..", "", ":", "con:../x", "x" * 5000, "\ud800", "a\x00b", "C:\\x", "-rf", "ü"],
)
def test_no_id_leads_out_of_the_folder(cdn: Any, fetch: Any, tmp_path: Path, image_id: str) -> None:
    url, replies, _ = cdn
    replies["/x"] = (200, {"Content-Disposition": "attachment; filename=../../evil.sh"}, PNG)
    if not image_id:
        with pytest.raises(MediaError, match="no id"):
            fetch(f"{url}/x", image_id)
        return
    saved = fetch(f"{url}/x", image_id)
    assert re.fullmatch(r"media/[A-Za-z0-9_-]{1,90}-[0-9a-f]{16}\.png", saved.path)
    assert left(tmp_path) == [saved.path.removeprefix("media/")]


@pytest.mark.parametrize(
    ("head", "extension"),
    [
        (b"\xff\xd8\xff\xe0", "jpg"), (b"RIFF\0\0\0\0WEBPVP8 ", "webp"), (b"GIF89a", "gif"),
        (b"\0\0\0\x1cftypavif", "avif"), (b"\0\0\0\x1cftypisom", "mp4"),
    ],
)  # fmt: skip
def test_the_extension_follows_the_first_bytes(cdn: Any, fetch: Any, head: bytes, extension: str) -> None:
    url, replies, _ = cdn
    replies["/x.exe"] = (200, {"Content-Type": "text/html"}, head + bytes(50))
    assert fetch(f"{url}/x.exe").path.endswith(f".{extension}")
