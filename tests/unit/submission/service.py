"""A service that shows what the sandbox does not: another clock, prompts in another form, lists that fail to show jobs.

A real server on loopback. What it makes of each create is told by a word; see ``FakeService.script``.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

FINAL = {2: "completed", 3: "failed", 5: "moderated"}


@dataclass
class Job:
    """A job: what a list shows of it, and what only the service knows."""

    full: str
    account: str
    shown: dict[str, Any]
    ref: str | None
    runs: bool


@dataclass
class FakeService:
    """What the service has, and how it behaves.

    :param script: what becomes of each create, in turn; ``"made"`` when it is used up. ``"lost"``: made, and answered
        504; ``"void"``: answered 504, and nothing was made; ``"garbled"``: made, and the ids are none; ``"elsewhere"``:
        made, and the ids stand under another key; a number: that status, and nothing was made.
    :param ends: the status in which each job that is made ends at once; None: it runs.
    :param skew: seconds by which the clock that stamps jobs is ahead.
    :param date_skew: seconds by which that of ``Date`` is; None: there is no ``Date``.
    :param stored: what a list shows of a prompt.
    :param stamped: what a list shows of a time, given in milliseconds; None: nothing, as for videos.
    :param shows_ref: whether the scheduler shows a ``replyRef``.
    :param empty_lists: so many of the next lists are empty.
    :param before_list: called before each list.
    :param missing: so many of the next jobs that are asked for by id are not found.
    :param broken: accounts in error.
    :param held: the number of the create, from 1, that is answered only when ``release`` is set.
    """

    script: deque[str] = field(default_factory=deque)
    ends: int | None = 2
    skew: float = 0.0
    date_skew: float | None = 0.0
    stored: Callable[[str], Any] = str
    stamped: Callable[[int], Any] | None = int
    shows_ref: bool = True
    empty_lists: int = 0
    before_list: Callable[[], object] = lambda: None
    missing: int = 0
    accounts: tuple[str, ...] = ("42",)
    broken: set[str] = field(default_factory=set)
    held: int = 0
    release: threading.Event = field(default_factory=threading.Event)
    jobs: list[Job] = field(default_factory=list)
    creates: list[str] = field(default_factory=list)
    url: str = ""
    _number: int = 0

    @property
    def connection(self) -> str:
        """The connection, as Airflow reads it from the environment."""
        return json.dumps({"conn_type": "minimax", "host": f"{self.url}/v1/minimax", "password": "user:1-token"})

    @property
    def sent(self) -> int:
        """How many creates have come."""
        return len(self.creates)

    @property
    def maybe_paid(self) -> int:
        """How many of them may have been paid for, as far as a client can know."""
        return sum(word in ("made", "lost", "void", "garbled", "elsewhere") for word in self.creates)

    def add(self, kind: str, prompt: str, *, age: float = 0.0, ref: str | None = None, account: str = "") -> str:
        """Make a job, and return its id.

        :param age: seconds since it was made.
        """
        self._number += 1
        owner = account or self.accounts[0]
        full = f"user:1-minimax:{owner}-{kind}:{self._number}"
        status = 1 if self.ends is None else self.ends
        shown: dict[str, Any] = {
            "id": str(self._number), f"{kind}Id": full, "desc": self.stored(prompt), "status": status,
            "statusLabel": FINAL.get(status, "under review" if self.ends else "processing"),
            "statusFinal": self.ends is not None, "downloadURL": "https://cdn.test/x.png", "batchID": str(self._number),
        }  # fmt: skip
        if self.stamped is not None:
            shown["createTime"] = self.stamped(int((time.time() + self.skew - age) * 1000))
        self.jobs.insert(0, Job(full, owner, shown, ref, self.ends is None))
        return full

    def answer(self, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        """Answer a request."""
        what = path.removeprefix("/v1/minimax").rstrip("/")
        if method == "POST" and what.endswith("/create"):
            return self._create(what.split("/")[1].removesuffix("s"), body)
        if what == "/accounts":
            return 200, {name: {"error": "broken"} if name in self.broken else {} for name in self.accounts}
        if what == "/scheduler/available":
            return 200, {"available": [{"account": name, "available": 1} for name in self.accounts]}
        if what == "/scheduler":
            return 200, [self._running(job) for job in self.jobs if job.runs]
        if what in ("/images", "/videos"):
            return 200, self._list(what.strip("/"), query)
        return self._one(what)

    def _create(self, kind: str, body: dict[str, Any]) -> tuple[int, Any]:
        word = self.script.popleft() if self.script else "made"
        self.creates.append(word)
        if word.isdigit():
            return int(word), {"error": "refused"}
        if word == "void":
            return 504, {"error": "busy"}
        full = self.add(kind, body.get("prompt", ""), ref=body["replyRef"], account=body.get("account", ""))
        if word == "lost":
            return 504, {"error": "busy"}
        if word == "elsewhere":
            return 200, {"ids": ["what came"]}
        named = "not an id" if word == "garbled" else full
        return 200, {"imageIds": [named]} if kind == "image" else {"videoId": named}

    def _running(self, job: Job) -> dict[str, Any]:
        return {"videoId": job.full} | ({"replyRef": job.ref} if self.shows_ref and job.ref else {})

    def _list(self, name: str, query: dict[str, str]) -> Any:
        self.before_list()
        kind = name.removesuffix("s")
        account = query.get("account", self.accounts[0])
        all_of = [job.shown for job in self.jobs if job.account == account and f"{kind}Id" in job.shown]
        total = len(all_of)
        if self.empty_lists:
            self.empty_lists -= 1
            # As an upstream does that has lost its head for a moment: it contradicts itself in nothing.
            all_of, total = [], 0
        cursor = query.get("lastImageId") or query.get("lastVideoId")
        ids = [str(job["id"]) for job in all_of]
        start = ids.index(cursor) + 1 if cursor in ids else 0
        page = all_of[start : start + int(query.get("limit", "30"))]
        if kind == "video":
            return page
        return {"images": page, "hasNext": start + len(page) < total, "total": total}

    def _one(self, what: str) -> tuple[int, Any]:
        if self.missing:
            self.missing -= 1
            return 404, {"error": "Not found."}
        found = [job.shown for job in self.jobs if what.endswith(job.full)]
        return (200, found[0]) if found else (404, {"error": "Not found."})


@contextmanager
def fake_service() -> Iterator[FakeService]:
    """Serve for a while."""
    service, lock = FakeService(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # One packet for each response: in two, the second waits for the first one's acknowledgement.
        wbufsize = 65536

        def _do(self) -> None:
            url = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            with lock:
                status, document = service.answer(self.command, url.path, query, body)
            if self.command == "POST" and service.sent == service.held:
                service.release.wait(20)
            text = json.dumps(document).encode()
            self.send_response_only(status)
            if service.date_skew is not None:
                self.send_header("Date", formatdate(time.time() + service.date_skew, usegmt=True))
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            # Who asked may be dead.
            with suppress(OSError):
                self.wfile.write(text)
                self.wfile.flush()

        do_GET = do_POST = _do  # noqa: N815 - the server's names

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    service.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
