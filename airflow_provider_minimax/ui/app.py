"""The app of the gallery, which Airflow's API server mounts.

Who may read the XComs of a DAG in Airflow may see what its tasks have made; Airflow itself decides that.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from functools import partial, wraps
from typing import IO, Annotated, Any, Final
from urllib.parse import quote

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from anyio import CapacityLimiter, fail_after, to_thread
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import Response, StreamingResponse
from sqlalchemy import Text, cast, func, select
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from airflow_provider_minimax.api.words import count
from airflow_provider_minimax.export.contact_sheet import frame, resource, safe_json
from airflow_provider_minimax.operators.costs import COST_KEY
from airflow_provider_minimax.ui.exports import MediaFile, UnreadableError, open_media, read_export
from airflow_provider_minimax.ui.gallery import TaskKey, XCom, gather, read_value

#: Values of tasks that a page reads: those of the latest.
MAX_XCOMS: Final = 200
#: DAG runs in which the page of all DAGs looks: the latest.
MAX_RUNS: Final = 1_000
#: Bytes of these values, as JSON: those of other tasks may be of any size.
MAX_VALUE_BYTES: Final = 8 * 2**20
#: Requests that read at a time. All others of the API server share 40 threads and 15 connections to the database, and
#: a storage that hangs must not take those.
MAX_READERS: Final = 8
#: Seconds that a request waits to be one of them.
MAX_WAIT: Final = 30
_RESULT: Final = "return_value"
_PIECE: Final = 2**18
_RANGE: Final = re.compile(r"bytes=(\d{1,18})?-(\d{1,18})?")
_ASSETS: Final = {"gallery.css": "text/css", "gallery.js": "text/javascript"}
_ALWAYS: Final = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
_RUN: Final = "/gallery/dags/{dag_id}/runs/{run_id}"
_TASK: Final = _RUN + "/tasks/{task_id}/{map_index}"
#: Of a ``TaskKey``.
_KEYS: Final = (XComModel.dag_id, XComModel.run_id, XComModel.task_id, XComModel.map_index)
_may_read = Depends(requires_access_dag("GET", DagAccessEntity.XCOM))


def create_app() -> FastAPI:
    """Return the app."""
    app = FastAPI(title="MiniMax gallery", openapi_url=None)
    app.get("/gallery")(_apart(show_latest))
    app.get(_RUN, dependencies=[_may_read])(_apart(show_run))
    app.get(_TASK, dependencies=[_may_read])(_apart(show_task))
    app.get(_TASK + "/media/{name}", dependencies=[_may_read])(_apart(send_media))
    app.get("/assets/{name}")(send_asset)
    return app


_readers: Final = CapacityLimiter(MAX_READERS)


def _apart(endpoint: Callable[..., Response]) -> Callable[..., Coroutine[Any, Any, Response]]:
    """Return an endpoint that waits for one of the gallery's own threads, and holds no other one meanwhile."""

    @wraps(endpoint)
    async def run(**arguments: Any) -> Response:
        try:
            # A request that has begun to read ends, however long it takes.
            with fail_after(MAX_WAIT):
                return await to_thread.run_sync(partial(endpoint, **arguments), limiter=_readers)
        except TimeoutError:
            raise HTTPException(503, "The gallery is busy reading: its storage is slow. Try again later.") from None

    return run


def show_latest(request: Request, session: SessionDep, user: GetUserDep) -> Response:
    """Show what the latest tasks of all DAGs that the user may read have made."""
    readable = get_auth_manager().get_authorized_dag_ids(user=user, method="GET")
    # By their primary key, which XComs have as well: there may be millions.
    runs = select(DagRun.id).where(DagRun.dag_id.in_(readable)).order_by(DagRun.id.desc()).limit(MAX_RUNS)
    latest = session.scalars(runs).all()
    found = _query(session, XComModel.dag_run_id.in_(latest), TaskInstance.operator.like("MiniMax%"))
    may_read = {dag_id: _may_read_xcoms(user, dag_id) for dag_id in {xcom.task.dag_id for xcom in found}}
    return _page(request, "MiniMax gallery", [xcom for xcom in found if may_read[xcom.task.dag_id]], name_dag=True)


def show_run(request: Request, session: SessionDep, dag_id: str, run_id: str) -> Response:
    """Show what the tasks of a DAG run have made."""
    return _page(request, dag_id, _query(session, XComModel.dag_id == dag_id, XComModel.run_id == run_id))


async def _task(dag_id: str, run_id: str, task_id: str, map_index: str) -> TaskKey:
    # Of a task that is not mapped, Airflow's UI leaves the placeholder as it is.
    return TaskKey(dag_id, run_id, task_id, int(map_index) if re.fullmatch(r"\d{1,9}", map_index) else -1)


TaskDep = Annotated[TaskKey, Depends(_task)]


