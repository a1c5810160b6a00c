"""What a create costs, as far as that is known before it is sent. No I/O.

Three lists know prices: the account's own, then the user's, then the documented ones. The account's list shows one
number a model, so it prices only a create that leaves resolution, quality and length to the service.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from airflow_provider_minimax.api import models
from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.ids import Kind
from airflow_provider_minimax.api.sources import Source

Unit = Literal["job", "second"]

#: More than any price or balance. What a create costs stays a number that a log, a record and an XCom can hold.
_MAX_CREDITS: Final = 10**16
ACCOUNT_LIST: Final = "from the account's price list"
#: In a user's table: any variant that the table does not name.
_ANY: Final = "*"
_PER_SECOND: Final = re.compile(r"\s*([0-9.]+)\s*/\s*s\s*")
#: Fields of a create that a price depends on.
_VARIANT_FIELDS: Final = ("quality", "resolution", "options")
_SECONDS_IN_OPTIONS: Final = re.compile(r"-(\d+)sec$")


class PriceRule(NamedTuple):
    """A price of a model, of whatever list.

    :param credits: of one image or video (``per="job"``), or of one second of it.
    :param words: of quality, resolution or options for which it holds, in lower case; empty for all.
    :param source: who says so, for logs.
    """

    credits: float
    per: Unit
    words: frozenset[str]
    source: str


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


def cost_of(
    kind: Kind, body: Mapping[str, Any], account_list: object = None, user_prices: UserPrices | None = None
) -> Cost:
    """Return what a create costs.

    :param body: as it is sent.
    :param account_list: ``modelControl`` of the account's features; None if it was not read.
    :raises MiniMaxBadRequestError: the user's table is malformed.
    """
    model, jobs = models.model_name(kind, body), models.jobs_made(kind, body)
    listed = _listed_credits(account_list, kind, model) if has_listed_price(body) else None
    if listed is not None:
        return Cost(listed * jobs, ACCOUNT_LIST)
    known = models.find_model(kind, body)
    defaults: Mapping[str, Any] = known.defaults if known else {}
    for rules in (_user_rules(model, user_prices), map(_documented_rule, known.credits if known else ())):
        rule = _select(rules, {**defaults, **body})
        of_job = None if rule is None else _credits_of_job(rule, {**defaults, **body})
        if rule is not None and of_job is not None:
            return Cost(of_job * jobs, rule.source)
    return Cost()


def has_listed_price(body: Mapping[str, Any]) -> bool:
    """Return whether an account's list can price a create: it shows one number a model, of no particular variant."""
    return not _variant(body) and "duration" not in body


def check_max_credits(cost: Cost, max_credits: float | None, kind: Kind, body: Mapping[str, Any]) -> None:
    """Check a cost against the limit of a task.

    :raises MiniMaxBadRequestError: it is more, or unknown.
    """
    if max_credits is None:
        return
    model = models.model_name(kind, body)
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


def read_prices(prices: UserPrices) -> dict[str, tuple[PriceRule, ...]]:
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


def _read_model(prices: UserPrices, model: str, value: object) -> Iterator[PriceRule]:
    variants = value if isinstance(value, Mapping) else {_ANY: value}
    for variant, given in variants.items():
        number, per = _read_price(given)
        if number is None:
            raise MiniMaxBadRequestError(
                f"{prices.where}: the price of {model} is a number of at least 0, or such as '21/s' for a second, not "
                f"{given!r}. Nothing was sent."
            )
        yield _rule(number, per, "" if variant == _ANY else str(variant), prices.source)


def _read_price(given: object) -> tuple[float | None, Unit]:
    per: Unit = "job"
    if isinstance(given, str) and (match := _PER_SECOND.fullmatch(given)):
        given, per = match[1], "second"
    return as_credits(given), per


def as_credits(value: object) -> float | None:
    """Return a number of credits, from a number or its text; None for anything else, such as an absurdly large one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    if not 0 <= number <= _MAX_CREDITS:  # nor NaN
        return None
    return int(number) if number.is_integer() else number


def _rule(price: float, per: Unit, variant: str, source: str) -> PriceRule:
    return PriceRule(price, per, frozenset(variant.casefold().split()), source)


def _documented_rule(price: models.Price) -> PriceRule:
    variant = " ".join(filter(None, (price.quality, price.resolution, price.options)))
    return _rule(price.credits, "second" if price.per == "second" else "job", variant, documented(price.source))


def documented(source: Source) -> str:
    """Return where a price of the provider's own table is from, for logs and docs."""
    return f"{'third-party report,' if source.confidence == 'C' else 'documented'} {source.date}"


def _user_rules(model: str, user_prices: UserPrices | None) -> tuple[PriceRule, ...]:
    if user_prices is None:
        return ()
    by_model = {name.casefold(): found for name, found in read_prices(user_prices).items()}
    return by_model.get(model.casefold(), ())


def _listed_credits(account_list: object, kind: Kind, model: str) -> float | None:
    """Return the credits of one job in an account's list; the highest, where it shows a model more than once.

    A cost of 0 counts as missing: what it means is not documented.
    """
    known = models.MODELS[kind].get(model)
    names = {name.casefold() for name in (model, *(known.shown_as if known else ()))}
    entries: Sequence[object] = account_list if isinstance(account_list, list) else ()
    costs = [
        as_credits(entry.get("videoCost"))
        for entry in entries
        if isinstance(entry, Mapping) and str(entry.get("modelId")).casefold() in names
    ]
    return max((cost for cost in costs if cost), default=None)


def _select(rules: Iterable[PriceRule], body: Mapping[str, Any]) -> PriceRule | None:
    """Return the rule of the variant that a create names, the one with most of its words."""
    named = {word.casefold() for word in _variant(body)}
    return max((rule for rule in rules if rule.words <= named), key=lambda rule: len(rule.words), default=None)


def _variant(body: Mapping[str, Any]) -> list[str]:
    """Return the words of a create that its price depends on."""
    return [word for name in _VARIANT_FIELDS for word in str(body.get(name) or "").split()]


def _credits_of_job(rule: PriceRule, body: Mapping[str, Any]) -> float | None:
    if rule.per == "job":
        return rule.credits
    seconds = as_credits(body.get("duration"))
    if seconds is None and (match := _SECONDS_IN_OPTIONS.search(str(body.get("options") or ""))):
        seconds = float(match[1])
    return rule.credits * seconds if seconds else None
