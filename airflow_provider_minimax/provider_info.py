"""What Airflow discovers of this provider: the connection type with its form, and the modules."""

from __future__ import annotations

from typing import Any, Final

_NAME: Final = "MiniMax / Hailuo AI"
_PACKAGE: Final = "airflow_provider_minimax"


#: Pages of the docs that show how a thing is done.
_GUIDES: Final = (
    *("quickstart", "connection", "images", "videos", "creating", "waiting", "choosing", "files", "cost", "events"),
    *("lineage", "gallery", "testing", "errors", "production", "sandbox"),
)

#: The section of Airflow's configuration.
CONFIG_SECTION: Final = "minimax"


def _field(label: str, description: str, kind: str, **schema: object) -> dict[str, Any]:
    # The null allows an empty field.
    return {"label": label, "description": description, "schema": {"type": [kind, "null"], **schema}}


#: Airflow's own fields in the connection form. Airflow 3.1 reads them from the hook, later releases from here.
FIELD_BEHAVIOUR: Final[dict[str, Any]] = {
    "hidden-fields": ["login", "schema", "port"],
    "relabeling": {"password": "API token", "host": "Base URL"},
    "placeholders": {"password": "user:1234-...", "host": "https://api.useapi.net/v1/minimax"},
}

#: The extras in the connection form.
CONNECTION_FIELDS: Final[dict[str, dict[str, Any]]] = {
    "account": _field(
        "Account", "Hailuo account to work on; needed where several are configured at useapi.net.", "string"
    ),
    "connect_timeout": _field("Connect timeout", "Seconds; 10 when empty.", "number", minimum=1),
    "read_timeout": _field("Read timeout", "Seconds; 60 when empty.", "number", minimum=1),
    "max_attempts": _field("Attempts", "Attempts of one request; 5 when empty.", "integer", minimum=1),
    "check_inputs": _field(
        "Check inputs",
        "What happens to inputs of a create that the model is documented not to take: strict refuses them, warn logs a "
        "warning and sends them, off sends them. Airflow's [minimax] check_inputs when empty.",
        "string",
        enum=["strict", "warn", "off", None],
    ),
    "proxy": _field(
        "Proxy",
        "Address such as http://proxy.example:3128; when empty, HTTPS_PROXY and NO_PROXY of the environment count.",
        "string",
    ),
    "ca_bundle": _field(
        "CA bundle",
        "Path on each worker of the certificates to trust; when empty, REQUESTS_CA_BUNDLE of the environment counts.",
        "string",
    ),
    "prices": _field("Prices", 'Credits by model, as JSON: {"image-01": 1}.', "string"),
}

#: The options of Airflow's configuration.
_CONFIG_OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "check_inputs": {
        "description": "What happens to inputs of a create that the model is documented not to take:\n"
        "``strict`` refuses them, ``warn`` logs a warning and sends them, ``off`` sends them.\n"
        "A connection or a task may say otherwise.\n",
        "version_added": "0.1.0",
        "type": "string",
        "example": "warn",
        "default": "strict",
    },
    "gallery": {
        "description": "Show what tasks have generated, exported or downloaded in Airflow's UI. See docs/gallery.md.",
        "version_added": "0.1.0",
        "type": "boolean",
        "example": "False",
        "default": "True",
    },
    "prices": {
        "description": "Credits by model, as JSON; the extra of a connection wins. See docs/cost.md.",
        "version_added": "0.1.0",
        "type": "string",
        "example": '{"image-01": 1, "Seedance-2.0": {"720": "21/s"}}',
        "default": "",
    },
    "link_prefixes": {
        "description": "Where a browser finds the files of a storage, as JSON: what takes the place of a prefix of "
        "their URLs.\nThe button of a task then opens its contact sheet or its downloaded file there. See "
        "docs/lineage.md.\n",
        "version_added": "0.1.0",
        "type": "string",
        "example": '{"s3://bucket/": "https://files.example/"}',
        "default": "",
    },
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
                # As Airflow's own providers name them: paths in the repository.
                "how-to-guide": [f"/docs/{name}.md" for name in _GUIDES],
                "logo": "/docs/integration-logos/minimax.svg",
                "tags": ["ai", "generative-ai", "service"],
            }
        ],
        "hooks": [_modules("hooks", "minimax")],
        "operators": [_modules("operators", "choose", "delete", "files", "images", "videos")],
        "sensors": [_modules("sensors", "credits", "images", "videos")],
        "triggers": [_modules("triggers", "credits", "jobs", "new_media", "start_from_trigger", "timer")],
        "config": {
            CONFIG_SECTION: {"description": f"Defaults for the tasks of {_NAME}.", "options": _CONFIG_OPTIONS},
        },
        "asset-uris": [
            {
                "schemes": ["minimax"],
                "handler": f"{_PACKAGE}.assets.sanitize_uri",
                "factory": f"{_PACKAGE}.assets.create_asset",
                "to_openlineage_converter": f"{_PACKAGE}.assets.convert_asset_to_openlineage",
            }
        ],
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


def _modules(folder: str, *names: str) -> dict[str, Any]:
    return {"integration-name": _NAME, "python-modules": [f"{_PACKAGE}.{folder}.{name}" for name in names]}
