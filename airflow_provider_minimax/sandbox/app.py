"""The FastAPI application: the service's routes, the media and the control calls, behind the gate."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from airflow_provider_minimax.sandbox.context import Context
from airflow_provider_minimax.sandbox.errors import RefusedError
from airflow_provider_minimax.sandbox.gate import Gate
from airflow_provider_minimax.sandbox.operations import BASE_PATH
from airflow_provider_minimax.sandbox.responses import error_response, json_response
from airflow_provider_minimax.sandbox.routes_accounts import account_routes
from airflow_provider_minimax.sandbox.routes_control import control_routes, home_routes
from airflow_provider_minimax.sandbox.routes_files import file_routes
from airflow_provider_minimax.sandbox.routes_images import image_routes
from airflow_provider_minimax.sandbox.routes_media import media_routes
from airflow_provider_minimax.sandbox.routes_scheduler import scheduler_routes
from airflow_provider_minimax.sandbox.routes_videos import video_routes


def build_app(context: Context) -> Gate:
    """Return the whole application of a sandbox."""
    app = FastAPI(title="MiniMax sandbox", openapi_url=None, redirect_slashes=False)
    for routes in (image_routes, video_routes, account_routes, file_routes, scheduler_routes):
        app.include_router(routes(context), prefix=BASE_PATH)
    for routes in (media_routes, control_routes, home_routes):
        app.include_router(routes(context))
    app.add_exception_handler(RefusedError, _refused)
    app.add_exception_handler(HTTPException, _no_route)
    return Gate(app, context)


async def _refused(_: Request, error: Exception) -> Response:
    if not isinstance(error, RefusedError):
        raise error
    body: dict[str, Any] = {"error": error.message}
    return json_response(body | ({"code": error.status} if error.with_code else {}), error.status)


async def _no_route(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return error_response(status, "Not found." if status == 404 else "Method not allowed")
