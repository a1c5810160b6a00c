"""The hook: from an Airflow connection to the client of the service."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Unpack

from airflow_provider_minimax.api.error_body import one_line
from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxError
from airflow_provider_minimax.api.settings import (
    CheckInputs,
    Settings,
    base_url,
    check_token,
    optional_field,
    proxy_address,
    read_check_inputs,
)
from airflow_provider_minimax.api.validation import PAGE_SIZE, SAFE_PAGE_SIZE, optional_text, required_text
from airflow_provider_minimax.compat import AirflowNotFoundException, BaseHook, conf, get_async_connection
from airflow_provider_minimax.provider_info import CONFIG_SECTION, CONNECTION_FIELDS, FIELD_BEHAVIOUR

if TYPE_CHECKING:
    from pathlib import Path

    from airflow.sdk import Connection

    from airflow_provider_minimax.api.client import MiniMaxClient
    from airflow_provider_minimax.api.ids import AnyId
    from airflow_provider_minimax.api.payloads import ImageFields, VideoFields
    from airflow_provider_minimax.api.prices import UserPrices

log = logging.getLogger(__name__)

_ACCOUNT: Final = "account"
_CHECK_INPUTS: Final = "check_inputs"
_PRICES: Final = "prices"
_NUMBERS: Final[Mapping[str, type[float] | type[int]]] = {
    "connect_timeout": float,
    "read_timeout": float,
    "max_attempts": int,
}
#: Of seconds and of attempts: a socket takes no arbitrarily large timeout.
_MAX_NUMBER: Final = 86_400
_A_RETRY: Final = re.compile(r"\b([Aa]) retry\b")
_SET_UP_AGAIN: Final = "Set it up again at useapi.net."


class MiniMaxHook(BaseHook):
    """Reaches MiniMax / Hailuo AI through the useapi.net API.

    :param minimax_conn_id: the Airflow connection, of type ``minimax``.
    :param account: the Hailuo account; overrides the connection's own. Without either, the service chooses, which
        works only if one account is configured (or for a video).
    :raises MiniMaxBadRequestError: one of them rendered to nothing.
    """

    conn_name_attr = "minimax_conn_id"
    default_conn_name = "minimax_default"
    conn_type = "minimax"
    hook_name = "MiniMax / Hailuo AI"
    #: Waits between two attempts of a request; seconds.
    sleep: Callable[[float], None] = staticmethod(time.sleep)

    def __init__(self, minimax_conn_id: str = default_conn_name, account: str | None = None) -> None:
        super().__init__()
        self.minimax_conn_id = required_text("minimax_conn_id", minimax_conn_id)
        self.account = optional_text("account", account)

    @staticmethod
    def get_ui_field_behaviour() -> dict[str, Any]:
        """Return which fields the connection form of Airflow 3.1 hides, and the labels of the others.

        Later releases read both from ``provider_info``.
        """
        return {part.replace("-", "_"): value for part, value in FIELD_BEHAVIOUR.items()}

    @staticmethod
    def get_connection_form_widgets() -> dict[str, Any]:
        """Return the extra fields of the connection form of Airflow 3.1, which has no field for a fraction."""
        from wtforms import IntegerField, StringField

        widgets = {}
        for name, field in CONNECTION_FIELDS.items():
            widget = IntegerField if "integer" in field["schema"]["type"] else StringField
            widgets[name] = widget(field["label"], description=field["description"])
        return widgets

    @cached_property
    def _client(self) -> MiniMaxClient:
        # Imported here: parsing a DAG file must not load the HTTP stack.
        from airflow_provider_minimax.api.client import MiniMaxClient

        settings = read_settings(self.get_connection(self.minimax_conn_id), self.minimax_conn_id, self.account)
        return MiniMaxClient(settings, sleep=self.sleep)

    def get_conn(self) -> MiniMaxClient:
        """Return the client.

        :raises MiniMaxAuthError: the connection has no valid token.
        :raises MiniMaxBadRequestError: its host or one of its extras is invalid.
        """
        return self._client

    async def aget_settings(self) -> Settings:
        """Return the client's settings, without blocking the event loop."""
        connection = await get_async_connection(self.minimax_conn_id, self)
        return read_settings(connection, self.minimax_conn_id, self.account)

    def test_connection(self) -> tuple[bool, str]:
        """Test the connection without creating anything (GET /accounts). Raises nothing.

        :return: whether it is usable, and a message.
        """
        try:
            accounts = self.get_conn().without_retries().list_accounts()
        except (MiniMaxError, AirflowNotFoundException) as error:
            # The words of an error are those for a task, which may be retried.
            return False, _A_RETRY.sub(r"\1nother test", str(error))
        except Exception as error:  # noqa: BLE001 - a secrets backend may raise anything
            # Its text is not shown: it may quote the connection.
            return False, (
                f"Connection {self.minimax_conn_id!r} could not be tested: {type(error).__name__} before a response. "
                "Check its fields and the secrets backend that holds it."
            )
        return _check_accounts(accounts, self._client.settings.account)

    # Images

    def list_images(
        self, limit: int = SAFE_PAGE_SIZE, last_image_id: str | None = None, account: str | None = None
    ) -> dict[str, Any]:
        """Return one page of images, newest first, as the API sends it.

        :param limit: images per page; the service may return fewer.
        :param last_image_id: the image after which the page begins.
        """
        return self.get_conn().list_images(limit, last_image_id, account)

    def iter_images(
        self,
        account: str | None = None,
        page_size: int = PAGE_SIZE,
        max_images: int | None = None,
        *,
        check_total: bool = True,
    ) -> Iterator[dict[str, Any]]:
        """Iterate over all images of the account, newest first, each once, in memory that does not grow.

        :param page_size: images per page.
        :param max_images: stop after so many.
        :param check_total: an end before as many images as the service counts is an error.
        :raises MiniMaxShortListError: the list ends too early.
        """
        client = self.get_conn().with_list_checks(check_total=check_total)
        return client.iter_images(account, page_size, max_images)

    def get_image(self, image_id: AnyId) -> dict[str, Any]:
        """Return one image as the API sends it.

        :raises MiniMaxNotFoundError: no such image.
        """
        return self.get_conn().get_image(image_id)

    def delete_image(self, image_id: AnyId) -> None:
        """Delete an image from its account, which may hold its only copy. One that is deleted already is no error."""
        self.get_conn().delete_image(image_id)

    def create_image(self, prompt: str, account: str | None = None, **fields: Unpack[ImageFields]) -> list[str]:
        """Create images and return their ids, one for each. Costs credits.

        :raises MiniMaxUnknownOutcomeError: the response was lost; the images may have been created.
        """
        return self.get_conn().create_image(prompt, account, **fields)

    # Videos

    def create_video(self, prompt: str | None = None, account: str | None = None, **fields: Unpack[VideoFields]) -> str:
        """Create a video and return its id. Costs credits.

        :raises MiniMaxUnknownOutcomeError: the response was lost; the video may have been created.
        """
        return self.get_conn().create_video(prompt, account, **fields)

    def get_video(self, video_id: AnyId) -> dict[str, Any]:
        """Return one video as the API sends it.

        :raises MiniMaxNotFoundError: no such video; most often moderation removed it.
        """
        return self.get_conn().get_video(video_id)

    def list_videos(
        self, limit: int = SAFE_PAGE_SIZE, last_video_id: str | None = None, account: str | None = None
    ) -> list[dict[str, Any]]:
        """Return one page of videos, newest first, as the API sends them.

        :param limit: videos per page; the service may return fewer.
        :param last_video_id: the video after which the page begins.
        """
        return self.get_conn().list_videos(limit, last_video_id, account)

    def iter_videos(
        self,
        account: str | None = None,
        page_size: int = PAGE_SIZE,
        max_videos: int | None = None,
        *,
        check_total: bool = True,
    ) -> Iterator[dict[str, Any]]:
        """Iterate over all videos of the account, newest first, each once, in memory that does not grow.

        :param page_size: videos per page.
        :param max_videos: stop after so many.
        :param check_total: an end before as many videos as the service counts is an error, where it counts them.
        :raises MiniMaxShortListError: the list ends too early.
        """
        client = self.get_conn().with_list_checks(check_total=check_total)
        return client.iter_videos(account, page_size, max_videos)

    def delete_video(self, video_id: AnyId) -> None:
        """Delete a video from its account, which may hold its only copy. One that is deleted already is no error."""
        self.get_conn().delete_video(video_id)

    def cancel_video(self, video_id: AnyId) -> None:
        """Ask the service to cancel a video. Images cannot be cancelled."""
        self.get_conn().cancel_video(video_id)

    # Files, accounts

    def upload_file(self, path: str | Path, account: str | None = None) -> str:
        """Upload a local picture, sound or video and return its file id."""
        return self.get_conn().upload_file(path, account)

    def list_accounts(self) -> dict[str, dict[str, Any]]:
        """Return the configured Hailuo accounts, safe fields only."""
        return self.get_conn().list_accounts()

    def get_features(self, account: str | None = None) -> dict[str, Any]:
        """Return credits and limits of an account."""
        return self.get_conn().get_features(account)

    def get_credits(self, account: str | None = None) -> float:
        """Return the credits that an account has left.

        :raises MiniMaxUpstreamError: the service did not say.
        """
        return self.get_conn().get_credits(account)


