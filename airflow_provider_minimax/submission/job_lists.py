"""Reading the service's lists of jobs, before a create and after its response was lost."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from airflow_provider_minimax.api.accounts import healthy_accounts
from airflow_provider_minimax.api.cursors import Page
from airflow_provider_minimax.api.errors import (
    MiniMaxAuthError,
    MiniMaxBadRequestError,
    MiniMaxError,
    MiniMaxUpstreamError,
)
from airflow_provider_minimax.api.ids import Kind, parse_id
from airflow_provider_minimax.api.jobs import created_at
from airflow_provider_minimax.api.kinds import MEDIA_KINDS
from airflow_provider_minimax.api.validation import SAFE_PAGE_SIZE
from airflow_provider_minimax.submission.record import Record
from airflow_provider_minimax.submission.recovery import JobList, reaches_back

if TYPE_CHECKING:
    from airflow_provider_minimax.api.client import MiniMaxClient

log = logging.getLogger(__name__)

#: The default of ``JobLists.max_pages``.
MAX_PAGES: Final = 20


class Snapshot(NamedTuple):
    """The newest jobs before a create.

    :param known_ids: see ``Record``.
    :param newest: the latest creation time among them, in epoch milliseconds; None if no job shows one.
    """

    known_ids: dict[str, tuple[str, ...]]
    newest: int | None


class EmptyListError(MiniMaxUpstreamError):
    """A list is empty that cannot be."""


class JobLists:
    """The lists of jobs of one kind.

    :param max_pages: pages of a list that ``read_since`` reads at most.
    """

    def __init__(self, client: MiniMaxClient, kind: Kind, max_pages: int = MAX_PAGES) -> None:
        self._client = client
        self._kind = kind
        self._max_pages = max_pages

    def snapshot(self, account: str | None) -> Snapshot:
        """Return the newest jobs, so that a later search can tell new ones. What cannot be read stays unknown.

        :param account: None for all accounts of the connection.
        :raises MiniMaxAuthError: the token is refused.
        """
        known_ids: dict[str, tuple[str, ...]] = {}
        times: list[int] = []
        for name, pages in self._newest_pages(account):
            jobs = [job for page in pages for job in page.images]
            ids = dict.fromkeys(self._ids(jobs))
            times += [created for job in jobs if (created := created_at(job)) is not None]
            if ids or all(page.total == 0 for page in pages):
                known_ids[name] = tuple(ids)
            else:
                log.info(
                    "Account %s lists no earlier %ss. This matters only if the response to this create is lost: its "
                    "job is then recovered by its replyRef only.",
                    name,
                    self._kind,
                )
        return Snapshot(known_ids, max(times, default=None))

    def read_since(self, record: Record) -> list[JobList]:
        """Return the jobs since the create was sent, of each account that may hold its jobs.

        :raises EmptyListError: a list lost all jobs that it held before.
        """
        return [self._read_account_since(record, account) for account in self._accounts(record.account)]

    def _ids(self, jobs: list[dict[str, Any]]) -> list[str]:
        name = MEDIA_KINDS[self._kind].id_field
        return [str(job[name]) for job in jobs if job.get(name)]

    def _accounts(self, account: str | None) -> list[str]:
        return [account] if account is not None else healthy_accounts(self._client.list_accounts())

    def _newest_pages(self, account: str | None) -> Iterator[tuple[str, list[Page]]]:
        """Yield each account with its newest jobs. What cannot be read is left out, and the log says so.

        Only a recovery needs them, and the create's own response says whether it is accepted.
        """
        try:
            names, pages = ([account], None) if account else self._read_only_account()
            names = names or self._accounts(None)
        except MiniMaxAuthError:
            raise
        except MiniMaxError as error:
            self._warn_unknown(None, str(error))
            return
        for name in names:
            try:
                yield name, pages if pages and len(names) == 1 else self._read_newest(name)
            except MiniMaxAuthError:
                raise
            except MiniMaxError as error:
                self._warn_unknown(name, str(error))

    def _read_only_account(self) -> tuple[list[str], list[Page] | None]:
        """Return the only account, as its jobs name it, and its newest jobs; None for them if there are several.

        The service refuses a list that names no account if it has several (the vendor's page of GET /images/).
        """
        try:
            pages = self._read_newest(None)
            return [parse_id(one, self._kind).account for one in self._ids(pages[0].images)[:1]], pages
        except MiniMaxBadRequestError:
            return [], None

    def _read_newest(self, account: str | None) -> list[Page]:
        """Read the first page; a short one twice, since it may be short only for a moment."""
        first = next(self._pages(account))
        return [first] if len(first.images) >= SAFE_PAGE_SIZE else [first, next(self._pages(account))]

    def _read_account_since(self, record: Record, account: str) -> JobList:
        jobs: list[Mapping[str, Any]] = []
        for number, page in enumerate(self._pages(account), start=1):
            jobs += page.images
            if not jobs and (record.known_ids.get(account) or page.total):
                raise EmptyListError(
                    f"The list of {record.kind}s of account {account} is empty, which it was not before."
                )
            if reaches_back(record, account, page.images):
                break
            if number == self._max_pages:
                log.warning(
                    "Account %s has more than %d new %ss: too many to recover a job from its list.",
                    account,
                    len(jobs),
                    record.kind,
                )
                return JobList(account, jobs, is_complete=False)
        return JobList(account, jobs)

    def _pages(self, account: str | None) -> Iterator[Page]:
        pages = self._client.iter_pages(account, SAFE_PAGE_SIZE, check_end=False, kind=MEDIA_KINDS[self._kind])
        # Of videos no count is documented.
        return pages if self._kind == "image" else (page._replace(total=None) for page in pages)

    def _warn_unknown(self, account: str | None, reason: str) -> None:
        log.warning(
            "The newest %ss of %s are unknown, so a job whose response is lost would be harder to find. %s",
            self._kind,
            f"account {account}" if account else "the accounts",
            reason,
        )
