"""A service that shows what the sandbox does not: another clock, prompts in another form, lists that fail to show jobs.

A real server on loopback. ``FakeService.outcomes`` says what becomes of each create.
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

from tests.support import TIMEOUT

FINAL = {2: "completed", 3: "failed", 5: "moderated"}


@dataclass
class Job:
    """A job.

    :param row: what a list shows of it; the rest only the service knows.
    """

    id: str
    account: str
    row: dict[str, Any]
    ref: str | None
    is_running: bool


@dataclass
class FakeService:
    """What the service has, and how it behaves.

    :param outcomes: what becomes of each create, in turn, and then ``"made"``. ``"lost"``: a job is made, and the
        response is a 504; ``"void"``: a 504, and no job; ``"garbled"``: a job, and no valid id in the response;
        ``"elsewhere"``: a job, and its id under an unknown key; a number: that status code, and no job.
    :param final_status: the status that each job has as soon as it is made; None: it keeps running.
    :param skew: seconds by which the clock that stamps jobs is ahead.
    :param date_skew: seconds by which the ``Date`` of a response is ahead; None: no ``Date``.
    :param stored_prompt: what a list shows of a prompt.
    :param stored_time: what a list shows of a time, given in milliseconds; None: no time, as for videos.
    :param shows_ref: whether the scheduler shows a ``replyRef``.
    :param empty_lists: how many of the next lists are empty.
    :param before_list: called before each list.
    :param missing_jobs: how many of the next jobs requested by id are missing.
    :param broken_accounts: those in error.
    :param held_create: the number of the create, from 1, whose response waits for ``release``.
    """

    outcomes: deque[str] = field(default_factory=deque)
    final_status: int | None = 2
    skew: float = 0.0
    date_skew: float | None = 0.0
    stored_prompt: Callable[[str], Any] = str
    stored_time: Callable[[int], Any] | None = int
    shows_ref: bool = True
    empty_lists: int = 0
    before_list: Callable[[], object] = lambda: None
    missing_jobs: int = 0
    accounts: tuple[str, ...] = ("42",)
    broken_accounts: set[str] = field(default_factory=set)
    held_create: int = 0
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
        """How many creates have arrived."""
        return len(self.creates)

    @property
    def maybe_billed(self) -> int:
        """How many of them may be billed, as far as a client can know."""
        return sum(not outcome.isdigit() for outcome in self.creates)

    def add_job(self, kind: str, prompt: str, *, age: float = 0.0, ref: str | None = None, account: str = "") -> str:
        """Make a job, and return its id.

        :param age: seconds since it was made.
        """
        self._number += 1
        owner = account or self.accounts[0]
        job_id = f"user:1-minimax:{owner}-{kind}:{self._number}"
        status = 1 if self.final_status is None else self.final_status
        row: dict[str, Any] = {
            "id": str(self._number), f"{kind}Id": job_id, "desc": self.stored_prompt(prompt), "status": status,
            "statusLabel": FINAL.get(status, "under review" if self.final_status else "processing"),
            "statusFinal": self.final_status is not None, "downloadURL": "https://cdn.test/x.png",
            "batchID": str(self._number),
        }  # fmt: skip
        if self.stored_time is not None:
            row["createTime"] = self.stored_time(int((time.time() + self.skew - age) * 1000))
        self.jobs.insert(0, Job(job_id, owner, row, ref, self.final_status is None))
        return job_id

    def respond(self, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        """Return the status code and the body of the response to a request."""
        path = path.removeprefix("/v1/minimax").rstrip("/")
        if method == "POST" and path.endswith("/create"):
            return self._create(path.split("/")[1].removesuffix("s"), body)
        if path == "/accounts":
            return 200, {name: {"error": "broken"} if name in self.broken_accounts else {} for name in self.accounts}
        if path == "/scheduler/available":
            return 200, {"available": [{"account": name, "available": 1} for name in self.accounts]}
        if path == "/scheduler":
            return 200, [self._scheduled(job) for job in self.jobs if job.is_running]
        if path in ("/images", "/videos"):
            if len(self.accounts) > 1 and "account" not in query:
                return 400, {"error": "Parameter account is required"}
            return 200, self._list(path.strip("/"), query)
        return self._get_job(path)

    def _create(self, kind: str, body: dict[str, Any]) -> tuple[int, Any]:
        outcome = self.outcomes.popleft() if self.outcomes else "made"
        self.creates.append(outcome)
        if outcome.isdigit():
            return int(outcome), {"error": "refused"}
        if outcome == "void":
            return 504, {"error": "busy"}
        job_id = self.add_job(kind, body.get("prompt", ""), ref=body["replyRef"], account=body.get("account", ""))
        if outcome == "lost":
            return 504, {"error": "busy"}
        if outcome == "elsewhere":
            return 200, {"ids": ["what came"]}
        named = "not an id" if outcome == "garbled" else job_id
        return 200, {"imageIds": [named]} if kind == "image" else {"videoId": named}

    def _scheduled(self, job: Job) -> dict[str, Any]:
        return {"videoId": job.id} | ({"replyRef": job.ref} if self.shows_ref and job.ref else {})

    def _list(self, name: str, query: dict[str, str]) -> Any:
        self.before_list()
        kind = name.removesuffix("s")
        account = query.get("account", self.accounts[0])
        rows = [job.row for job in self.jobs if job.account == account and f"{kind}Id" in job.row]
        total = len(rows)
        if self.empty_lists:
            self.empty_lists -= 1
            # Nothing in the page contradicts that, as when an upstream fails for a moment.
            rows, total = [], 0
        cursor = query.get("lastImageId") or query.get("lastVideoId")
        ids = [str(row["id"]) for row in rows]
        start = ids.index(cursor) + 1 if cursor in ids else 0
        page = rows[start : start + int(query.get("limit", "30"))]
        if kind == "video":
            return page
        return {"images": page, "hasNext": start + len(page) < total, "total": total}

    def _get_job(self, path: str) -> tuple[int, Any]:
        if self.missing_jobs:
            self.missing_jobs -= 1
            return 404, {"error": "Not found."}
        found = [job.row for job in self.jobs if path.endswith(job.id)]
        return (200, found[0]) if found else (404, {"error": "Not found."})


class _Server(ThreadingHTTPServer):
    """Serves one fake service at a time."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lock = threading.Lock()
        self.service = self.renew()

    def renew(self) -> FakeService:
        """Put a new service in the place of the one before, and return it."""
        self.service = FakeService(url=f"http://127.0.0.1:{self.server_address[1]}")
        return self.service


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    # One packet for each response: in two, the second waits for the first one's acknowledgement.
    wbufsize = 65536

    def _respond(self) -> None:
        url = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        service = self.server.service
        with self.server.lock:
            status, document = service.respond(self.command, url.path, query, body)
        if self.command == "POST" and service.sent == service.held_create:
            service.release.wait(TIMEOUT)
        text = json.dumps(document).encode()
        self.send_response_only(status)
        if service.date_skew is not None:
            self.send_header("Date", formatdate(time.time() + service.date_skew, usegmt=True))
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        # The client may be dead.
        with suppress(OSError):
            self.wfile.write(text)
            self.wfile.flush()

    do_GET = do_POST = _respond  # noqa: N815 - the server's names

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def fake_services() -> Iterator[Callable[[], FakeService]]:
    """Serve for a while; each call of what this yields starts a new service at the same address."""
    server = _Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.renew
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
