"""``python -m bench._loopback PORT FOLDER PAGE_SECONDS MEDIA_SECONDS``: a server on loopback that hardly computes.

It sends the rendered pages and the file of a folder, and holds objects as a store with the API of S3 does.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

PAGES: Final = "/v1/minimax/images/"
MEDIA: Final = "/media/"
_PAGE_KEYS: Final = 1000


def response(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    """Return the bytes of a response."""
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


class Pages:
    """The rendered pages, each under its cursor, and one file for all images."""

    def __init__(self, folder: Path, page_seconds: float, media_seconds: float) -> None:
        self._pages = {
            path.name.removeprefix("page-"): (response(path.read_bytes()), page_seconds)
            for path in folder.glob("page-*")
        }
        self._file = response((folder / "file").read_bytes()), media_seconds

    def respond(self, target: str) -> tuple[bytes, float] | None:
        """Return a response and the seconds before it; None for what is no page and no file."""
        path, _, query = target.partition("?")
        if path.startswith(MEDIA):
            return self._file
        return self._pages[query.partition("lastImageId=")[2].partition("&")[0]] if path == PAGES else None


class Objects:
    """Objects in memory, behind as much of the API of S3 as an export needs."""

    def __init__(self) -> None:
        self._objects: dict[str, tuple[bytes, str]] = {}

    def respond(self, method: str, target: str, headers: dict[str, str], body: bytes) -> bytes:
        """Return the response to a request."""
        parts = urlsplit(target)
        key, query = unquote(parts.path).strip("/"), parse_qs(parts.query, keep_blank_values=True)
        if method == "PUT":
            return self._put(key, headers, body)
        if method == "DELETE":
            self._objects.pop(key, None)
            return response(status="204 No Content")
        if "list-type" in query:
            return self._list(key, {name: values[0] for name, values in query.items()})
        if key not in self._objects:
            return response(b"" if method == "HEAD" else _error("NoSuchKey"), "404 Not Found")
        content, etag = self._objects[key]
        whole = response(content, ETag=etag, Last_Modified="Thu, 01 Jan 2026 00:00:00 GMT")
        return whole[: -len(content) or None] if method == "HEAD" else whole

    def _put(self, key: str, headers: dict[str, str], body: bytes) -> bytes:
        source = unquote(headers.get("x-amz-copy-source", "")).strip("/")
        if source and source not in self._objects:
            return response(_error("NoSuchKey"), "404 Not Found")
        if "if-none-match" in headers and key in self._objects:
            return response(_error("PreconditionFailed"), "412 Precondition Failed")
        content = self._objects[source][0] if source else body
        # Of so few bytes that it costs nothing.
        etag = f'"{hashlib.md5(content[:1000], usedforsecurity=False).hexdigest()}"'
        self._objects[key] = content, etag
        return response(f"<CopyObjectResult><ETag>{etag}</ETag></CopyObjectResult>".encode() * bool(source), ETag=etag)

    def _list(self, bucket: str, query: dict[str, str]) -> bytes:
        prefix, delimiter = f"{bucket}/{query.get('prefix', '')}", query.get("delimiter", "")
        limit, after = int(query.get("max-keys", _PAGE_KEYS)), query.get("continuation-token", "")
        keys = sorted(key for key in self._objects if key.startswith(prefix) and key > after)
        below = [key for key in keys if delimiter and delimiter in key[len(prefix) :]]
        files = sorted({*keys} - {*below})
        folders = {prefix + key[len(prefix) :].partition(delimiter)[0] + delimiter for key in below}
        entries = [
            f"<Contents><Key>{key.partition('/')[2]}</Key><Size>{len(self._objects[key][0])}</Size>"
            f"<ETag>{self._objects[key][1]}</ETag><LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            for key in files[:limit]
        ]
        entries += [f"<CommonPrefixes><Prefix>{key.partition('/')[2]}</Prefix></CommonPrefixes>" for key in folders]
        has_more = len(files) > limit
        more = f"<NextContinuationToken>{files[limit - 1]}</NextContinuationToken>" if has_more else ""
        listed = f"<IsTruncated>{str(has_more).lower()}</IsTruncated><KeyCount>{len(entries)}</KeyCount>{more}"
        return response(f"<ListBucketResult>{listed}{''.join(entries)}</ListBucketResult>".encode())


def _error(code: str) -> bytes:
    return f"<Error><Code>{code}</Code></Error>".encode()


class Connection(asyncio.Protocol):
    """One connection of a client."""

    def __init__(self, pages: Pages, objects: Objects) -> None:
        self._pages, self._objects = pages, objects
        self._received = bytearray()
        self._is_continued = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0 and self._respond(end + 4):
            pass

    def _respond(self, start: int) -> bool:
        """Respond to the first request received; return False until it is whole."""
        first, *lines = self._received[: start - 4].decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        known = self._pages.respond(target) if method == "GET" else None
        if known is not None:
            del self._received[:start]
            asyncio.get_running_loop().call_later(known[1], self._transport.write, known[0])
            return True
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        end = start + int(headers.get("content-length", 0))
        if len(self._received) < end:
            if headers.get("expect") and not self._is_continued:
                self._is_continued = True
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            return False
        body = bytes(self._received[start:end])
        del self._received[:end]
        self._is_continued = False
        self._transport.write(self._objects.respond(method, target, headers, body))
        return True


async def serve(port: int, pages: Pages) -> None:
    """Serve until the process ends."""
    objects = Objects()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(pages, objects), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Pages(Path(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]))))
