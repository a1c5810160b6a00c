"""``/accounts``, ``/features``, ``/files`` and ``/scheduler``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response

from airflow_provider_minimax.sandbox.accounts import VIDEO_CREDITS, Account, RefusedError
from airflow_provider_minimax.sandbox.state import Running, State
from airflow_provider_minimax.sandbox.web import answer
from airflow_provider_minimax.sandbox.world import World

#: Audio and video since 2026; images are what operators send.
FILE_TYPES = frozenset({"image/png", "image/jpeg", "audio/mpeg", "audio/wav", "video/mp4"})

_MONTH = 30 * 86_400


def account_routes(world: World) -> APIRouter:
    """Give the routes on accounts and their features."""
    router = APIRouter()

    @router.get("/accounts")
    @router.get("/accounts/")
    async def list_accounts() -> Response:
        state = world.state
        return answer({account.id: _account(account, state.began) for account in state.accounts})

    @router.get("/accounts/{account_id}")
    async def get_account(account_id: str) -> Response:
        account = world.state.configured(account_id)
        if account is None:
            raise RefusedError(404, "Not found.")
        return answer(_account(account, world.state.began))

    @router.get("/features")
    @router.get("/features/")
    async def get_features(request: Request) -> Response:
        state = world.state
        return answer(_features(state.account(request.query_params.get("account")), state.began))

    return router


def file_routes(world: World) -> APIRouter:
    """Give the routes on files."""
    router = APIRouter()

    @router.post("/files")
    @router.post("/files/")
    async def upload_file(request: Request) -> Response:
        state = world.state
        account = state.account(request.query_params.get("account"))
        declared = request.headers.get("content-type", "")
        size = len(await request.body())
        if declared not in FILE_TYPES:
            raise RefusedError(400, f"Content-Type ({declared}) must be one of: {', '.join(sorted(FILE_TYPES))}")
        if size == 0:
            raise RefusedError(400, "Request body is empty")
        with state.lock:
            account.files.append(declared)
            number = len(account.files) - 1
        world.recorder.created("files", 1, 0)
        oss_path = f"moss/prod/{account.renderer.bare('file', number)}.{declared.partition('/')[2]}"
        return answer({"ossPath": oss_path, "fileID": account.renderer.full("file", number)})

    @router.get("/files")
    @router.get("/files/")
    async def list_files(request: Request) -> Response:
        # The vendor says of this call, since March 2025, that it looks retired and finds nothing.
        world.state.account(request.query_params.get("account"))
        return answer([])

    @router.delete("/files/{file_id}")
    async def delete_file(file_id: str) -> Response:
        state = world.state
        with state.lock:
            found = state.find(file_id)
            if found is not None and found[1] == "file":
                found[0].files[found[2]] = None
        return answer({})

    return router


def scheduler_routes(world: World) -> APIRouter:
    """Give the routes on running jobs."""
    router = APIRouter()

    @router.get("/scheduler")
    @router.get("/scheduler/")
    async def list_running() -> Response:
        state = world.state
        with state.lock:
            return answer([_running(entry, state) for entry in state.running()])

    @router.get("/scheduler/available")
    async def list_available() -> Response:
        state = world.state
        with state.lock:
            executing = [_running(entry, state) for entry in state.running()]
            rooms = [_room(account, state) for account in state.accounts if account.error is None]
        # Full accounts are left out: the vendor's sample shows none, its script reads [] as "all busy".
        return answer({"executing": executing, "available": [room for room in rooms if room["available"] > 0]})

    @router.delete("/scheduler/{job_id}")
    async def stop_tracking(job_id: str) -> Response:
        state = world.state
        with state.lock:
            job = state.find_job(job_id)
            if job is None or not (job.tracked and job.running(state.now)):
                raise RefusedError(404, f"Unable to locate running {job_id}", with_code=False)
            job.tracked = False
        return answer({})

    return router


def _account(account: Account, began: float) -> dict[str, Any]:
    """Give an account's configuration, with the masked session that a client must not pass on."""
    issued = int(began) - 86_400
    shown: dict[str, Any] = {
        "account": account.id,
        "maxJobs": account.max_jobs,
        "supportVideo": True,
        "supportMusic": True,
        "jwt": {
            "token": "eyJh…sandbox…9Qk",
            "user": {
                "deviceID": "248105837264951",
                "id": account.id,
                "isAnonymous": False,
                "name": f"Sandbox {account.index + 1}",
                "avatar": "",
            },
            "exp": issued + _MONTH,
            "iat": issued,
            "host": "https://hailuoai.video",
            "searchParams": "device_platform=web&app_id=3001",
            "iat_Issued": _iso(issued),
            "exp_Expire": _iso(issued + _MONTH),
        },
    }
    return shown | ({"error": account.error} if account.error else {})


def _features(account: Account, began: float) -> dict[str, Any]:
    """Give what an account may do and what it has left."""
    member_until = int(began) + _MONTH
    return {
        "privilegeType": 1,
        "totalCredits": account.credits,
        "expireText": "",
        "videoCost": VIDEO_CREDITS,
        "queueLength": 5,
        "memberText": "Standard",
        "memberHoverText": "",
        "expireTime": member_until * 1000,
        "isNewUser": False,
        "questionText": "",
        "trialExpireTime": 0,
        "trialText": "",
        "memberName": "Standard",
        "newUserVersion": 0,
        "creditExpireText": [{"credit": str(account.credits), "endTime": member_until * 1000}],
        "modelControl": [
            _model_control("image-01", 1, [], []),
            _model_control("23000", VIDEO_CREDITS, [6, 10], ["768", "1080"]),
        ],
        "supportModes": [],
        "imageQueueLength": 5,
    }


def _model_control(model: str, cost: int, durations: list[int], resolutions: list[str]) -> dict[str, Any]:
    return {
        "modelId": model,
        "videoCost": cost,
        "isMember": True,
        "freeCount": 0,
        "durations": durations,
        "resolutions": resolutions,
        "modes": [],
        "videoCosts": [],
    }


def _running(entry: Running, state: State) -> dict[str, Any]:
    job = entry.job
    key = "videoId" if entry.kind == "video" else state.config.scheduler_image_key
    minutes, seconds = divmod(max(0, int(state.now - job.started)), 60)
    shown = {key: entry.full_id, "started": _iso(job.started), "elapsed": f"{minutes:02}:{seconds:02}"}
    optional = {"replyUrl": job.reply_url, "replyRef": job.reply_ref}
    return shown | {name: value for name, value in optional.items() if value is not None}


def _room(account: Account, state: State) -> dict[str, Any]:
    executing = account.running_videos(state.now)
    return {
        "account": account.id,
        "maxJobs": account.max_jobs,
        "executing": executing,
        "available": account.max_jobs - executing,
    }


def _iso(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
