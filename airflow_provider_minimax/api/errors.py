"""Errors of the service, split by one question: can a retry of the task help?

Airflow never retries an ``AirflowFailException``, and never passes one to a retry policy. Errors that a retry cannot
fix derive from it; the others do not.
"""

from __future__ import annotations

from airflow_provider_minimax.api.backoff import plausible_retry_after
from airflow_provider_minimax.api.serialization import to_plain_json
from airflow_provider_minimax.compat import AirflowException, AirflowFailException


class MiniMaxError(AirflowException):
    """Base of every error of this provider.

    :param message: what happened, to which id, and what a retry will do.
    :param status: the HTTP status of the response; None without a response.
    :param retry_after: seconds that the service asked us to wait; None if it did not say, or named less than 0 or more
        than a week.
    """

    def __init__(self, message: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        # It may quote the service, and is logged and stored.
        super().__init__(to_plain_json(message))
        self.status = status
        self.retry_after = plausible_retry_after(retry_after)


class MiniMaxAuthError(MiniMaxError, AirflowFailException):
    """The API token or the subscription is refused (401, 402, 403)."""


class MiniMaxBadRequestError(MiniMaxError, AirflowFailException, ValueError):
    """The request is wrong: the service says so (400), or we refuse to send it.

    Also a ``ValueError``, since a constructor raises it for a constant that cannot be right.
    """


class MiniMaxNotFoundError(MiniMaxError, AirflowFailException):
    """The id is unknown, or its video was removed by moderation (404)."""


class MiniMaxOutOfCreditsError(MiniMaxError, AirflowFailException):
    """The Hailuo account has not enough credits (412)."""


class MiniMaxModeratedError(MiniMaxError, AirflowFailException):
    """The prompt was refused (422), or the result was moderated (status 5, 7, 14)."""


class MiniMaxJobFailedError(MiniMaxError, AirflowFailException):
    """The job ended without a result (status 3)."""


class MiniMaxScanLimitError(MiniMaxError, AirflowFailException):
    """A search has reached ``max_scanned`` before its end: older images may match, too.

    A retry would scan the same images.
    """


class MiniMaxCapacityError(MiniMaxError):
    """No free slot at the service (429); a create has created nothing."""


class MiniMaxAccountOnHoldError(MiniMaxError):
    """The Hailuo account is on hold, perhaps for hours, or its session is broken (596)."""


class MiniMaxUpstreamError(MiniMaxError):
    """The service failed (5xx), was out of reach, or its response breaks the contract."""


class MiniMaxShortListError(MiniMaxUpstreamError):
    """The service's list of images ended before as many as it counts, or was empty where it cannot be."""


class MiniMaxUnknownOutcomeError(MiniMaxError):
    """The response to a create was lost: the job may run, and be billed, under an unknown id."""
