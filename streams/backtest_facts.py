"""Orders of a table as facts, through the feature store itself, to vectors.

Pseudonyms here need no key: they are in the memory of a server of the run's own, and no file gets them.
"""

import heapq
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from events import canonical, geo
from events.facts import AnyFact, Coordinates, Entities, LabelFact, OrderFact, Pseudonym
from events.likeness import name_in_email
from events.money import EXPONENTS
from features.declared import Definitions
from features.definitions import DEFINITIONS
from features.evidence import inputs_of
from features.numbers import Direct
from features.replay import vectors
from features.store import Client, Store
from streams.tables import ENTITIES, Orders, code_of

_NOWHERE = Coordinates("table", "table", 0, 0)
_UNKNOWN_CURRENCY = "XXX"  # ISO 4217's code for none: the order counts, and adds to no sum
_SOURCES = frozenset({"orders", "frauds", "promotions"})  # what a table of orders and labels can tell of

_MEMBERS = {  # whom or what an entity is seen with: the event field that says it
    "browser": "user_agent", "os": "user_agent", "ip_country": "ip", "shipping_country": "shipping_country",
    "main_category": "category",
}  # fmt: skip
_MOST = 2**40  # more is no price; sums of a month of them are still exact

Told = Callable[[float], None]


def definitions_for(orders: Orders) -> Definitions:
    """The default features that these orders can say anything of."""
    kinds = {kind for field, kind in ENTITIES.items() if field in orders.fields}
    if "ip" in kinds:
        kinds.add("network")
    members = kinds | {member for member, field in _MEMBERS.items() if field in orders.fields}
    features = DEFINITIONS.features
    return Definitions(tuple(f for f in features if all(_told(n, kinds, members) for n in inputs_of(f))))


async def vectors_of(client: Client, orders: Orders, told: Told) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """The features' names and a row an order, in the order of `orders`; `told` hears of orders done."""
    definitions = definitions_for(orders)
    return definitions.names, await matrix_of(client, definitions, facts(orders), len(orders), told)


async def matrix_of(
    client: Client, definitions: Definitions, replayed: Iterator[AnyFact], count: int, told: Told
) -> NDArray[np.float32]:
    """The vectors of so many orders among the facts; `told` hears of orders done."""
    matrix = np.empty((count, len(definitions.names)), dtype=np.float32)
    done = 0
    async for _, found, rows in vectors(Store(client, definitions), replayed, -(2**62)):
        matrix[done : done + len(found)] = rows
        done += len(found)
        told(len(found))
    if done != count:
        raise AssertionError(f"{count} orders gave {done} vectors")
    return matrix


def facts(orders: Orders) -> Iterator[AnyFact]:
    """Orders and labels in the order of their times; a label at its own, before an order of the same moment."""
    return heapq.merge(_labels(orders), _orders(orders), key=lambda fact: fact.occurred_at_ms)


def _told(number: Any, kinds: set[str], members: set[str]) -> bool:
    if isinstance(number, Direct):
        return True
    source, member = getattr(number, "source", "orders"), getattr(number, "member", None)
    return number.kind in kinds and source in _SOURCES and (member is None or member in members)


def _orders(orders: Orders) -> Iterator[AnyFact]:
    for row, entities in enumerate(_entities(orders)):
        yield _order(orders, row, entities)


def _labels(orders: Orders) -> Iterator[AnyFact]:
    """Of frauds alone: nothing counts an order that was found genuine."""
    frauds = np.flatnonzero(orders.label == 1)
    by_time = frauds[np.argsort(orders.labelled_at_ms[frauds], kind="stable")]
    columns = _names(orders) if len(by_time) else {}
    for row in by_time.tolist():
        amount_minor, currency = _amount(orders, row)
        known_ms = int(orders.labelled_at_ms[row])
        yield LabelFact(
            source=_NOWHERE,
            event_id=f"label {row}",
            occurred_at_ms=known_ms,
            recorded_at_ms=known_ms,
            entities=Entities(**{kind: names[row] for kind, names in columns.items()}),
            order_id=orders.order_id[row],
            label="confirmed",
            decision_id=str(row),
            amount_minor=amount_minor,
            currency=currency,
        )


def _entities(orders: Orders) -> Iterator[Entities]:
    columns = _names(orders)
    for row in range(len(orders)):
        yield Entities(**{kind: names[row] for kind, names in columns.items()})