def read_settings(connection: Connection, conn_id: str, account: str | None = None) -> Settings:
    """Return the settings of a connection. Do not keep the connection itself: its ``repr`` shows the password.

    :param account: overrides the connection's own.
    :raises MiniMaxAuthError: it has no valid token.
    :raises MiniMaxBadRequestError: its host, its extras or Airflow's configuration are invalid.
    """
    where = f"Connection {conn_id!r}"
    extras = _extras(connection.extra, where)
    default_account = extras.pop(_ACCOUNT, None)
    # Either may be a number: a template rendered as a native object gives one.
    chosen = account or default_account
    check_inputs = _check_inputs(where, extras.pop(_CHECK_INPUTS, None))
    numbers = {name: _number(where, name, extras.pop(name, None)) for name in _NUMBERS}
    proxy = proxy_address(extras.pop("proxy", None), where)
    # Whether there is such a file shows when it is used.
    bundle = optional_field("CA bundle", extras.pop("ca_bundle", None), where)
    prices = _user_prices(where, extras.pop(_PRICES, None))
    for name in extras:
        log.warning("%s: the unknown extra %r is ignored.", where, name)
    address = base_url(connection.host, connection.schema, connection.port, where)
    if connection.port and f":{connection.port}/" not in address:
        log.info('%s: port %s is ignored, since "Base URL" is empty or a whole address.', where, connection.port)
    return Settings(
        token=check_token(connection.password, where),
        base_url=address,
        account=str(chosen) if chosen else None,
        check_inputs=check_inputs,
        proxy=proxy,
        ca_bundle=bundle,
        conn_id=conn_id,
        prices=prices,
        **{name: value for name, value in numbers.items() if value is not None},
    )


