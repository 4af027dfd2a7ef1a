"""Promotion and contest abuse: one person under ever new names takes a gift that each may take once, and enters draws.

Careful ones clear their cookies, change connection, card and place of delivery, and wait between two names.
"""

from random import Random

import msgspec

from events.types import Address
from simulator import names, places
from simulator.catalogue import CATEGORIES
from simulator.clock import HOUR_MS, MINUTE_MS
from simulator.frauds.crooks import Alias, a_burner, a_connection, a_drop, a_mask, an_alias
from simulator.people import Card, Device, a_card
from simulator.places import Country
from simulator.settings import blend
from simulator.shopping import Shop
from simulator.visits import Purchase, Visit

NAME = "promotion_abuse"
ORDERS = (4, 10)


class Hunter(msgspec.Struct, frozen=True):
    """Somebody who pays with cards of their own and has it sent home, or nearby."""

    country: Country
    phone: str
    device: Device
    ip: str
    cards: tuple[Card, ...]
    addresses: tuple[Address, ...]


def story(shop: Shop, rng: Random, at_ms: int) -> None:
    difficulty, country = shop.settings.difficulty, places.a_country(rng)
    hunter = Hunter(
        country,
        names.phone(rng, country),
        a_burner(shop, rng),
        a_connection(shop, rng, country),
        tuple(a_card(rng, shop.journal.ids, country) for _ in range(round(blend(1, 4, difficulty)))),
        (names.address(rng, country), *(a_drop(shop, rng, country) for _ in range(round(blend(0, 3, difficulty))))),
    )
    pause_ms = blend(4 * MINUTE_MS, 12 * HOUR_MS, difficulty)
    for _ in range(rng.randint(*ORDERS)):
        while rng.random() < blend(0.5, 0.2, difficulty):  # a name for the draw alone
            at_ms = _enter(shop, rng, hunter, at_ms) + int(rng.expovariate(1 / pause_ms))
        at_ms = _take(shop, rng, hunter, at_ms) + int(rng.expovariate(1 / pause_ms))


def _another(shop: Shop, rng: Random, hunter: Hunter, at_ms: int) -> tuple[Alias, Visit]:
    difficulty, country = shop.settings.difficulty, hunter.country
    device = a_burner(shop, rng) if rng.random() < blend(0.0, 0.6, difficulty) else hunter.device
    ip = a_connection(shop, rng, country) if rng.random() < blend(0.0, 0.6, difficulty) else hunter.ip
    alias = an_alias(shop, rng, country, hunter.phone if rng.random() < blend(0.7, 0.2, difficulty) else None)
    visit = Visit(shop.journal, rng, a_mask(shop, rng, device, ip, country), at_ms, NAME)
    if alias.account_id and (alias.fresh or rng.random() < 0.5):
        visit.register(alias.customer_id, alias.contact)
    return alias, visit


def _enter(shop: Shop, rng: Random, hunter: Hunter, at_ms: int) -> int:
    alias, visit = _another(shop, rng, hunter, at_ms)
    visit.enter_contest(alias.customer_id)
    return visit.at_ms


def _take(shop: Shop, rng: Random, hunter: Hunter, at_ms: int) -> int:
    """One order under a new name, with a code, or because the draw asks for one; returns when it was done."""
    difficulty, (alias, visit) = shop.settings.difficulty, _another(shop, rng, hunter, at_ms)
    basket = shop.catalogue.basket(rng, tuple(CATEGORIES), blend(0.2, 0.4, difficulty), hunter.country.currency)
    visit.wander([shop.catalogue.wanted(rng, tuple(CATEGORIES), 0.5)], haste=blend(4.0, 1.5, difficulty))
    if rng.random() < blend(0.7, 0.3, difficulty):
        visit.enter_contest(alias.customer_id)
    visit.check_out(haste=blend(4.0, 1.5, difficulty))
    card, address = rng.choice(hunter.cards), rng.choice(hunter.addresses)
    visit.pay(alias.customer_id, card, basket, approved=True)
    visit.order(
        Purchase(
            customer_id=alias.customer_id,
            account_id=alias.account_id,
            contact=alias.contact,
            basket=basket,
            billing=hunter.addresses[0] if rng.random() < 0.6 else address,
            shipping=address,
            card=card,
            method="wallet" if rng.random() < 0.2 else "card",
            promo_code=shop.promo(rng, blend(1.0, 0.6, difficulty)),
        )
    )
    return visit.at_ms