def _names(orders: Orders) -> dict[str, Sequence[Pseudonym | None]]:
    """Of each kind of entity the pseudonym in each order."""
    columns: dict[str, Sequence[Pseudonym | None]] = {}
    for field, kind in ENTITIES.items():
        if field in orders.fields:
            columns[kind] = [pseudonym(kind, _canonical(field, text) or text) for text in orders.fields[field]]
    if "ip" in columns:
        networks = [canonical.network(ip) if (ip := _canonical("ip", text)) else None for text in orders.fields["ip"]]
        columns["network"] = [pseudonym("network", network) for network in networks]
    return columns


def _order(orders: Orders, row: int, entities: Entities) -> OrderFact:
    def of(field: str) -> Any:
        values = orders.fields.get(field)
        return None if values is None else values[row]

    at_ms = int(orders.occurred_at_ms[row])
    amount_minor, currency = _amount(orders, row)
    email, country = _canonical("email", of("email")), _upper(of("shipping_country"))
    browser, system = canonical.user_agent(of("user_agent")) if of("user_agent") else (None, None)
    return OrderFact(
        source=_NOWHERE,
        event_id=str(row),
        occurred_at_ms=at_ms,
        recorded_at_ms=at_ms,
        entities=entities,
        order_id=orders.order_id[row],
        amount_minor=amount_minor,
        currency=currency,
        method=of("method") or "card",
        quantity=_whole(of("quantity")),
        lines=_whole(of("lines")),
        max_unit_minor=_whole(of("max_unit"), 10 ** EXPONENTS.get(currency, 2)),
        categories=(canonical.category(of("category")),) if of("category") else (),
        main_category=canonical.category(of("category")) if of("category") else None,
        billing_address=pseudonym("address", of("billing_address")),
        promo=pseudonym("promo", of("promo_code")),
        billing_country=_upper(of("billing_country")),
        shipping_country=country,
        issuer_country=_upper(of("issuer_country")),
        **_whereabouts(_canonical("ip", of("ip")), country, at_ms),
        avs=of("avs"),
        cvv_result=of("cvv_result"),
        three_ds=of("three_ds"),
        email_provider=canonical.email_provider(email) if email else None,
        name_in_email=name_in_email(of("name"), email) if of("name") and email else None,
        browser=browser,
        os=system,
        has_account=of("account_id") is not None,
        is_gift=_whole(of("is_gift")) > 0,
    )


def _amount(orders: Orders, row: int) -> tuple[int, str]:
    """Minor units and the currency; of an amount that is not there nothing is summed."""
    currency = code_of(orders.currency[row])
    given = orders.amount[row]
    if not np.isfinite(given):
        return 0, _UNKNOWN_CURRENCY
    return _whole(given, 1 if orders.in_minor_units else 10 ** EXPONENTS.get(currency, 2)), currency


def _whole(value: float | None, times: int = 1) -> int:
    """Rounded; 0 for what is not there, and at most what sums can hold."""
    if value is None or not np.isfinite(value):
        return 0
    return int(np.clip(np.floor(value * times + 0.5), 0, _MOST))


@lru_cache(65_536)
def _canonical(field: str, text: str | None) -> str | None:
    """As intake would write it; None for what intake would not know, as where a table holds hashes."""
    if not text:
        return None
    if field == "email":
        return canonical.email(text)
    return canonical.ip(text) if field == "ip" else text


@lru_cache(65_536)
def pseudonym(kind: str, text: str | None) -> Pseudonym | None:
    if not text:
        return None
    return urlsafe_b64encode(blake2b(f"{kind}:{text}".encode(), digest_size=16).digest())[:22].decode()


def _upper(text: str | None) -> str | None:
    return text.strip().upper() if text else None


def _whereabouts(ip: str | None, shipping_country: str | None, at_ms: int) -> dict[str, Any]:
    here = geo.country_of(ip) if ip else None
    there = shipping_country
    return {
        "ip_country": here,
        "ip_distance_km": geo.distance_km(here, there) if here and there else None,
        "ip_utc_offset_min": geo.utc_offset_min(here, at_ms) if here else None,
        "shipping_utc_offset_min": geo.utc_offset_min(there, at_ms) if there else None,
    }
