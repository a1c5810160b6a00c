"""The settings of a client: token, address, account and timeouts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from airflow_provider_minimax.api.errors import MiniMaxAuthError, MiniMaxBadRequestError
from airflow_provider_minimax.api.prices import UserPrices

DEFAULT_BASE_URL: Final = "https://api.useapi.net/v1/minimax"
_BASE_PATH: Final = urlsplit(DEFAULT_BASE_URL).path
#: How many read timeouts a complete response may take.
_READ_TIMEOUTS: Final = 3
_BLANK = re.compile(r"\s")
#: Characters of a header's value. With any other, the HTTP library would quote the token in its error.
_TOKEN = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True)
class Settings:
    """Token, address, account and timeouts of a client.

    :param token: the useapi.net API token, whole (``user:...``).
    :param base_url: without a trailing slash.
    :param account: the Hailuo account; None lets the service choose, which works only if one account is configured
        (or for a video).
    :param connect_timeout: seconds.
    :param read_timeout: seconds between two pieces of a response.
    :param max_attempts: attempts of one request.
    :param max_response_bytes: the most bytes of a response's decoded body; a larger one is an error.
    :param prices: the user's table of prices; None without one.
    """

    token: str = field(repr=False)
    base_url: str = DEFAULT_BASE_URL
    account: str | None = None
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    max_attempts: int = 5
    max_response_bytes: int = 64 * 2**20
    prices: UserPrices | None = field(default=None, repr=False)

    @property
    def total_timeout(self) -> float:
        """Seconds for one request and its complete response: a slow trickle never meets the read timeout."""
        return _READ_TIMEOUTS * self.read_timeout


def check_token(token: str | None, where: str) -> str:
    """Return the token without surrounding blanks.

    :param where: names the connection in the message; the token itself is never shown.
    :raises MiniMaxAuthError: it is missing, or cannot be sent in a header.
    """
    text = (token or "").strip()
    if not text:
        raise MiniMaxAuthError(
            f"{where} has no API token: put the whole useapi.net token (user:...) into its password."
        )
    if not _TOKEN.fullmatch(text):
        raise MiniMaxAuthError(
            f"{where}: the password holds blanks or characters that no API token has. "
            "Paste the token alone (user:...), without 'Bearer'."
        )
    return text


def base_url(host: str | None, schema: str | None = None, port: int | None = None) -> str:
    """Return the base URL of a connection's fields.

    An origin without a path gets the service's own path, so that ``http://127.0.0.1:8765`` is enough.

    :raises MiniMaxBadRequestError: not an http(s) address, or one with a user, a query or a fragment.
    """
    text = (host or "").strip()
    if not text and port is None:
        return DEFAULT_BASE_URL
    if "://" not in text:
        text = f"{(schema or 'https').strip()}://{text or urlsplit(DEFAULT_BASE_URL).netloc}"
    try:
        parts = urlsplit(text)
        own_port = parts.port
    except ValueError:
        raise _no_address() from None
    if parts.scheme not in ("http", "https") or not parts.hostname or _BLANK.search(text):
        raise _no_address()
    if parts.username is not None or parts.query or parts.fragment:
        raise MiniMaxBadRequestError(
            "The host of the connection must be an address alone: no user, no query, no fragment."
        )
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    number = own_port or port
    origin = f"{parts.scheme}://{name}:{number}" if number else f"{parts.scheme}://{name}"
    return origin + (parts.path.rstrip("/") or _BASE_PATH)


def _no_address() -> MiniMaxBadRequestError:
    return MiniMaxBadRequestError("The host of the connection is not an http or https address.")