def show_task(request: Request, session: SessionDep, task: TaskDep) -> Response:
    """Show what a task has made."""
    context = _query(session, XComModel.dag_id == task.dag_id, XComModel.run_id == task.run_id)
    return _page(request, str(task), _query(session, *_of_task(task)), context)


def send_media(
    session: SessionDep, task: TaskDep, name: str, range_header: Annotated[str, Header(alias="range")] = ""
) -> Response:
    """Send a file of an export of a task."""
    xcoms = _query(session, *_of_task(task))
    for path in (path for xcom in xcoms for path in read_value(xcom.value).exports):
        with contextlib.suppress(UnreadableError):
            return _send(open_media(path, f"media/{name}"), range_header)
    raise HTTPException(404, "No export of this task that can be read here has such a file.")


def send_asset(name: str) -> Response:
    """Send the style or the script of the page, which hold nothing of anybody."""
    if name not in _ASSETS:
        raise HTTPException(404)
    body = resource(name.replace("gallery", "contact_sheet"))
    return Response(body, media_type=_ASSETS[name], headers=_ALWAYS | {"Cache-Control": "no-cache"})


def _of_task(task: TaskKey) -> Iterable[ColumnElement[bool]]:
    return (column == value for column, value in zip(_KEYS, task, strict=True))


def _may_read_xcoms(user: GetUserDep, dag_id: str) -> bool:
    details = DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id))
    return get_auth_manager().is_authorized_dag(
        method="GET", access_entity=DagAccessEntity.XCOM, details=details, user=user
    )


def _query(session: Session, *conditions: ColumnElement[bool]) -> list[XCom]:
    """Return the values of tasks, the latest first, each with what the task has cost."""
    size = func.length(cast(XComModel.value, Text))

    def values(key: str) -> dict[TaskKey, object]:
        query = (
            select(*_KEYS, size, XComModel.value)
            .join(TaskInstance)
            .where(XComModel.key == key, size <= MAX_VALUE_BYTES, *conditions)
            .order_by(XComModel.timestamp.desc())
            .limit(MAX_XCOMS)
        )
        found: dict[TaskKey, object] = {}
        left = MAX_VALUE_BYTES
        for *task, length, value in session.execute(query, execution_options={"yield_per": 10}):
            left -= length
            if left < 0:
                break
            found[TaskKey(*task)] = value
        return found

    results, costs = values(_RESULT), values(COST_KEY)
    # What follows may take long, and needs no database.
    session.close()
    # A task that has submitted jobs and has no result: it is waiting, or has failed.
    return [XCom(task, results.get(task), costs.get(task)) for task in {**results, **costs}]


def _page(
    request: Request, title: str, xcoms: Iterable[XCom], context: Iterable[XCom] = (), *, name_dag: bool = False
) -> Response:
    root = request.scope.get("root_path", "")

    def folder(task: TaskKey) -> str:
        steps = ("dags", task.dag_id, "runs", task.run_id, "tasks", task.task_id, str(task.map_index))
        return f"{root}/gallery/{'/'.join(quote(step, safe='') for step in steps)}"

    content = gather(xcoms, read_export, folder, context=context, name_dag=name_dag)
    before, after = frame(
        title=title,
        kind=content.kind,
        head=f'<link rel="stylesheet" href="{quote(root)}/assets/gallery.css">',
        foot=f'<script src="{quote(root)}/assets/gallery.js"></script>',
        without_script=f"This page needs JavaScript to show {count(content.total, content.kind)}.",
    )
    sources = " ".join(("'self'", *content.origins))
    policy = (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src {sources}; media-src {sources}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )
    headers = _ALWAYS | {"Content-Security-Policy": policy, "Cache-Control": "private, no-store"}
    return Response(before + safe_json(content.data()) + after, media_type="text/html; charset=utf-8", headers=headers)


def _send(media: MediaFile, range_header: str) -> Response:
    """Stream a file, or the one range of it that is wanted: some browsers play no film otherwise."""
    start, end, status = 0, media.size, 200
    headers = _ALWAYS | {
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=3600",
        # Said, so that Airflow 3.1 does not compress once more what is compressed, and a range no longer counts.
        "Content-Encoding": "identity",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    match = _RANGE.fullmatch(range_header)
    if match and (match[1] or match[2]):
        start = int(match[1]) if match[1] else max(media.size - int(match[2]), 0)
        end = min(int(match[2]) + 1, media.size) if match[1] and match[2] else media.size
        status = 206
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{media.size}"
        if start >= end:
            media.file.close()
            raise HTTPException(416, headers={"Content-Range": f"bytes */{media.size}"})
    headers["Content-Length"] = str(end - start)
    return StreamingResponse(
        _pieces(media.file, start, end), status_code=status, media_type=media.content_type, headers=headers
    )


async def _pieces(file: IO[bytes], start: int, end: int) -> AsyncIterator[bytes]:
    with file:
        file.seek(start)
        while start < end:
            piece = await to_thread.run_sync(file.read, min(_PIECE, end - start), limiter=_readers)
            if not piece:
                break
            start += len(piece)
            yield piece
