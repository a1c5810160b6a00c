"""What the service shows of its jobs, before a create and after its response was lost."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from airflow_provider_minimax.api.accounts import without_error
from airflow_provider_minimax.api.errors import MiniMaxAuthError, MiniMaxError, MiniMaxUpstreamError
from airflow_provider_minimax.api.ids import Kind
from airflow_provider_minimax.api.jobs import created_at
from airflow_provider_minimax.api.validation import SAFE_PAGE_SIZE
from airflow_provider_minimax.submission.record import Record
from airflow_provider_minimax.submission.recovery import Listing, is_behind

if TYPE_CHECKING:
    from airflow_provider_minimax.api.client import MiniMaxClient

log = logging.getLogger(__name__)

#: Pages of a list that a look reads, at most.
MAX_PAGES: Final = 20


class Page(NamedTuple):
    """A page of a list.

    :param total: how many jobs the service counts; None where it does not say, as for videos.
    """

    items: Sequence[Mapping[str, Any]]
    total: object = None


class Snapshot(NamedTuple):
    """What was there before a create.

    :param seen: the ids of the newest jobs of each account for which they are known; see ``Record``.
    :param newest: the latest time of creation among them, in epoch milliseconds; None where none is shown.
    """

    seen: dict[str, tuple[str, ...]]
    newest: int | None


class EmptyListError(MiniMaxUpstreamError):
    """A list shows nothing, and that cannot be right."""


class Search:
    """Reads the lists of the service.

    :param kind: of the jobs.
    """

    def __init__(self, client: MiniMaxClient, kind: Kind) -> None:
        self._client = client
        self._kind = kind

    def snapshot(self, account: str | None) -> Snapshot:
        """Return the newest jobs, to tell from them what is made next. What cannot be had stays unknown.

        :param account: None for all that the connection has.
        :raises MiniMaxAuthError: nothing can be asked with this token.
        """
        seen: dict[str, tuple[str, ...]] = {}
        times: list[int] = []
        for one in self._accounts_for_snapshot(account):
            try:
                looks = self._looks_at_newest(one)
            except MiniMaxAuthError:
                raise
            except MiniMaxError as error:
                # Only a search would need them, and whether the create can be taken is its own response's to say.
                self._warn(one, str(error))
                continue
            items = [item for page in looks for item in page.items]
            ids = dict.fromkeys(str(item[self._id_name]) for item in items if item.get(self._id_name))
            times += [created for item in items if (created := created_at(item)) is not None]
            if ids or all(page.total == 0 and not isinstance(page.total, bool) for page in looks):
                seen[one] = tuple(ids)
            else:
                self._warn(one, "The list is empty, and nothing confirms that it is.")
        return Snapshot(seen, max(times, default=None))

    def listings(self, record: Record) -> list[Listing]:
        """Return what the lists show since the create was sent, of each account that its jobs may lie on.

        :raises EmptyListError: a list has lost all that it held before; it tells nothing then.
        """
        return [self._listing(record, account) for account in self._accounts(record.account)]

    @property
    def _id_name(self) -> str:
        return f"{self._kind}Id"

    def _accounts(self, account: str | None) -> list[str]:
        return [account] if account is not None else without_error(self._client.list_accounts())

    def _accounts_for_snapshot(self, account: str | None) -> list[str]:
        try:
            return self._accounts(account)
        except MiniMaxAuthError:
            raise
        except MiniMaxError as error:
            self._warn(None, str(error))
            return []

    def _looks_at_newest(self, account: str) -> list[Page]:
        """Read the first page; twice where it may be short only for a moment, since each look adds what it knows."""
        looks = [next(self._pages(account), Page([]))]
        if len(looks[0].items) < SAFE_PAGE_SIZE:
            looks.append(next(self._pages(account), Page([])))
        return looks

    def _listing(self, record: Record, account: str) -> Listing:
        items: list[Mapping[str, Any]] = []
        for read, page in enumerate(self._pages(account), start=1):
            items += page.items
            if not items and (record.seen.get(account) or page.total):
                raise EmptyListError(
                    f"The list of {record.kind}s of account {account} is empty, which it was not before."
                )
            if is_behind(record, account, page.items):
                break
            if read == MAX_PAGES:
                log.warning(
                    "Account %s shows more than %d %ss since: too many to tell.", account, len(items), record.kind
                )
                return Listing(account, items, is_whole=False)
        return Listing(account, items)

    def _pages(self, account: str) -> Iterator[Page]:
        if self._kind == "image":
            return (
                Page(page.images, page.total)
                for page in self._client.iter_pages(account, SAFE_PAGE_SIZE, check_end=False)
            )
        return (Page(items) for items in self._client.iter_job_pages(self._kind, account, SAFE_PAGE_SIZE))

    def _warn(self, account: str | None, why: str) -> None:
        log.warning(
            "The newest %ss of %s are not known: a lost answer would be harder to find. %s",
            self._kind,
            f"account {account}" if account else "the accounts",
            why,
        )
