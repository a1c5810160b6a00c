"""Files beside the rows: checked before they appear, and fetched with nothing that is secret."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_minimax.api import backoff, errors
from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.media import downloader
from airflow_provider_minimax.media.downloader import MediaFetcher
from airflow_provider_minimax.media.filenames import MediaError, Saved, stem_of
from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.storage.folders import storage_at
from tests.conftest import export_to

MEDIA = "GET /media/{name}"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(backoff, "FIRST_PAUSE_AT_CAPACITY", 0.001)


def export(folder: Path, **options: Any) -> dict[str, Any]:
    return export_to(str(folder), download_media=True, **options)


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for part in sorted(folder.glob("images-*")) for line in part.open(encoding="utf-8")]


# Through an export


def test_every_finished_image_has_its_file_and_the_row_says_which(sandbox: Sandbox, tmp_path: Path) -> None:
    summary = export(tmp_path)
    saved = [row for row in rows(tmp_path) if row["mediaPath"]]
    assert [row["statusLabel"] for row in saved] == ["completed"] * len(saved)
    assert summary["media_files"] == len(saved) == len(list((tmp_path / "media").iterdir()))
    for row in saved:
        body = (tmp_path / row["mediaPath"]).read_bytes()
        assert re.fullmatch(r"media/\d+-[0-9a-f]{16}\.png", row["mediaPath"])
        assert (len(body), hashlib.sha256(body).hexdigest()) == (row["mediaBytes"], row["mediaSha256"])
    fields = ("mediaPath", "mediaBytes", "mediaSha256")
    plain = [{name: value for name, value in row.items() if name not in fields} for row in rows(tmp_path)]
    assert plain == sandbox.all_images()
    assert sandbox.stats.media_requests_with_authorization == 0


def test_what_is_there_and_matches_is_not_fetched_again(sandbox: Sandbox, tmp_path: Path) -> None:
    export(tmp_path)
    fetched = sandbox.stats.count(MEDIA)
    one, other, *_ = sorted((tmp_path / "media").iterdir())
    whole = one.read_bytes()
    one.write_bytes(whole[:-5])
    other.unlink()
    export(tmp_path)
    assert sandbox.stats.count(MEDIA) == fetched + 2
    assert one.read_bytes() == whole


def test_files_of_an_older_export_do_not_stay(sandbox: Sandbox, tmp_path: Path) -> None:
    export(tmp_path, contact_sheet=True)
    (tmp_path / "media" / "mine.txt").write_text("not ours")
    assert export(tmp_path, max_images=5, contact_sheet=True)["media_files"] <= 5
    kept = {Path(row["mediaPath"]).name for row in rows(tmp_path) if row["mediaPath"]}
    assert {path.name for path in (tmp_path / "media").iterdir()} == kept | {"mine.txt"}
    (tmp_path / "media" / "mine.txt").unlink()
    export_to(str(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {"images-00000.jsonl", "manifest.json"}


@pytest.mark.parametrize("fault", ["429", "500", "502-html", "truncated", "reset"])
def test_passing_faults_are_tried_again(sandbox: Sandbox, tmp_path: Path, fault: str) -> None:
    sandbox.fail(fault, operation=MEDIA, times=2, skip=3)
    assert export(tmp_path)["media_failed"] == 0
    assert not sandbox.pending_faults


@pytest.mark.parametrize(("fault", "reason"), [("404", "answered 404"), ("not-json", "no picture that is known")])
def test_a_bad_file_fails_the_export_or_is_left_out(sandbox: Sandbox, tmp_path: Path, fault: str, reason: str) -> None:
    sandbox.fail(fault, operation=MEDIA, skip=3)
    with pytest.raises(errors.MiniMaxUpstreamError, match=rf"{reason}.*on_media_error='skip'"):
        export(tmp_path)
    assert not (tmp_path / "manifest.json").exists()

    sandbox.fail(fault, operation=MEDIA, skip=3)
    whole = len([image for image in sandbox.all_images() if image["statusLabel"] == "completed"])
    # The files of the first try are still there, so the fault would find too few requests.
    summary = export(tmp_path / "skip", on_media_error="skip")
    assert (summary["media_files"], summary["media_failed"]) == (whole - 1, 1)
    (failed,) = json.loads((tmp_path / "skip" / "manifest.json").read_text())["media_failed"]
    assert reason in failed["reason"]
    (row,) = [row for row in rows(tmp_path / "skip") if row["imageId"] == failed["image_id"]]
    assert (row["mediaPath"], row["mediaBytes"], row["mediaSha256"]) == (None, None, None)


def test_another_image_of_a_similar_name_is_another_image(sandbox: Sandbox, tmp_path: Path) -> None:
    export(tmp_path)
    one, *_ = sorted((tmp_path / "media").iterdir())
    stem, _, rest = one.name.rpartition("-")
    one.rename(one.with_name(f"{stem}-0-{rest}"))
    fetched = sandbox.stats.count(MEDIA)
    export(tmp_path)
    assert sandbox.stats.count(MEDIA) == fetched + 1
    assert one.exists()


# One file at a time


class Cdn(BaseHTTPRequestHandler):
    """Answers as the test says, and remembers what it was asked with."""

    answers: dict[str, tuple[int, dict[str, str | None], bytes | Iterator[bytes]]]
    seen: list[dict[str, str]]

    def do_GET(self) -> None:
        self.seen.append(dict(self.headers))
        status, headers, body = self.answers[self.path]
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
    handler = type("Handler", (Cdn,), {"answers": {}, "seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", handler.answers, handler.seen  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def fetch(tmp_path: Path) -> Iterator[Callable[..., Saved]]:
    storage = storage_at(ObjectStoragePath(str(tmp_path)))
    storage.prepare("media")

    def one(url: object, image_id: str = "user:1-minimax:2-image:7", base_url: str = "http://api") -> Saved:
        settings = Settings("user:1-secret", base_url, connect_timeout=2, read_timeout=2, max_attempts=2)
        with MediaFetcher(settings, storage) as fetcher:
            return fetcher.submit({"imageId": image_id, "downloadURL": url}).result()

    return one  # type: ignore[return-value]


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "media").iterdir())


def test_no_secret_is_sent(cdn: Any, fetch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, answers, seen = cdn
    (tmp_path / "netrc").write_text("default login me password secret-of-netrc\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    answers["/a"] = (302, {"Location": "/b", "Set-Cookie": "session=1; Path=/"}, b"")
    answers["/b"] = (200, {}, PNG)
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


def test_an_address_that_no_host_can_have_costs_its_own_file_only(fetch: Any) -> None:
    with pytest.raises(MediaError, match="no answer"):
        fetch("http://a..b/x")


def test_a_redirect_may_not_lead_elsewhere_than_to_the_web_and_ends(cdn: Any, fetch: Any) -> None:
    url, answers, _ = cdn
    answers["/file"] = (302, {"Location": "file:///etc/passwd"}, b"")
    answers["/round"] = (302, {"Location": "/round"}, b"")
    with pytest.raises(MediaError, match="the address is"):
        fetch(f"{url}/file")
    with pytest.raises(MediaError, match="more than 3 redirects"):
        fetch(f"{url}/round")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((200, {}, b"<html>gone</html>"), "no picture"),
        ((200, {}, b""), "0 bytes came"),
        ((200, {"Content-Length": "500"}, PNG), "the connection broke|bytes came"),
        ((403, {}, PNG), "answered 403"),
        ((503, {}, PNG), "answered 503"),
        ((206, {}, PNG), "answered 206"),
        # Such an answer ends when the connection does, also in the middle of a picture.
        ((200, {"Content-Length": None}, PNG), "does not say how long it is"),
        ((200, {"Content-Length": None, "Transfer-Encoding": "chunked"}, b"40\r\n" + PNG[:64]), "connection broke"),
        ((200, {"Content-Length": "5, 6"}, PNG), "no answer"),
    ],
)
def test_what_is_no_whole_picture_never_appears(cdn: Any, fetch: Any, tmp_path: Path, answer: Any, reason: str) -> None:
    url, answers, _ = cdn
    answers["/x"] = answer
    with pytest.raises(MediaError, match=reason):
        fetch(f"{url}/x")
    assert left(tmp_path) == []


def test_a_body_in_chunks_is_whole_with_its_last_one(cdn: Any, fetch: Any, tmp_path: Path) -> None:
    url, answers, _ = cdn
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (PNG[:3], PNG[3:], b""))
    answers["/x"] = (200, {"Content-Length": None, "Transfer-Encoding": "chunked"}, chunks)
    assert (tmp_path / fetch(f"{url}/x").path).read_bytes() == PNG


@pytest.fixture
def trickle(cdn: Any) -> Iterator[str]:
    """The address of a picture that comes byte by byte, faster than any time-out, and never ends."""
    url, answers, _ = cdn
    is_over = threading.Event()

    def body() -> Iterator[bytes]:
        yield PNG
        while not is_over.wait(0.02):
            yield b"x"

    answers["/x"] = (200, {"Content-Length": "100000"}, body())
    yield f"{url}/x"
    is_over.set()


def test_a_file_that_trickles_is_given_up(
    trickle: str, fetch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloader, "_PATIENCE", 0.2)
    started = time.monotonic()
    with pytest.raises(MediaError, match="too slowly"):
        fetch(trickle)
    assert time.monotonic() - started < 1.5
    assert left(tmp_path) == []


def test_who_leaves_does_not_wait_for_what_trickles(trickle: str, tmp_path: Path) -> None:
    storage = storage_at(ObjectStoragePath(str(tmp_path)))
    storage.prepare("media")
    with MediaFetcher(Settings("user:1-secret", "http://api"), storage) as fetcher:
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
    url, answers, _ = cdn
    answers["/x"] = (200, {"Content-Disposition": "attachment; filename=../../evil.sh"}, PNG)
    if not image_id:
        with pytest.raises(MediaError, match="no id"):
            fetch(f"{url}/x", image_id)
        return
    saved = fetch(f"{url}/x", image_id)
    assert re.fullmatch(r"media/[A-Za-z0-9_-]{1,90}-[0-9a-f]{16}\.png", saved.path)
    assert left(tmp_path) == [saved.path.removeprefix("media/")]


def test_two_ids_never_share_a_name() -> None:
    ids = ["a/b", "a.b", "a b", "a_b", "x:a_b", "é", "è", "x" * 100, "x" * 101]
    assert len({stem_of(one) for one in ids}) == len(ids) - 1  # x:a_b is a_b, written in full.


@pytest.mark.parametrize(
    ("head", "extension"),
    [
        (b"\xff\xd8\xff\xe0", "jpg"), (b"RIFF\0\0\0\0WEBPVP8 ", "webp"), (b"GIF89a", "gif"),
        (b"\0\0\0\x1cftypavif", "avif"), (b"\0\0\0\x1cftypisom", "mp4"),
    ],
)  # fmt: skip
def test_the_extension_follows_the_first_bytes(cdn: Any, fetch: Any, head: bytes, extension: str) -> None:
    url, answers, _ = cdn
    answers["/x.exe"] = (200, {"Content-Type": "text/html"}, head + bytes(50))
    assert fetch(f"{url}/x.exe").path.endswith(f".{extension}")
