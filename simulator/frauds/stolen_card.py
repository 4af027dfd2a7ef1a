"""Stolen cards to drop addresses: many names and cards, few places of delivery, dear goods, billing elsewhere.

Careful gangs use more drops and devices, take days instead of hours, and give the drop as the billing address too.
"""

from random import Random

import msgspec

from events.types import Address
from simulator import names, places
from simulator.clock import DAY_MS
from simulator.frauds.crooks import STOLEN, a_burner, a_connection, a_drop, a_mask, an_alias, some_loot
from simulator.people import Device
from simulator.places import Country
from simulator.settings import blend
from simulator.shopping import Shop
from simulator.visits import Purchase, Visit

NAME = "stolen_card"
ORDERS = (4, 10)
_DEAR = ("electronics", "phones", "perfume", "fashion", "sports", "home")


class Gang(msgspec.Struct, frozen=True):
    country: Country
    drops: tuple[Address, ...]
    courier_phones: tuple[str, ...]
    devices: tuple[Device, ...]


def story(shop: Shop, rng: Random, at_ms: int) -> None:
    difficulty, country = shop.settings.difficulty, places.a_country(rng)
    several = range(round(blend(1, 3, difficulty)))
    gang = Gang(
        country,
        tuple(a_drop(shop, rng, country) for _ in several),
        tuple(names.phone(rng, country) for _ in several),
        tuple(a_burner(shop, rng) for _ in several),
    )
    pause_ms = blend(0.1, 1.0, difficulty) * DAY_MS
    for _ in range(rng.randint(*ORDERS)):
        at_ms = _strike(shop, rng, gang, at_ms) + int(rng.expovariate(1 / pause_ms))


def _strike(shop: Shop, rng: Random, gang: Gang, at_ms: int) -> int:
    """One order under a new name; returns when it was done."""
    difficulty, country = shop.settings.difficulty, gang.country
    device = a_burner(shop, rng) if rng.random() < blend(0.0, 0.5, difficulty) else rng.choice(gang.devices)
    phone = None if rng.random() < blend(0.3, 0.8, difficulty) else rng.choice(gang.courier_phones)
    alias, loot, drop = an_alias(shop, rng, country, phone), some_loot(shop, rng, country), rng.choice(gang.drops)
    visit = Visit(shop.journal, rng, a_mask(shop, rng, device, a_connection(shop, rng, country), country), at_ms, NAME)
    if alias.fresh:
        visit.register(alias.customer_id, alias.contact)
    basket = shop.catalogue.basket(rng, _DEAR, blend(1.0, 0.6, difficulty), country.currency)
    looked_at = 1 + (rng.random() < difficulty) + (rng.random() < difficulty)
    visit.wander([shop.catalogue.wanted(rng, _DEAR, 1.0) for _ in range(looked_at)], haste=blend(3.0, 1.2, difficulty))
    visit.check_out(haste=blend(3.0, 1.2, difficulty))
    while rng.random() < blend(0.4, 0.2, difficulty):
        visit.pay(alias.customer_id, loot.card, basket, approved=False)
        loot = some_loot(shop, rng, country)
    visit.pay(alias.customer_id, loot.card, basket, approved=True)
    visit.order(
        Purchase(
            customer_id=alias.customer_id,
            account_id=alias.account_id,
            contact=alias.contact,
            basket=basket,
            billing=drop if rng.random() < blend(0.0, 0.5, difficulty) else loot.billing,
            shipping=drop,
            card=loot.card,
            checks=STOLEN,
            promo_code=shop.promo(rng, blend(0.0, 0.4, difficulty)),
            method="wallet" if rng.random() < 0.12 else "card",
            is_gift=rng.random() < 0.1,
        )
    )
    return visit.at_ms
