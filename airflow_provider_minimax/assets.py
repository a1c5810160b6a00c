"""Assets: the images and videos of an account, ``minimax://<account>/images``, and what the events of outlets tell.

Airflow finds the first three functions through ``asset-uris`` of the provider's description.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from airflow_provider_minimax.api.accounts import AUTO
from airflow_provider_minimax.api.kinds import MEDIA_KINDS

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.sdk import Asset, Context

log = logging.getLogger(__name__)

SCHEME: Final = "minimax"
#: The ids that an event names at most; its ``count`` says how many there are.
MAX_IDS: Final = 100
_KINDS: Final = tuple(kind.plural for kind in MEDIA_KINDS.values())
#: As in the ids of the service.
_ACCOUNT: Final = re.compile(r"[\w.@]+", re.ASCII)
#: How OpenLineage calls what Airflow knows by several names.
_LINEAGE_SCHEMES: Final = {"gcs": "gs", "s3a": "s3", "s3n": "s3"}


def create_asset(*, account: str, kind: str = "images", **kwargs: Any) -> Asset:
    """Return the asset of all images, or of all videos, of an account.

    :param account: the Hailuo account, as the ids of its images name it.
    :param kind: ``"images"`` or ``"videos"``.
    :param kwargs: of Airflow's ``Asset``, such as ``watchers``.
    :raises ValueError: the account or the kind is not valid.
    """
    from airflow.sdk import Asset

    return Asset(uri=account_uri(account, kind), **kwargs)


def account_uri(account: str, kind: str) -> str:
    """Return ``minimax://<account>/<kind>``; see ``create_asset``."""
    # Quoted, since what stands before an "@" would be taken for a user.
    return sanitize_uri(urlsplit(f"{SCHEME}://{quote(account, safe='')}/{kind}")).geturl()


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Return a URI of this scheme in the one form that it has.

    :raises ValueError: it names no account, or something other than its images or videos.
    """
    account, kind = unquote(uri.netloc), uri.path.strip("/").lower()
    if not _ACCOUNT.fullmatch(account) or account == AUTO or kind not in _KINDS or uri.query:
        raise ValueError(
            f"{uri.geturl()} is not the URI of an asset: it is {SCHEME}://<account>/{' or /'.join(_KINDS)}."
        )
    return uri._replace(netloc=quote(account, safe=""), path=f"/{kind}")


def convert_asset_to_openlineage(asset: Asset, lineage_context: object) -> Dataset:  # noqa: ARG001 - as Airflow calls it
    """Return the dataset that OpenLineage knows an asset by."""
    from airflow.providers.common.compat.openlineage.facet import Dataset

    namespace, name = dataset_name(asset.uri)
    return Dataset(namespace=namespace, name=name)


def dataset_name(uri: str) -> tuple[str, str]:
    """Return namespace and name by which OpenLineage knows the images of an account, a file or a folder.

    https://openlineage.io/docs/spec/naming: the bucket, and the key in it; for a local disk ``file``, and the path.
    """
    scheme, _, rest = uri.partition("://")
    if scheme == "file":
        return "file", rest.rstrip("/") or "/"
    authority, _, path = rest.partition("/")
    return f"{_LINEAGE_SCHEMES.get(scheme, scheme)}://{authority}", path.strip("/") or "/"


class Made(NamedTuple):
    """What a task has made.

    :param uri: of the asset that an outlet ``AssetAlias`` stands for.
    :param extra: of the events, of JSON types.
    """

    uri: str
    extra: Mapping[str, Any]


def add_to_events(context: Context, outlets: Iterable[object], describe: Callable[[], Made | None]) -> None:
    """Put what a task has made into the events of its asset outlets, whosesoever assets these are.

    What the user has put there wins. Whatever goes wrong is logged and does not end the task: what it made is there,
    and perhaps billed.

    :param describe: called if there is such an outlet; returns None if nothing was made.
    """
    # Not above: Airflow reads the functions for URIs in each of its processes.
    from airflow.sdk import Asset, AssetAlias
    from airflow.sdk.definitions.asset import AssetAliasEvent, AssetRef

    made: Made | None = None
    for outlet in outlets:
        if not isinstance(outlet, Asset | AssetRef | AssetAlias):
            continue
        try:
            made = made or describe()
            if made is None:
                return
            event = context["outlet_events"][outlet]
            if isinstance(outlet, AssetAlias):
                event.add(Asset(uri=made.uri), extra=alias_extra(made.extra, vars(AssetAliasEvent)))
            else:
                event.extra = {**made.extra, **event.extra}
        except Exception as error:  # noqa: BLE001 - Airflow's database, its API server and handlers of URIs have a say
            log.warning("The event of outlet %r lacks what this task has made: %r", outlet, error)


def alias_extra(extra: Mapping[str, Any], event_class: Mapping[str, object]) -> dict[str, Any]:
    """Return the part of an extra that the event of an alias may hold.

    The API server of Airflow 3.1.0, whose events do not yet hold the extra of their asset, fails a finished task over a
    list.

    :param event_class: the members of Airflow's ``AssetAliasEvent``.
    """
    takes_all = "dest_asset_extra" in event_class
    return {name: value for name, value in extra.items() if takes_all or not isinstance(value, list)}


def event_ids(ids: Iterable[str], total: int) -> dict[str, Any]:
    """Return the part of an event's extra that names what was made.

    :param ids: the first ones at least.
    :param total: how many there are.
    """
    return {"ids": list(islice(ids, MAX_IDS)), "count": total}
