"""Friendly fraud: customers dispute what they ordered and received themselves, and the bank takes the money back.

Careless ones open an account for it, buy dear goods in a row and go on after the first dispute has succeeded. Careful
ones are customers of long standing who order as they always did: the order itself then shows next to nothing.
"""

from random import Random

from simulator.clock import DAY_MS
from simulator.frauds.owners import a_visit, an_owner, buy
from simulator.settings import blend
from simulator.shopping import Shop

NAME = "friendly_fraud"
ORDERS = (2, 5)
_RESOLD = ("electronics", "phones", "perfume", "gift_cards")


def story(shop: Shop, rng: Random, at_ms: int) -> None:
    difficulty = shop.settings.difficulty
    owner, registers = an_owner(shop, rng)
    pause_ms = blend(2.5, 5.0, difficulty) * DAY_MS
    for _ in range(rng.randint(*ORDERS)):
        visit = a_visit(shop, rng, owner, at_ms, NAME)
        if registers:
            visit.register(owner.customer_id, owner.contact)
        elif rng.random() < 0.6:
            visit.sign_in(owner.customer_id)
        visit.customer_id, registers = owner.customer_id, False
        wanted = _RESOLD if rng.random() < blend(1.0, 0.4, difficulty) else owner.favourites
        basket = shop.catalogue.basket(rng, wanted, blend(1.0, 0.6, difficulty), owner.country.currency)
        buy(shop, rng, owner, visit, basket)
        at_ms = visit.at_ms + int(rng.expovariate(1 / pause_ms))
