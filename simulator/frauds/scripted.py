"""Scripted visitors: few pages at regular gaps, no assets, straight to the checkout, one account after another.

Careful scripts load what a browser loads, vary their gaps, slow down, and change connection and card more often.
"""

from random import Random

import msgspec

from events.types import Address
from simulator import places
from simulator.catalogue import Basket, Product, pack
from simulator.clock import HOUR_MS, MINUTE_MS
from simulator.frauds.crooks import STOLEN, Loot, a_burner, a_connection, a_drop, a_mask, an_alias, some_loot
from simulator.places import Country
from simulator.settings import blend
from simulator.shopping import Shop
from simulator.visits import Purchase, Visit

NAME = "scripted"
ORDERS = (5, 14)
_WANTED = ("phones", "electronics", "gift_cards", "perfume", "toys", "fashion")


class Script(msgspec.Struct, frozen=True):
    country: Country
    targets: tuple[Product, ...]
    loot: tuple[Loot, ...]
    drops: tuple[Address, ...]
    period_ms: float


def story(shop: Shop, rng: Random, at_ms: int) -> None:
    difficulty, country = shop.settings.difficulty, places.a_country(rng)
    orders = rng.randint(*ORDERS)
    script = Script(
        country,
        tuple(shop.catalogue.wanted(rng, _WANTED, 0.5) for _ in range(round(blend(1, 4, difficulty)))),
        tuple(some_loot(shop, rng, country) for _ in range(max(2, round(orders * blend(0.3, 0.8, difficulty))))),
        tuple(a_drop(shop, rng, country) for _ in range(max(1, round(orders * blend(0.2, 0.7, difficulty))))),
        blend(700, 14_000, difficulty) * (0.7 + rng.random() * 0.6),
    )
    pause_ms = blend(MINUTE_MS, 1.5 * HOUR_MS, difficulty**2)
    ip = a_connection(shop, rng, country)
    for _ in range(orders):
        if rng.random() < blend(0.1, 0.7, difficulty):
            ip = a_connection(shop, rng, country)
        at_ms = _run(shop, rng, script, ip, at_ms) + int(rng.expovariate(1 / pause_ms))


def _run(shop: Shop, rng: Random, script: Script, ip: str, at_ms: int) -> int:
    """One session, one account, one order; returns when it was done."""
    country, loot = script.country, rng.choice(script.loot)
    alias = an_alias(shop, rng, country)
    visit = Visit(shop.journal, rng, a_mask(shop, rng, a_burner(shop, rng), ip, country), at_ms, NAME)
    if alias.fresh:
        visit.register(alias.customer_id, alias.contact)
    target = rng.choice(script.targets)
    _step_through(shop, rng, visit, script, target)
    basket = _basket(shop, rng, script, target)
    visit.pay(alias.customer_id, loot.card, basket, approved=True)
    visit.order(
        Purchase(
            customer_id=alias.customer_id,
            account_id=alias.account_id,
            contact=alias.contact,
            basket=basket,
            billing=loot.billing,
            shipping=rng.choice(script.drops),
            card=loot.card,
            checks=STOLEN,
            promo_code=shop.promo(rng, blend(0.0, 0.4, shop.settings.difficulty)),
            method="wallet" if rng.random() < 0.15 else "card",
        )
    )
    return visit.at_ms


def _basket(shop: Shop, rng: Random, script: Script, target: Product) -> Basket:
    """What it is after; if careful, with something small beside it."""
    beside = rng.random() < blend(0.0, 0.7, shop.settings.difficulty)
    products = [target, *([shop.catalogue.wanted(rng, _WANTED, 0.2)] if beside else ())]
    return pack(products, [1 + (rng.random() < 0.25) for _ in products], script.country.currency)


def _step_through(shop: Shop, rng: Random, visit: Visit, script: Script, target: Product) -> None:
    """At its own period; or, if careful, a replay of how a person would shop."""
    difficulty = shop.settings.difficulty
    if rng.random() < blend(0.0, 0.6, difficulty):
        visit.wander([target])
        visit.check_out(haste=2.0)
        return
    jitter = blend(0.02, 0.9, difficulty)
    pages = [(f"/products/{target.sku}", "GET"), ("/cart", "POST"), ("/checkout", "GET")]
    if rng.random() < difficulty:
        pages.insert(0, ("/", "GET"))
    if rng.random() < difficulty * 0.6:
        pages.insert(1, ("/assets/shop.js", "GET"))
    for path, method in pages:
        visit.page(path, int(script.period_ms * (1 + jitter * (rng.random() * 2 - 1))), method=method)
