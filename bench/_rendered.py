"""A server that is faster than its clients: it sends bytes that were rendered before."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import requests

from bench._sandbox import Service, sandbox

_ATTEMPTS: Final = 600
#: Where nginx may be besides ``PATH``.
NGINX_PATHS: Final = ("/usr/sbin",)
#: The delay of a response comes from a module that Debian's nginx-light brings.
_ECHO: Final = Path("/usr/lib/nginx/modules/ngx_http_echo_module.so")
_NGINX: Final = """
daemon off; worker_processes 1; pid {folder}/pid; error_log stderr emerg; load_module {echo};
events {{ worker_connections 256; }}
http {{
  access_log off; keepalive_requests 1000000; keepalive_timeout 600; sendfile on; tcp_nopush on;
  open_file_cache max=4096 inactive=600s; default_type application/json;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location /v1/minimax/images/ {{ echo_sleep {page}; echo_exec /rendered/page-$arg_lastImageId; }}
    location /media/ {{ echo_sleep {media}; echo_exec /rendered/file; }}
    location /rendered/ {{ internal; alias {folder}/; }}
  }}
}}
"""


class Site(NamedTuple):
    """A running server.

    :param service: its address, and a token.
    :param store: the address of a store with the API of S3.
    :param server: what serves pages and files.
    """

    service: Service
    store: str
    server: str


@contextmanager
def site(
    images: int, *, page_seconds: float = 0.0, media_seconds: float = 0.0, media_bytes: int = 200_000
) -> Iterator[Site]:
    """Serve the list of a sandbox of so many images, and a file for each.

    :param page_seconds: before each page.
    :param media_seconds: before each file.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-site-")))
        # The workers of an nginx that root starts are another user.
        folder.chmod(0o755)
        own, other = _free_port(), _free_port()
        is_nginx, name = _find_nginx()
        url = f"http://127.0.0.1:{other if is_nginx else own}"
        token = _render(folder, images, url)
        (folder / "file").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(media_bytes - 8))
        delays = [str(page_seconds), str(media_seconds)]
        stack.enter_context(_running([sys.executable, "-m", "bench._loopback", str(own), str(folder), *delays], own))
        if is_nginx:
            config = folder / "nginx.conf"
            config.write_text(
                _NGINX.format(folder=folder, port=other, echo=_ECHO, page=page_seconds, media=media_seconds)
            )
            stack.enter_context(_running([is_nginx, "-c", str(config)], other))
        yield Site(Service(url, token), f"http://127.0.0.1:{own}", name)


def _find_nginx() -> tuple[str | None, str]:
    """Return nginx, if it can be used, and what serves."""
    found = shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", ""), *NGINX_PATHS]))
    if found is None:
        return None, "rendered bytes from Python, as nginx is not installed"
    if not _ECHO.exists():
        return None, f"rendered bytes from Python, as nginx has no echo module ({_ECHO})"
    version = subprocess.run([found, "-v"], stderr=subprocess.PIPE, text=True, check=True).stderr
    return found, version.rpartition(":")[2].strip()


def _render(folder: Path, images: int, url: str) -> str:
    """Store each page of a sandbox's list under its cursor; return the sandbox's token."""
    with sandbox(images=images, media_origin=url) as service, requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {service.token}"
        cursor, has_next = "", True
        while has_next:
            params = {"limit": "100", **({"lastImageId": cursor} if cursor else {})}
            page = session.get(f"{service.base_url}/images/", params=params, timeout=60)
            (folder / f"page-{cursor}").write_bytes(page.content)
            cursor, has_next = page.json()["images"][-1]["id"], page.json()["hasNext"]
        return service.token


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _running(command: list[str], port: int) -> Iterator[None]:
    with subprocess.Popen(command) as process:
        try:
            _wait_until_open(process, port)
            yield
        finally:
            process.terminate()


def _wait_until_open(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(_ATTEMPTS):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{process.args!r} did not open port {port}")
