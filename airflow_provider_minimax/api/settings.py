"""The settings of a client: token, address, account and timeouts."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, get_args
from urllib.parse import SplitResult, urlsplit, uses_netloc

from airflow_provider_minimax.api.errors import MiniMaxAuthError, MiniMaxBadRequestError

if TYPE_CHECKING:
    from airflow_provider_minimax.api.prices import UserPrices

#: What happens to inputs of a create that are documented not to be taken: ``"strict"`` refuses them, ``"warn"`` logs
#: a warning and sends them, ``"off"`` sends them.
CheckInputs = Literal["strict", "warn", "off"]
_CHECK_INPUTS: Final[tuple[CheckInputs, ...]] = get_args(CheckInputs)
DEFAULT_BASE_URL: Final = "https://api.useapi.net/v1/minimax"
_BASE_PATH: Final = urlsplit(DEFAULT_BASE_URL).path
#: How many read timeouts a complete response may take.
_READ_TIMEOUTS: Final = 3
_BLANK = re.compile(r"\s")
#: With which a useapi.net token begins.
USER_PREFIX: Final = "user:"
_PROXY_SCHEMES: Final = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")
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
    :param check_inputs: see ``CheckInputs``.
    :param max_response_bytes: the most bytes of a response's decoded body; a larger one is an error.
    :param proxy: the address of a proxy, with its user if it needs one; None for those of the environment.
    :param ca_bundle: a file or folder of CA certificates on this machine; None for those of the environment.
    :param conn_id: the Airflow connection, for logs and errors; empty if they come from none.
    :param prices: the user's table of prices; None without one.
    """

    token: str = field(repr=False)
    base_url: str = DEFAULT_BASE_URL
    account: str | None = None
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    max_attempts: int = 5
    check_inputs: CheckInputs = "strict"
    max_response_bytes: int = 64 * 2**20
    # It may hold a password.
    proxy: str | None = field(default=None, repr=False)
    ca_bundle: str | None = None
    conn_id: str = field(default="", compare=False)
    prices: UserPrices | None = field(default=None, repr=False)

    @property
    def proxies(self) -> dict[str, str]:
        """The own proxy, as the HTTP library takes it; empty without one."""
        return {} if self.proxy is None else {"http": self.proxy, "https": self.proxy}

    @property
    def total_timeout(self) -> float:
        """Seconds for one request and its complete response: a slow trickle never meets the read timeout."""
        return _READ_TIMEOUTS * self.read_timeout


def read_check_inputs(where: str, value: object) -> CheckInputs:
    """Return what happens to doubtful inputs.

    :param where: what names the value, for the message.
    :raises MiniMaxBadRequestError: it is none of the known words.
    """
    word = value.strip().lower() if isinstance(value, str) else value
    for known in _CHECK_INPUTS:
        if word == known:
            return known
    raise MiniMaxBadRequestError(f"{where} must be one of {', '.join(_CHECK_INPUTS)}, not {value!r}.")


def check_token(token: str | None, where: str) -> str:
    """Return the token without surrounding blanks.

    :param where: names the connection in the message; the token itself is never shown.
    :raises MiniMaxAuthError: it is missing, or cannot be sent in a header.
    """
    text = (token or "").strip()
    if not text:
        raise MiniMaxAuthError(
            f'{where} has no API token: put the whole useapi.net token (user:...) into "API token", its password.'
        )
    if not _TOKEN.fullmatch(text):
        raise MiniMaxAuthError(
            f'{where}: "API token" holds blanks or characters that no API token has. '
            "Paste the token alone (user:...), without 'Bearer'."
        )
    return text


def base_url(
    host: str | None, schema: str | None = None, port: int | None = None, where: str = "The connection"
) -> str:
    """Return the base URL of a connection's fields.

    An address without a path gets the service's own path, so that ``http://127.0.0.1:8765`` is enough. Airflow reads
    the path of a connection's URI as its schema, so a schema that is no scheme is a path. An empty host, and a host
    with a scheme of its own, ignore the port, which the connection form hides.

    :param where: names the connection in the message.
    :raises MiniMaxBadRequestError: not an http(s) address, or one with a user, a query or a fragment.
    """
    scheme, separator, rest = (host or "").strip().rpartition("://")
    word = (schema or "").strip().strip("/")
    path = f"/{word}" if word and word.lower() not in uses_netloc else ""
    if not separator:
        scheme = word if word and not path else "https"
    elif not path:
        port = None
    if not rest and not separator:
        scheme, _, rest = DEFAULT_BASE_URL.removesuffix(_BASE_PATH).partition("://")
        port = None
    text = f"{scheme}://{_in_brackets(rest)}"
    parts = _split(text if "/" in rest else text + path)
    if parts is None or parts.scheme not in ("http", "https") or _BLANK.search(text):
        raise MiniMaxBadRequestError(
            f'{where}: "Base URL" is not an http or https address whose host can exist (each part of its name has 1 to '
            "63 characters)."
        )
    if parts.username is not None or parts.query or parts.fragment:
        raise MiniMaxBadRequestError(
            f'{where}: "Base URL" must be an address alone: no user, no query, no fragment. The token goes into '
            '"API token".'
        )
    number = parts.port or port
    origin = f"{parts.scheme}://{_in_brackets(parts.hostname or '')}{f':{number}' if number else ''}"
    return origin + (parts.path.rstrip("/") or _BASE_PATH)


def proxy_address(value: object, where: str) -> str | None:
    """Return the address of a proxy, with its scheme; None for an empty field.

    :param where: names the connection in the message; the address is not shown, since it may hold a password.
    :raises MiniMaxBadRequestError: it is not an address.
    """
    text = optional_field("Proxy", value, where)
    if text is None:
        return None
    address = text if "://" in text else f"http://{text}"
    parts = _split(address)
    if parts is None or parts.scheme not in _PROXY_SCHEMES or _BLANK.search(address):
        raise MiniMaxBadRequestError(
            f'{where}: "Proxy" is not an address such as http://proxy.example:3128 or http://user:password@host:port. '
            "Write each of / ? # in a user or a password in percent-encoding (/ is %2F)."
        )
    return address


def origin_of(url: str) -> str:
    """Return scheme, host and port of an address, for a log or an error; empty if it is malformed.

    :param url: without a scheme, as a proxy may stand in the environment, it is http.
    """
    parts = _split(url if "://" in url else f"http://{url}")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts else ""


def optional_field(label: str, value: object, where: str) -> str | None:
    """Return the text of a connection's field; None for an empty one.

    :raises MiniMaxBadRequestError: it is not text.
    """
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise MiniMaxBadRequestError(f'{where}: "{label}" takes text.')
    return value.strip() or None


def _split(address: str) -> SplitResult | None:
    """Return the parts of an address; None if it is malformed or has no host that can be looked up."""
    try:
        parts = urlsplit(address)
        # Both raise a ValueError: a port that is no number, and a label that is empty or too long.
        name, _ = parts.hostname or "", parts.port
        name.encode("idna")
    except ValueError:
        return None
    return parts if name else None


def _in_brackets(host: str) -> str:
    """Return a host in brackets if it is a bare IPv6 address."""
    try:
        return f"[{ipaddress.IPv6Address(host)}]" if "%" not in host else host
    except ValueError:
        return host
