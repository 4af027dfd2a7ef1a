"""Account takeover: failed logins, a changed contact and a new address, then an order to it from a new device.

Careful thieves bought the right password, change less, wait longer, and connect from the victim's country.
"""

from random import Random

from events.types import Address
from simulator import places
from simulator.clock import HOUR_MS, MINUTE_MS
from simulator.frauds.crooks import STOLEN, a_burner, a_connection, a_drop, a_mask, some_loot
from simulator.people import Customer
from simulator.settings import blend
from simulator.shopping import Shop
from simulator.visits import HOLDERS, Purchase, Visit, Visitor

NAME = "account_takeover"
ORDERS = (1, 2)


def story(shop: Shop, rng: Random, at_ms: int) -> None:
    victim, difficulty = _victim(shop, rng), shop.settings.difficulty
    visit = Visit(shop.journal, rng, _mask(shop, rng, victim), at_ms, NAME)
    guesses = 0 if rng.random() < blend(0.0, 0.8, difficulty) else rng.randint(2, 7)
    visit.sign_in(victim.customer_id, guesses, pause_ms=round(blend(1_500, 12_000, difficulty)))
    if rng.random() < blend(1.0, 0.3, difficulty):
        visit.change_credentials(victim.customer_id, rng.choice(("email", "phone", "password")))
    drop = a_drop(shop, rng, victim.country)
    if rng.random() < blend(1.0, 0.5, difficulty):
        visit.add_address(victim.customer_id, drop)
    if rng.random() < blend(0.1, 0.6, difficulty):
        visit.at_ms += int(rng.random() * 30 * HOUR_MS)
    for _ in range(rng.randint(*ORDERS)):
        _order(shop, rng, visit, victim, drop)
        visit.at_ms += int(rng.random() * 20 * MINUTE_MS)


def _mask(shop: Shop, rng: Random, victim: Customer) -> Visitor:
    """A device of the thief's, or by malware the victim's own."""
    difficulty = shop.settings.difficulty
    near = rng.random() < blend(0.4, 0.95, difficulty)
    country = victim.country if near else places.a_country(rng)
    malware = rng.random() < blend(0.0, 0.4, difficulty)
    device = victim.devices[0] if malware else a_burner(shop, rng)
    return a_mask(shop, rng, device, a_connection(shop, rng, country), country)


def _victim(shop: Shop, rng: Random) -> Customer:
    victim = shop.population.customer(rng)
    while victim.account_id is None:
        victim = shop.population.customer(rng)
    return victim


def _order(shop: Shop, rng: Random, visit: Visit, victim: Customer, drop: Address) -> None:
    """Paid with what the account has on file, or with a stolen card."""
    difficulty = shop.settings.difficulty
    basket = shop.catalogue.basket(rng, victim.favourites, blend(1.0, 0.75, difficulty), victim.country.currency)
    on_file = rng.random() < blend(0.4, 0.75, difficulty)
    card = victim.cards[0] if on_file else some_loot(shop, rng, victim.country).card
    visit.wander([shop.catalogue.wanted(rng, victim.favourites, 1.0)], haste=blend(4.0, 1.3, difficulty))
    visit.check_out(haste=blend(4.0, 1.3, difficulty))
    visit.pay(victim.customer_id, card, basket, approved=True)
    visit.order(
        Purchase(
            customer_id=victim.customer_id,
            account_id=victim.account_id,
            contact=victim.contact,
            basket=basket,
            billing=drop if rng.random() < blend(0.0, 0.4, difficulty) else victim.addresses[0],
            shipping=drop,
            card=card,
            checks=HOLDERS if on_file else STOLEN,
            promo_code=shop.promo(rng, blend(0.0, 0.4, difficulty)),
            method="wallet" if rng.random() < 0.15 else "card",
            is_gift=rng.random() < 0.15,
        )
    )
