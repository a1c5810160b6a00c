"""The FastAPI application: the service's routes, the media, the control calls, and the gate before them."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from airflow_provider_minimax.sandbox.accounts import RefusedError
from airflow_provider_minimax.sandbox.gate import Gate
from airflow_provider_minimax.sandbox.routes_control import control_routes, home_routes
from airflow_provider_minimax.sandbox.routes_images import image_routes
from airflow_provider_minimax.sandbox.routes_media import media_routes
from airflow_provider_minimax.sandbox.routes_other import account_routes, file_routes, scheduler_routes
from airflow_provider_minimax.sandbox.routes_videos import video_routes
from airflow_provider_minimax.sandbox.web import answer, refuse
from airflow_provider_minimax.sandbox.world import BASE_PATH, World


def build(world: World) -> Gate:
    """Give the whole application of a world."""
    app = FastAPI(title="MiniMax sandbox", openapi_url=None, redirect_slashes=False)
    for routes in (image_routes, video_routes, account_routes, file_routes, scheduler_routes):
        app.include_router(routes(world), prefix=BASE_PATH)
    for routes in (media_routes, control_routes, home_routes):
        app.include_router(routes(world))
    app.add_exception_handler(RefusedError, refuse)
    app.add_exception_handler(HTTPException, _no_route)
    return Gate(app, world)


async def _no_route(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return answer({"error": "Not found." if status == 404 else "Method not allowed", "code": status}, status)
