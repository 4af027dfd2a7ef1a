"""Fake-account rings: accounts registered one after another by one operator, then one seller bought from and praised.

Careful rings take days over it, spread over devices, connections, cards and addresses, and let accounts ripen.
"""

from random import Random

import msgspec

from events.types import Address
from simulator import names, places
from simulator.catalogue import CATEGORIES, Basket, Product, pack
from simulator.clock import DAY_MS, HOUR_MS, MINUTE_MS
from simulator.frauds.crooks import Alias, a_burner, a_connection, a_drop, a_mask, an_alias
from simulator.people import Card, Device, a_card
from simulator.places import Country
from simulator.settings import blend
from simulator.shopping import Shop
from simulator.visits import Purchase, Visit

NAME = "fake_accounts"
ORDERS = (5, 12)


class Ring(msgspec.Struct, frozen=True):
    country: Country
    goods: tuple[Product, ...]
    devices: tuple[Device, ...]
    ips: tuple[str, ...]
    cards: tuple[Card, ...]
    addresses: tuple[Address, ...]


def story(shop: Shop, rng: Random, at_ms: int) -> None:
    difficulty, country = shop.settings.difficulty, places.a_country(rng)
    accounts = rng.randint(*ORDERS)
    ring = _ring(shop, rng, country, accounts)
    pause_ms, ripening_ms = blend(3 * MINUTE_MS, 8 * HOUR_MS, difficulty), blend(HOUR_MS, 4 * DAY_MS, difficulty)
    for _ in range(accounts):
        alias, device = an_alias(shop, rng, country), rng.choice(ring.devices)
        visit = _visit(shop, rng, ring, device, at_ms)
        if rng.random() < blend(1.0, 0.5, difficulty):  # others are bought ready-made
            visit.register(alias.customer_id, alias.contact)
        at_ms = visit.at_ms + int(rng.expovariate(1 / pause_ms))
        _buy(shop, rng, ring, alias, device, at_ms + int(ripening_ms * (0.5 + rng.random())))


def _ring(shop: Shop, rng: Random, country: Country, accounts: int) -> Ring:
    """How much of a kind it has to share among its accounts is its care."""
    several = range(max(1, round(accounts * blend(0.1, 0.5, shop.settings.difficulty))))
    return Ring(
        country,
        _goods(shop, rng),
        tuple(a_burner(shop, rng) for _ in several),
        tuple(a_connection(shop, rng, country) for _ in several),
        tuple(a_card(rng, shop.journal.ids, country) for _ in several),
        tuple(a_drop(shop, rng, country) for _ in several),
    )


def _goods(shop: Shop, rng: Random) -> tuple[Product, ...]:
    """What one seller has."""
    first = shop.catalogue.product(rng, rng.choice(tuple(CATEGORIES)))
    every = (product for products in shop.catalogue.products.values() for product in products)
    return tuple(product for product in every if product.seller_id == first.seller_id)


def _visit(shop: Shop, rng: Random, ring: Ring, device: Device, at_ms: int) -> Visit:
    mask = a_mask(shop, rng, device, rng.choice(ring.ips), ring.country)
    return Visit(shop.journal, rng, mask, at_ms, NAME)


def _buy(shop: Shop, rng: Random, ring: Ring, alias: Alias, device: Device, at_ms: int) -> None:
    """One order of an account, and its praise some days later."""
    difficulty, visit = shop.settings.difficulty, _visit(shop, rng, ring, device, at_ms)
    if alias.account_id:
        visit.sign_in(alias.customer_id)
    basket, haste = _basket(rng, ring), blend(5.0, 1.3, difficulty)
    visit.wander([rng.choice(ring.goods) for _ in range(1 + (rng.random() < difficulty))], haste)
    visit.check_out(haste)
    card, address = rng.choice(ring.cards), rng.choice(ring.addresses)
    visit.pay(alias.customer_id, card, basket, approved=True)
    visit.order(
        Purchase(
            customer_id=alias.customer_id,
            account_id=alias.account_id,
            contact=alias.contact,
            basket=basket,
            billing=address if rng.random() < blend(0.9, 0.7, difficulty) else names.address(rng, ring.country),
            shipping=address,
            card=card,
            method="wallet" if rng.random() < 0.2 else "card",
            promo_code=shop.promo(rng),
        )
    )
    if rng.random() < blend(1.0, 0.5, difficulty):
        later = _visit(shop, rng, ring, device, visit.at_ms + int((1 + rng.random() * 4) * DAY_MS))
        later.review(alias.customer_id, basket.items[0].sku, 5)


def _basket(rng: Random, ring: Ring) -> Basket:
    lines = 1 + (rng.random() < 0.35) + (rng.random() < 0.15)
    return pack([rng.choice(ring.goods) for _ in range(lines)], [1] * lines, ring.country.currency)
