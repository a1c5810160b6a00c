"""A service that says byte for byte what a test wants, and proxies before it that lose what they are told to lose."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import selectors
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

#: Seconds after which a part of a test gives up; nothing here takes that long.
PATIENCE: Final = 30.0


class Received(NamedTuple):
    """A request as it arrived."""

    method: str
    target: str
    body: bytes


#: Answers a request on its socket; closes the connection by returning False.
Answer = Callable[[socket.socket, Received], bool]


class Server:
    """Listens on loopback, with a thread for each connection."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.accepted = 0
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._listen, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        for sock in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
        # Not before: whoever selects on a socket that is closed is never told.
        for sock in (self._listener, *self._open):
            sock.close()

    def _listen(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.settimeout(PATIENCE)
            self.accepted += 1
            self._open.append(sock)
            self._threads.append(threading.Thread(target=self._serve, args=(sock,), daemon=True))
            self._threads[-1].start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            self.serve(sock)
        sock.close()

    def serve(self, sock: socket.socket) -> None:
        raise NotImplementedError


class Service(Server):
    """Answers what a test says, and keeps what it has received whole.

    :param certificate: speak TLS with it.
    """

    def __init__(self, answer: Answer, certificate: Path | None = None) -> None:
        super().__init__()
        self._answer = answer
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate)
        self.received: list[Received] = []

    @property
    def base_url(self) -> str:
        return f"http{'s' if self._context else ''}://127.0.0.1:{self.port}/v1/minimax"

    @property
    def creates(self) -> int:
        return sum(request.method == "POST" for request in self.received)

    def serve(self, sock: socket.socket) -> None:
        if self._context is not None:
            sock = self._context.wrap_socket(sock, server_side=True)
            self._open.append(sock)
        while (request := receive(sock)) is not None:
            self.received.append(request)
            if not self._answer(sock, request):
                break
        sock.close()


class Proxy(Server):
    """Passes requests on to where they want to go, or does what else it is told.

    :param at_once: what it does with a request instead of passing it on: an answer, or ``cut`` or ``reset``.
    :param at_end: what it does when the service has closed the connection.
    """

    def __init__(
        self,
        at_once: Callable[[socket.socket], None] | None = None,
        at_end: Callable[[socket.socket], None] | None = None,
    ) -> None:
        super().__init__()
        self._at_once = at_once
        self._at_end = at_end or cut
        self.passed_on = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def serve(self, sock: socket.socket) -> None:
        request = receive(sock)
        if request is None:
            return
        if self._at_once is not None:
            self._at_once(sock)
            return
        is_tunnel = request.method == "CONNECT"
        address = request.target if is_tunnel else request.target.split("/")[2]
        host, _, port = address.partition(":")
        with socket.create_connection((host, int(port)), PATIENCE) as service:
            if is_tunnel:
                sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                length = len(request.body)
                head = f"{request.method} {request.target} HTTP/1.1\r\nContent-Length: {length}\r\n\r\n"
                service.sendall(head.encode() + request.body)
            self.passed_on += 1
            self._relay(sock, service)

    def _relay(self, client: socket.socket, service: socket.socket) -> None:
        # In one thread: a socket that another thread reads from is not closed by closing it.
        while True:
            # Not `select`, which takes no descriptor above 1023.
            with selectors.DefaultSelector() as selector:
                for end in (client, service):
                    selector.register(end, selectors.EVENT_READ)
                readable = [key.fileobj for key, _ in selector.select(PATIENCE)]
            if not readable:
                return
            for source in readable:
                piece = source.recv(65_536)
                if not piece:
                    if source is service:
                        self._at_end(client)
                    return
                (client if source is service else service).sendall(piece)


def receive(sock: socket.socket) -> Received | None:
    """Read one request; None where the connection ends before it is whole."""
    read = b""
    while b"\r\n\r\n" not in read:
        piece = sock.recv(65_536)
        if not piece:
            return None
        read += piece
    head, _, body = read.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        piece = sock.recv(65_536)
        if not piece:
            return None
        body += piece
    method, target, _ = first.split(" ", 2)
    return Received(method, target, body)


def cut(sock: socket.socket) -> None:
    """End a connection by FIN."""
    sock.shutdown(socket.SHUT_WR)


def reset(sock: socket.socket) -> None:
    """End a connection by RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def response(body: bytes = b"{}", status: str = "200 OK", **headers: str) -> bytes:
    """Return a whole response."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines, "", ""]).encode() + body


def answering(whole: bytes) -> Answer:
    """Answer every request alike, and keep the connection."""

    def answer(sock: socket.socket, _: Received) -> bool:
        sock.sendall(whole)
        return True

    return answer


def silent(_: socket.socket, __: Received) -> bool:
    """Receive a request, and close the connection without an answer."""
    return False


def make_certificate(folder: Path) -> Path:
    """Return a file with a certificate for 127.0.0.1, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    file.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return file
