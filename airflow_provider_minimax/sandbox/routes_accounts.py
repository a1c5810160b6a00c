"""``/accounts`` and ``/features``."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from airflow_provider_minimax.sandbox.accounts import IMAGE_CREDITS, VIDEO_CREDITS, Account
from airflow_provider_minimax.sandbox.context import Context
from airflow_provider_minimax.sandbox.errors import NotFoundError
from airflow_provider_minimax.sandbox.render import iso_time
from airflow_provider_minimax.sandbox.responses import json_response

_DAY = 86_400
_MONTH = 30 * _DAY


def account_routes(context: Context) -> APIRouter:
    """Return the routes of a sandbox."""
    router = APIRouter()

    @router.get("/accounts")
    @router.get("/accounts/")
    async def list_accounts() -> Response:
        state = context.state
        return json_response({account.id: _configuration(account, state.began) for account in state.accounts})

    @router.get("/accounts/{account_id}")
    async def get_account(account_id: str) -> Response:
        account = context.state.configured(account_id)
        if account is None:
            raise NotFoundError
        return json_response(_configuration(account, context.state.began))

    @router.get("/features")
    @router.get("/features/")
    async def get_features(request: Request) -> Response:
        state = context.state
        return json_response(_features(state.account(request.query_params.get("account")), state.began))

    return router


def _configuration(account: Account, began: float) -> dict[str, Any]:
    """Return an account's configuration, with the masked session that a client must not pass on."""
    issued = int(began) - _DAY
    configuration: dict[str, Any] = {
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
            "iat_Issued": iso_time(issued),
            "exp_Expire": iso_time(issued + _MONTH),
        },
    }
    return configuration | ({"error": account.error} if account.error else {})


def _features(account: Account, began: float) -> dict[str, Any]:
    """Return what an account may do and how many credits it has left."""
    expire_ms = (int(began) + _MONTH) * 1000
    return {
        "privilegeType": 1,
        "totalCredits": account.credits,
        "expireText": "",
        "videoCost": VIDEO_CREDITS,
        "queueLength": 5,
        "memberText": "Standard",
        "memberHoverText": "",
        "expireTime": expire_ms,
        "isNewUser": False,
        "questionText": "",
        "trialExpireTime": 0,
        "trialText": "",
        "memberName": "Standard",
        "newUserVersion": 0,
        "creditExpireText": [{"credit": account.credits, "endTime": expire_ms}],
        "modelControl": [
            _model_control("image-01", IMAGE_CREDITS, [], []),
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
