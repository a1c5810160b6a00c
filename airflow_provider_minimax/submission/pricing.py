"""The price of a create: what the account, the user and the documentation say."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_minimax.api.errors import MiniMaxError
from airflow_provider_minimax.api.ids import Kind
from airflow_provider_minimax.api.prices import Cost, cost_of, has_listed_price

if TYPE_CHECKING:
    from airflow_provider_minimax.api.client import MiniMaxClient

log = logging.getLogger(__name__)

#: Seconds for which an account's price list is used.
_FRESH_FOR: Final = 3600.0
#: Seconds that the request for it may take, to connect and between two pieces: a create waits for it.
_MAX_TIMEOUT: Final = 10.0


class AccountLists:
    """The price lists of accounts, each requested at most once an hour.

    :param clock: returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        #: By address, token and account: when the list was requested, and the list; None if it could not be read.
        self._lists: dict[tuple[str, str, str | None], tuple[float, object]] = {}

    def get(self, client: MiniMaxClient, account: str | None) -> object:
        """Return ``modelControl`` of an account's features; None if it could not be read."""
        settings = client.settings
        key = (settings.base_url, settings.token, account or settings.account)
        now = self._clock()
        if key not in self._lists or now - self._lists[key][0] >= _FRESH_FOR:
            self._lists[key] = (now, _request_list(client, account))
        return self._lists[key][1]


#: Those of this process.
_account_lists: Final = AccountLists()


def find_cost(client: MiniMaxClient, kind: Kind, body: Mapping[str, Any], account: str | None) -> Cost:
    """Return what a create costs.

    :param body: as it is sent.
    :raises MiniMaxBadRequestError: the user's table of prices is malformed.
    """
    account_list = _account_lists.get(client, account) if has_listed_price(body) else None
    return cost_of(kind, body, account_list, client.settings.prices)


def _request_list(client: MiniMaxClient, account: str | None) -> object:
    settings = client.settings
    impatient = client.with_short_timeouts(
        min(settings.connect_timeout, _MAX_TIMEOUT), min(settings.read_timeout, _MAX_TIMEOUT)
    )
    try:
        return impatient.get_features(account).get("modelControl")
    except MiniMaxError as error:
        log.info("The account's price list could not be read; other prices are used. %s", error)
        return None
