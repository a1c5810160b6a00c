"""The calls that only a sandbox has, under ``/_sandbox``: no token, local callers only.

::

    GET    /_sandbox/stats                requests, statuses, creates, credits, media
    GET    /_sandbox/calls                the calls one by one, oldest first
    POST   /_sandbox/reset                start from scratch with the same configuration
    GET    /_sandbox/faults               the faults that are not used up
    POST   /_sandbox/faults               queue one: the fields of ``Fault``, or {"fault": "429@GET /images/"}
    DELETE /_sandbox/faults               remove all
    POST   /_sandbox/images               {"count": n, "account": id}: new images arrive
    POST   /_sandbox/videos               the same for videos
    POST   /_sandbox/jobs/{id}            {"status": n} ends it, {"hold": true}, {"release": true}
"""

from __future__ import annotations

from ipaddress import ip_address

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse

from airflow_provider_minimax.sandbox.context import Context
from airflow_provider_minimax.sandbox.errors import RefusedError
from airflow_provider_minimax.sandbox.faults import Fault, parse_fault
from airflow_provider_minimax.sandbox.jobs import Job
from airflow_provider_minimax.sandbox.operations import BASE_PATH
from airflow_provider_minimax.sandbox.parameters import Body
from airflow_provider_minimax.sandbox.responses import json_response
from airflow_provider_minimax.sandbox.state import Listed, State


def local_only(request: Request) -> None:
    """Refuse a caller from elsewhere; the server listens on loopback anyway."""
    if request.client is None or not ip_address(request.client.host).is_loopback:
        raise RefusedError(403, "Control calls are for local callers only")


def control_routes(context: Context) -> APIRouter:
    """Return the control calls of a sandbox."""
    router = APIRouter(prefix="/_sandbox", dependencies=[Depends(local_only)])

    @router.get("/stats")
    async def stats() -> Response:
        return json_response(context.recorder.snapshot())

    @router.get("/calls")
    async def calls() -> Response:
        return json_response(context.recorder.calls())

    @router.post("/reset")
    async def reset() -> Response:
        context.reset(context.config)
        return json_response({})

    @router.get("/faults")
    async def list_faults() -> Response:
        return json_response(context.faults.pending())

    @router.post("/faults")
    async def add_fault(request: Request) -> Response:
        fault = _fault(await Body.read(request))
        context.faults.add(fault)
        return json_response(fault)

    @router.delete("/faults")
    async def clear_faults() -> Response:
        context.faults.clear()
        return json_response({})

    @router.post("/images")
    @router.post("/videos")
    async def arrive(request: Request) -> Response:
        kind: Listed = "video" if request.url.path.endswith("videos") else "image"
        return json_response({f"{kind}Ids": _arrive(context.state, await Body.read(request), kind)})

    @router.post("/jobs/{job_id}")
    async def change_job(job_id: str, request: Request) -> Response:
        body, state = await Body.read(request), context.state
        with state.lock:
            job = state.find_job(job_id)
            if job is None:
                raise RefusedError(404, f"No job {job_id}")
            _change(job, body, state.now)
            return json_response({"id": job_id, "status": job.status(state.now)})

    return router


def _arrive(state: State, body: Body, kind: Listed) -> list[str]:
    count = body.integer("count", 1, 1_000_000) or 1
    account = state.account(body.text("account") or (state.accounts[0].id if state.accounts else None))
    return state.arrive(account, count, kind)


def _change(job: Job, body: Body, now: float) -> None:
    status = body.integer("status", 0, 999)
    if status is not None:
        job.finish(status)
    elif body.fields.get("hold"):
        job.hold(now)
    elif body.fields.get("release"):
        job.release(now)
    else:
        raise RefusedError(400, 'Expected {"status": n}, {"hold": true} or {"release": true}')


def _fault(body: Body) -> Fault:
    try:
        return parse_fault(body.fields["fault"]) if "fault" in body.fields else Fault(**body.fields)
    except (TypeError, ValueError) as error:
        raise RefusedError(400, str(error)) from None


def home_routes(context: Context) -> APIRouter:
    """Return the page that says what this is."""
    router = APIRouter()

    @router.get("/")
    async def home() -> HTMLResponse:
        accounts = "".join(
            f"<li><code>{account.id}</code>: {account.images.count:,} images, {account.credits:,} credits</li>"
            for account in context.state.accounts
        )
        return HTMLResponse(_HOME.format(base=context.origin + BASE_PATH, accounts=accounts or "<li>none</li>"))

    return router


_HOME = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>MiniMax sandbox</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 42rem; margin: 3rem auto; padding: 0 1rem }}
code {{ background: #8882; padding: .1em .3em; border-radius: .2em }}
</style></head><body>
<h1>MiniMax sandbox</h1>
<p>A local stand-in for the MiniMax / Hailuo API of useapi.net. It generates nothing and costs
nothing.</p>
<p>API: <code>{base}</code></p><ul>{accounts}</ul>
<p>Statistics: <a href="/_sandbox/stats">/_sandbox/stats</a></p>
</body></html>
"""
