"""Refund abuse: goods bought, the money asked back for what "never came" or came back empty, and again, for weeks.

Careful abusers keep some orders, wait longer, buy as others buy, and go on under another name at the same address.
"""

from random import Random

import msgspec

from simulator import names
from simulator.clock import DAY_MS
from simulator.frauds.owners import a_visit, an_owner, buy
from simulator.people import Customer
from simulator.settings import blend
from simulator.shopping import Shop

NAME = "refund_abuse"
ORDERS = (3, 8)
_DEAR = ("electronics", "phones", "perfume", "fashion", "sports", "home")


def story(shop: Shop, rng: Random, at_ms: int) -> None:
    difficulty = shop.settings.difficulty
    owner, registers = an_owner(shop, rng)
    pause_ms = blend(1.0, 3.0, difficulty) * DAY_MS
    for _ in range(rng.randint(*ORDERS)):
        while rng.random() < blend(0.0, 0.4, difficulty):  # bought and kept, as anybody does
            at_ms = _order(shop, rng, owner, registers, at_ms, None) + int(rng.expovariate(1 / pause_ms))
            registers = False
        at_ms = _order(shop, rng, owner, registers, at_ms, NAME) + int(rng.expovariate(1 / pause_ms))
        registers = rng.random() < blend(0.0, 0.25, difficulty)
        if registers:
            owner = _renamed(shop, rng, owner)


def _order(shop: Shop, rng: Random, owner: Customer, registers: bool, at_ms: int, fraud: str | None) -> int:
    """One order, its money asked back if it is a fraud's; returns when it was placed."""
    difficulty, currency = shop.settings.difficulty, owner.country.currency
    visit = a_visit(shop, rng, owner, at_ms, fraud)
    if registers:
        visit.register(owner.customer_id, owner.contact)
    elif rng.random() < 0.6:
        visit.sign_in(owner.customer_id)
    visit.customer_id = owner.customer_id
    dear = rng.random() < blend(1.0, 0.4, difficulty)
    level = blend(1.0, 0.6, difficulty)
    basket = shop.catalogue.basket(rng, _DEAR if dear else owner.favourites, level, currency)
    order_id = buy(shop, rng, owner, visit, basket)
    if fraud:
        days = blend(0.6, 3.0, difficulty) * (0.6 + rng.random())
        later = a_visit(shop, rng, owner, visit.at_ms + int(days * DAY_MS), fraud)
        later.refund(owner.customer_id, order_id, basket)
    return visit.at_ms


def _renamed(shop: Shop, rng: Random, owner: Customer) -> Customer:
    """The same household under another name and account."""
    minted = shop.journal.ids.mint
    contact = names.contact(rng, owner.country)
    return msgspec.structs.replace(owner, customer_id=minted("c"), account_id=minted("a"), contact=contact)
