"""What Airflow discovers of this provider: the connection type with its form, and the modules."""

from __future__ import annotations

from typing import Any, Final

_NAME: Final = "MiniMax / Hailuo AI"
_PACKAGE: Final = "airflow_provider_minimax"


def _field(label: str, description: str, kind: str, **bounds: int) -> dict[str, Any]:
    # The null allows an empty field.
    return {"label": label, "description": description, "schema": {"type": [kind, "null"], **bounds}}


#: Airflow's own fields in the connection form. Airflow 3.1 reads them from the hook, later releases from here.
FIELD_BEHAVIOUR: Final[dict[str, Any]] = {
    "hidden-fields": ["login", "schema", "port"],
    "relabeling": {"password": "API token", "host": "Base URL"},
    "placeholders": {
        "password": "user:1234-...",
        "host": "https://api.useapi.net/v1/minimax",
    },
}

#: The extras in the connection form.
CONNECTION_FIELDS: Final[dict[str, dict[str, Any]]] = {
    "account": _field(
        "Account",
        "Hailuo account to work on; needed where several are configured at useapi.net.",
        "string",
    ),
    "connect_timeout": _field("Connect timeout", "Seconds; 10 when empty.", "number", minimum=1),
    "read_timeout": _field("Read timeout", "Seconds; 60 when empty.", "number", minimum=1),
    "max_attempts": _field("Attempts", "Attempts of one request; 5 when empty.", "integer", minimum=1),
}


def get_provider_info() -> dict[str, Any]:
    """Return the description of the provider, for the entry point ``apache_airflow_provider``."""
    return {
        "package-name": "airflow-provider-minimax",
        "name": _NAME,
        "description": "Images and videos of MiniMax / Hailuo AI through the useapi.net API.",
        "integrations": [
            {
                "integration-name": _NAME,
                "external-doc-url": "https://useapi.net/docs/api-minimax-v1",
                "tags": ["service"],
            }
        ],
        "hooks": [_modules("hooks.minimax")],
        "operators": [
            _modules(
                *("operators.choose", "operators.delete", "operators.files", "operators.images", "operators.videos")
            )
        ],
        "sensors": [_modules("sensors.images", "sensors.videos")],
        "triggers": [_modules("triggers.jobs", "triggers.start_from_trigger", "triggers.timer")],
        "extra-links": [f"{_PACKAGE}.links.MiniMaxMediaLink"],
        "connection-types": [
            {
                "connection-type": "minimax",
                "hook-class-name": f"{_PACKAGE}.hooks.minimax.MiniMaxHook",
                "hook-name": _NAME,
                "ui-field-behaviour": FIELD_BEHAVIOUR,
                "conn-fields": CONNECTION_FIELDS,
            }
        ],
    }


def _modules(*names: str) -> dict[str, Any]:
    return {"integration-name": _NAME, "python-modules": [f"{_PACKAGE}.{name}" for name in names]}
