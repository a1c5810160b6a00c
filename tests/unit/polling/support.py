"""A fake service for the tests of the poller."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.polling.poller import Poller
from airflow_provider_minimax.polling.results import RoundResult
from airflow_provider_minimax.polling.wait_spec import WaitSpec

A, B, C = (f"user:1-minimax:2-image:{name}" for name in "abc")
RUNS, DONE, FAILED, MODERATED, STRANGE = 1, 2, 3, 5, 99
BUSY = errors.MiniMaxCapacityError("busy", status=429, retry_after=7.0)
DOWN = errors.MiniMaxUpstreamError("down", status=502)
UNAUTHORIZED = errors.MiniMaxAuthError("401", status=401)
GONE = errors.MiniMaxNotFoundError("not found", status=404)


class Service:
    """Responds to each id with its own statuses, jobs or errors, of which the last one stays."""

    def __init__(self, **responses: Any) -> None:
        self.requested: list[str] = []
        self._responses = {
            f"user:1-minimax:2-image:{name}": list(given) if isinstance(given, list) else [given]
            for name, given in responses.items()
        }

    def __call__(self, ids: Collection[str]) -> RoundResult:
        result = RoundResult({})
        for job_id in ids:
            try:
                result.jobs[job_id] = self._request(job_id)
            except errors.MiniMaxNotFoundError as error:
                result.jobs[job_id] = error
            except errors.MiniMaxError as error:
                return result._replace(failure=error)
        return result

    def _request(self, job_id: str) -> dict[str, Any]:
        self.requested.append(job_id)
        responses = self._responses[job_id]
        response = responses.pop(0) if len(responses) > 1 else responses[0]
        if isinstance(response, Exception):
            raise response
        return {"imageId": job_id, **(response if isinstance(response, dict) else {"status": response})}


def poller(*ids: str, **options: Any) -> Poller:
    return Poller(WaitSpec.from_kwargs(ids, **options).checked())


def finish(waiting: Poller, service: Service, rounds: int = 20) -> list[str] | str:
    """Return the ids that a wait ends with, the error that ends it, or that it continues."""
    for _ in range(rounds):
        try:
            found = waiting.poll(service)
        except errors.MiniMaxError as error:
            return type(error).__name__
        if found is not None:
            return [str(job["imageId"]) for job in found]
    return "continues"
