"""What a create costs, as far as that is known before it is sent. No I/O.

Three lists know prices: the account's own, then the user's, then the documented ones. The account's list shows one
number a model, so it prices only a create that leaves resolution, quality and length to the service.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal, NamedTuple

from airflow_provider_minimax.api import models
from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.ids import Kind

Unit = Literal["job", "second"]

ACCOUNT_LIST: Final = "from the account's price list"
#: In a user's table: any variant that the table does not name.
_ANY: Final = "*"
_PER_SECOND: Final = re.compile(r"\s*([0-9.]+)\s*/\s*s\s*")
#: Fields of a create that a price depends on.
_VARIANT_FIELDS: Final = ("quality", "resolution", "options")
_SECONDS_IN_OPTIONS: Final = re.compile(r"-(\d+)sec$")


@dataclass(frozen=True)
class Price:
    """The price of a model.

    :param credits: of one image or video (``per="job"``), or of one second of it.
    :param variant: quality, resolution or options for which it holds, such as ``"high 4K"``; empty for all.
    :param source: who says so, for logs.
    :param as_of: year and month, such as ``"2026-05"``; empty for a user's price.
    """

    credits: float
    per: Unit = "job"
    variant: str = ""
    source: str = ""
    as_of: str = ""

    @property
    def words(self) -> frozenset[str]:
        """The words of the variant, in lower case."""
        return frozenset(self.variant.casefold().split())

    @property
    def label(self) -> str:
        """The source and its month, for a log."""
        return f"{self.source} {date.fromisoformat(f'{self.as_of}-01'):%B %Y}" if self.as_of else self.source


class UserPrices(NamedTuple):
    """A user's table of prices, not read yet.

    :param where: it was found, for errors.
    :param source: for logs.
    :param table: see ``read_prices``.
    """

    where: str
    source: str
    table: object


class Cost(NamedTuple):
    """What a create costs.

    :param credits: of all its jobs; None if unknown, which is never the same as 0.
    :param source: where the price is from; None if unknown.
    """

    credits: float | None = None
    source: str | None = None

    def __str__(self) -> str:
        """Return the cost for a log line."""
        if self.credits is None:
            return "unknown price"
        return f"{self.credits:g} credit{'' if self.credits == 1 else 's'} ({self.source})"


def _documented(as_of: str, prices: Mapping[str, float], per: Unit = "job") -> tuple[Price, ...]:
    return tuple(Price(number, per, variant, "documented", as_of) for variant, number in prices.items())


def _reported(prices: Mapping[str, float]) -> tuple[Price, ...]:
    """Return what one third party has seen in the web application behind the API."""
    return tuple(Price(number, "job", variant, "third-party report,", "2026-09") for variant, number in prices.items())


_01: Final = _documented("2026-02", {"": 25})
_LARGE: Final = _documented("2026-02", {"768p-6sec": 25})
#: Prices by model. What is missing is unknown.
PRICES: Final[Mapping[str, tuple[Price, ...]]] = {
    # The vendor's page of GET /features/ shows it, too.
    "image-01": _reported({"": 1}),
    "nano-banana-2": _reported({"1K": 4, "2K": 5, "4K": 8}),
    "nano-banana-pro": _reported({"1K": 6, "2K": 6, "4K": 10}),
    "gpt-image-1.5": _reported({"low": 4, "medium": 8, "high": 15}),
    "gpt-image-2": _documented(
        "2026-05",
        {
            "low 1K": 2,
            "low 2K": 5,
            "low 4K": 10,
            "medium 1K": 8,
            "medium 2K": 20,
            "medium 4K": 40,
            "high 1K": 30,
            "high 2K": 80,
            "high 4K": 160,
        },
    ),
    **dict.fromkeys(("seedream-4.5", "seedream-5.0"), _reported({"": 4})),
    **dict.fromkeys(("midjourney-v7", "midjourney-niji7"), _reported({"": 3})),
    **dict.fromkeys(("T2V-01", "I2V-01", "I2V-01-live", "S2V-01", "T2V-01-Director", "I2V-01-Director"), _01),
    **dict.fromkeys(("02", "T2V-2.3", "I2V-2.3"), _LARGE),
    # The vendor's script of October 2026.
    "Seedance-2.0": _documented("2026-10", {"480": 10, "720": 21, "1080": 50, "4K": 100}, per="second"),
}
#: What the service is documented to take for a field that is left out.
_DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "gpt-image-2": {"quality": "low"},
    "Seedance-2.0": {"resolution": "720", "duration": 5},
}
#: The names under which an account's list may show a model beside its own; from one third party, September 2026.
LISTED_AS: Final[Mapping[str, tuple[str, ...]]] = {
    "nano-banana-2": ("nano_banana21_flash",),
    "nano-banana-pro": ("nano-banana2",),
    "midjourney-v7": ("mj_v7",),
    "midjourney-niji7": ("mj_niji7",),
    "T2V-01": ("23000",),
    "I2V-01": ("23001",),
    "I2V-01-live": ("23011",),
    "S2V-01": ("23021",),
    **dict.fromkeys(("T2V-01-Director", "I2V-01-Director"), ("23102",)),
    **dict.fromkeys(("T2V-2.3", "I2V-2.3"), ("23204", "23217")),
    "I2V-2.3-Fast": ("23218",),
}


def cost_of(
    kind: Kind, body: Mapping[str, Any], account_list: object = None, user_prices: UserPrices | None = None
) -> Cost:
    """Return what a create costs.

    :param body: as it is sent.
    :param account_list: ``modelControl`` of the account's features; None if it was not read.
    :raises MiniMaxBadRequestError: the user's table is malformed.
    """
    model = model_of(kind, body)
    jobs = models.images_made(body) if kind == "image" else 1
    listed = _listed_credits(account_list, model) if not _variant(body) and "duration" not in body else None
    if listed is not None:
        return Cost(listed * jobs, ACCOUNT_LIST)
    for prices in (_user_prices_of(model, user_prices), PRICES.get(model, ())):
        price = _select(prices, model, body)
        of_job = None if price is None else _credits_of_job(price, model, body)
        if price is not None and of_job is not None:
            return Cost(of_job * jobs, price.label)
    return Cost()


def model_of(kind: Kind, body: Mapping[str, Any]) -> str:
    """Return the model of a create."""
    return models.model_name(kind, body)


def check_max_credits(cost: Cost, max_credits: float | None, kind: Kind, body: Mapping[str, Any]) -> None:
    """Check a cost against the limit of a task.

    :raises MiniMaxBadRequestError: it is more, or unknown.
    """
    if max_credits is None:
        return
    model = model_of(kind, body)
    if cost.credits is None:
        variant = " ".join(_variant(body))
        example = json.dumps({model: {variant: 10} if variant else 10})
        what = f"{model} ({variant})" if variant else model
        raise MiniMaxBadRequestError(
            f"The price of model {what} is unknown, so max_credits={max_credits:g} cannot be kept. Nothing was sent. "
            "Set the price in the connection's extra `prices` or in Airflow's `[minimax] prices`, such as "
            f"{example}, or leave max_credits out."
        )
    if cost.credits > max_credits:
        raise MiniMaxBadRequestError(
            f"This create costs {cost}, more than max_credits={max_credits:g}. Nothing was sent, and a retry will not "
            "help: raise max_credits, or request less."
        )


def read_max_credits(value: object) -> float | None:
    """Return the limit of a task, from a number or its text; None if it has none.

    :raises MiniMaxBadRequestError: it is not a number of at least 0.
    """
    limit = as_credits(value)
    if value is not None and limit is None:
        raise MiniMaxBadRequestError(f"max_credits must be a number of at least 0, not {value!r}. Nothing was sent.")
    return limit


def read_prices(prices: UserPrices) -> dict[str, tuple[Price, ...]]:
    """Return a user's prices by model.

    The table is an object, or its JSON text. By model it holds a number (credits of one image or video), a text such
    as ``"21/s"`` (credits of one second), or an object of these by resolution, quality or options, in which ``"*"``
    stands for any other.

    :raises MiniMaxBadRequestError: it holds anything else.
    """
    table = prices.table
    if isinstance(table, str):
        try:
            table = json.loads(table)
        except ValueError:
            table = None
    if not isinstance(table, Mapping):
        raise MiniMaxBadRequestError(
            f'{prices.where} is not a JSON object such as {{"image-01": 1}}. Nothing was sent.'
        )
    return {str(model): tuple(_read_model(prices, str(model), value)) for model, value in table.items()}


def _read_model(prices: UserPrices, model: str, value: object) -> Iterator[Price]:
    variants = value if isinstance(value, Mapping) else {_ANY: value}
    for variant, given in variants.items():
        number, per = _read_price(given)
        if number is None:
            raise MiniMaxBadRequestError(
                f"{prices.where}: the price of {model} is a number of at least 0, or such as '21/s' for a second, not "
                f"{given!r}. Nothing was sent."
            )
        yield Price(number, per, "" if variant == _ANY else str(variant), prices.source)


def _read_price(given: object) -> tuple[float | None, Unit]:
    per: Unit = "job"
    if isinstance(given, str) and (match := _PER_SECOND.fullmatch(given)):
        given, per = match[1], "second"
    return as_credits(given), per


def as_credits(value: object) -> float | None:
    """Return a number of credits, from a number or its text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    if not math.isfinite(number) or number < 0:
        return None
    return int(number) if number.is_integer() else number


