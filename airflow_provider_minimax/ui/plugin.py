"""The plugin that puts the gallery into Airflow's UI: a tab on a task instance and on a DAG run, and a page.

Every component of Airflow loads each plugin, and workers do so before a task. So FastAPI, and what the gallery reads,
is imported where the API server asks for it, and nowhere else.
"""

from __future__ import annotations

from functools import cached_property
from inspect import signature
from typing import Any, Final

from airflow.plugins_manager import AirflowPlugin

from airflow_provider_minimax.compat import conf
from airflow_provider_minimax.provider_info import CONFIG_SECTION

#: Where the API server serves the gallery.
URL_PREFIX: Final = "/minimax"
_RUN: Final = "gallery/dags/{DAG_ID}/runs/{RUN_ID}"
#: Places in Airflow's UI: destination, name, address, and name in the address bar.
_VIEWS: Final = (
    ("nav", "MiniMax gallery", "gallery", "minimax-gallery"),
    ("dag_run", "Gallery", _RUN, "minimax-run-gallery"),
    ("task_instance", "Gallery", f"{_RUN}/tasks/{{TASK_ID}}/{{MAP_INDEX}}", "minimax-task-gallery"),
)


class MiniMaxPlugin(AirflowPlugin):
    """The gallery. ``[minimax] gallery = False`` in Airflow's configuration turns it off."""

    name = "minimax"

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The app of the gallery."""
        if not _is_on():
            return []
        from airflow_provider_minimax.ui.app import create_app

        return [{"app": create_app(), "url_prefix": URL_PREFIX, "name": "MiniMax gallery"}]

    @cached_property
    def external_views(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Its tabs and its page. Their addresses are relative to the UI's own, which may be below a path."""
        if not _is_on():
            return []
        return [
            {
                "destination": destination,
                "name": name,
                "href": f"{URL_PREFIX.lstrip('/')}/{href}",
                "url_route": route,
                **({"category": "browse"} if destination == "nav" else {}),
            }
            for destination, name, href, route in _VIEWS
        ]


def _is_on() -> bool:
    return bool(conf.getboolean(CONFIG_SECTION, "gallery", fallback=True)) and _takes_cookies()


def _takes_cookies() -> bool:
    """Return whether Airflow knows its user outside of its own scripts, too: by a cookie, as it does not in 3.1.0."""
    from airflow.api_fastapi.core_api.security import get_user

    return "request" in signature(get_user).parameters
