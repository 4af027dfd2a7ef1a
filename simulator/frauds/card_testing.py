"""Card testing: many small payments with different cards from one device and connection; those approved become orders.

Careful testers are slower, spread over more accounts, devices and neighbouring addresses, and buy dearer things.
"""

from random import Random

from simulator import names, places
from simulator.catalogue import CATEGORIES, Basket, pack
from simulator.frauds.crooks import STOLEN, Alias, a_burner, a_connection, a_mask, an_alias, some_loot
from simulator.places import Country
from simulator.settings import blend
from simulator.shopping import Shop
from simulator.visits import Purchase, Visit

NAME = "card_testing"
ORDERS = (3, 8)
_APPROVED = 0.35


def story(shop: Shop, rng: Random, at_ms: int) -> None:
    difficulty, country = shop.settings.difficulty, places.a_country(rng)
    aliases = [an_alias(shop, rng, country) for _ in range(round(blend(1, 5, difficulty)))]
    pause_ms = blend(25_000, 1_500_000, difficulty**2)
    device, ip = a_burner(shop, rng), a_connection(shop, rng, country)
    wanted = rng.randint(*ORDERS)
    while wanted:
        if rng.random() < blend(0.0, 0.3, difficulty):
            device = a_burner(shop, rng)
        if rng.random() < blend(0.0, 0.5, difficulty):
            ip = a_connection(shop, rng, country)
        visit = Visit(shop.journal, rng, a_mask(shop, rng, device, ip, country), at_ms, NAME)
        wanted -= _try(shop, rng, visit, rng.choice(aliases), country)
        at_ms = visit.at_ms + int(rng.expovariate(1 / pause_ms))


def _try(shop: Shop, rng: Random, visit: Visit, alias: Alias, country: Country) -> bool:
    """One card; true if it was approved and became an order."""
    basket, loot = _trifle(shop, rng, country), some_loot(shop, rng, country)
    careful = rng.random() < shop.settings.difficulty
    if careful:
        visit.wander([shop.catalogue.product(rng, basket.items[0].category or "grocery")], haste=2.0)
    visit.check_out(haste=blend(6.0, 1.5, shop.settings.difficulty))
    approved = rng.random() < _APPROVED
    visit.pay(alias.customer_id, loot.card, basket, approved)
    if approved:
        shipping = loot.billing if rng.random() < 0.7 else names.address(rng, country)
        visit.order(
            Purchase(
                customer_id=alias.customer_id,
                account_id=alias.account_id,
                contact=alias.contact,
                basket=basket,
                billing=loot.billing,
                shipping=shipping,
                card=loot.card,
                checks=STOLEN,
                promo_code=shop.promo(rng, blend(0.0, 0.4, shop.settings.difficulty)),
                method="wallet" if rng.random() < 0.1 else "card",
            )
        )
    return approved


def _trifle(shop: Shop, rng: Random, country: Country) -> Basket:
    """The cheapest of a few products; of fewer, and with something beside it, the more careful the tester."""
    seen = round(blend(4, 1, shop.settings.difficulty))
    categories = tuple(CATEGORIES)
    products = [shop.catalogue.product(rng, rng.choice(categories)) for _ in range(seen)]
    chosen = [min(products, key=lambda product: product.dollars)]
    if rng.random() < blend(0.0, 0.7, shop.settings.difficulty):
        chosen.append(shop.catalogue.product(rng, rng.choice(categories)))
    return pack(chosen, [1] * len(chosen), country.currency)
