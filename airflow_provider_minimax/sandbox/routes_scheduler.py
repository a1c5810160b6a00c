"""``/scheduler``: the running jobs, and the accounts with a free slot."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from airflow_provider_minimax.sandbox.context import Context
from airflow_provider_minimax.sandbox.errors import RefusedError
from airflow_provider_minimax.sandbox.render import iso_time
from airflow_provider_minimax.sandbox.responses import json_response
from airflow_provider_minimax.sandbox.state import RunningJob, State


def scheduler_routes(context: Context) -> APIRouter:
    """Return the routes of a sandbox."""
    router = APIRouter()

    @router.get("/scheduler")
    @router.get("/scheduler/")
    async def list_running() -> Response:
        return json_response(_executing(context.state))

    @router.get("/scheduler/available")
    async def list_available() -> Response:
        state = context.state
        with state.lock:
            # Full accounts are left out: the vendor's sample shows none, its script reads [] as "all busy".
            available = [
                {
                    "account": account.id,
                    "maxJobs": account.max_jobs,
                    "executing": account.running_videos(state.now),
                    "available": free,
                }
                for account in state.accounts
                if account.error is None and (free := account.free_slots(None, state.now)) > 0
            ]
            return json_response({"executing": _executing(state), "available": available})

    @router.delete("/scheduler/{job_id}")
    async def stop_tracking(job_id: str) -> Response:
        state = context.state
        with state.lock:
            job = state.find_job(job_id)
            if job is None or not (job.tracked and job.running(state.now)):
                raise RefusedError(404, f"Unable to locate running {job_id}", with_code=False)
            job.tracked = False
        return json_response({})

    return router


def _executing(state: State) -> list[dict[str, Any]]:
    with state.lock:
        return [_entry(running, state) for running in state.running_jobs()]


def _entry(running: RunningJob, state: State) -> dict[str, Any]:
    job = running.job
    key = "videoId" if running.kind == "video" else state.config.scheduler_image_key
    minutes, seconds = divmod(max(0, int(state.now - job.started)), 60)
    entry = {key: running.full_id, "started": iso_time(job.started), "elapsed": f"{minutes:02}:{seconds:02}"}
    optional = {"replyUrl": job.reply_url, "replyRef": job.reply_ref}
    return entry | {name: value for name, value in optional.items() if value is not None}