def _extras(text: str | None, where: str) -> dict[str, Any]:
    try:
        extras = json.loads(text) if text else {}
    except ValueError:
        extras = None
    if not isinstance(extras, dict):
        raise MiniMaxBadRequestError(f"{where}: the extra is not a JSON object.")
    return extras


def _check_inputs(where: str, value: object) -> CheckInputs:
    """Return what happens to doubtful inputs: as the connection says, else Airflow's configuration."""
    if value is not None and value != "":
        return read_check_inputs(f"{where}: the extra {_CHECK_INPUTS}", value)
    configured = conf.get(CONFIG_SECTION, _CHECK_INPUTS, fallback="") or Settings.check_inputs
    return read_check_inputs(f"Airflow's option [{CONFIG_SECTION}] {_CHECK_INPUTS}", configured)


def _user_prices(where: str, extra: object) -> UserPrices | None:
    """Return the user's table of prices: the connection's, otherwise Airflow's ``[minimax] prices``.

    It is read when a create needs it, so that a mistake in it ends no other task.
    """
    configured = extra or conf.get(CONFIG_SECTION, _PRICES, fallback=None)
    if not configured:
        return None
    from airflow_provider_minimax.api.prices import UserPrices

    if extra:
        return UserPrices(f"{where}: the extra {_PRICES}", "from the connection's prices", extra)
    source = f"[{CONFIG_SECTION}] {_PRICES}"
    return UserPrices(f"Airflow's {source}", f"from {source}", configured)


def _number(where: str, name: str, value: object) -> Any:
    """Return a number greater than 0; None for an empty field."""
    if value is None or value == "":
        return None
    kind = _NUMBERS[name]
    try:
        number = float(str(value))
    except ValueError:
        number = 0.0
    if not 0 < number <= _MAX_NUMBER or (kind is int and not number.is_integer()):
        words = "an integer" if kind is int else "a number"
        raise MiniMaxBadRequestError(f"{where}: the extra {name} must be {words} above 0, and at most {_MAX_NUMBER}.")
    return kind(number)


def _check_accounts(accounts: Mapping[str, Mapping[str, Any]], wanted: str | None) -> tuple[bool, str]:
    from airflow_provider_minimax.api.accounts import healthy_accounts

    if not accounts:
        return False, "The API token is valid, but no Hailuo account is configured at useapi.net."
    if wanted is not None and wanted not in accounts:
        return False, f"The API token is valid, but account {one_line(wanted)} is not configured at useapi.net."
    usable = healthy_accounts(accounts)
    if wanted is not None and wanted not in usable:
        return False, f"Account {wanted} is in error: {_error_of(accounts[wanted])}. {_SET_UP_AGAIN}"
    if not usable:
        return False, "All Hailuo accounts are in error: " + "; ".join(
            f"{name}: {_error_of(config)}" for name, config in accounts.items()
        ) + f". {_SET_UP_AGAIN}"
    names = ", ".join(usable)
    return True, f"Connected. Usable Hailuo account{'s' if len(usable) > 1 else ''}: {names}"


def _error_of(account: Mapping[str, Any]) -> str:
    return one_line(str(account["error"])).rstrip(".")
