"""What a poll round returns."""

from __future__ import annotations

from typing import NamedTuple

from airflow_provider_minimax.api.errors import MiniMaxError
from airflow_provider_minimax.api.jobs import Job

#: The job, or the error in the response to its id.
JobResult = Job | MiniMaxError


class RoundResult(NamedTuple):
    """The results of a round.

    :param jobs: by id. An id is missing when a failure ended the round early, or when it was not due. Late responses
        add ids that this round did not request.
    :param failure: the failure that concerns all ids.
    """

    jobs: dict[str, JobResult]
    failure: MiniMaxError | None = None