def _user_prices_of(model: str, user_prices: UserPrices | None) -> tuple[Price, ...]:
    if user_prices is None:
        return ()
    by_model = {name.casefold(): found for name, found in read_prices(user_prices).items()}
    return by_model.get(model.casefold(), ())


def _listed_credits(account_list: object, model: str) -> float | None:
    """Return the credits of one job in an account's list; the highest, where it shows a model more than once.

    A cost of 0 counts as missing: what it means is not documented.
    """
    names = {name.casefold() for name in (model, *LISTED_AS.get(model, ()))}
    entries: Sequence[object] = account_list if isinstance(account_list, list) else ()
    costs = [
        as_credits(entry.get("videoCost"))
        for entry in entries
        if isinstance(entry, Mapping) and str(entry.get("modelId")).casefold() in names
    ]
    return max((cost for cost in costs if cost), default=None)


def _select(prices: Iterable[Price], model: str, body: Mapping[str, Any]) -> Price | None:
    """Return the price of the variant that a create names, the one with most of its words."""
    named = {word.casefold() for word in _variant({**_DEFAULTS.get(model, {}), **body})}
    matching = (price for price in prices if price.words <= named)
    return max(matching, key=lambda price: len(price.words), default=None)


def _variant(body: Mapping[str, Any]) -> list[str]:
    """Return the words of a create that its price depends on."""
    return [word for name in _VARIANT_FIELDS for word in str(body.get(name) or "").split()]


def _credits_of_job(price: Price, model: str, body: Mapping[str, Any]) -> float | None:
    if price.per == "job":
        return price.credits
    seconds = as_credits(body.get("duration") or _DEFAULTS.get(model, {}).get("duration"))
    if seconds is None and (match := _SECONDS_IN_OPTIONS.search(str(body.get("options") or ""))):
        seconds = float(match[1])
    return price.credits * seconds if seconds else None
