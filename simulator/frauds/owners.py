"""What abusers have who order as themselves: their own name, card, device, connection and address."""

from random import Random

from simulator import places
from simulator.catalogue import Basket
from simulator.people import Customer
from simulator.settings import blend
from simulator.shopping import Shop
from simulator.visits import Method, Purchase, Visit, arrive


def an_owner(shop: Shop, rng: Random) -> tuple[Customer, bool]:
    """Somebody with an account, and whether it is yet to be registered: the careful are customers of long standing."""
    known = rng.random() < blend(0.0, 0.7, shop.settings.difficulty)
    owner = shop.population.customer(rng) if known else shop.population.person(rng, guest=0.0)
    while owner.account_id is None:
        owner = shop.population.customer(rng)
    return owner, not known


def a_visit(shop: Shop, rng: Random, owner: Customer, at_ms: int, fraud: str | None) -> Visit:
    """From home, by telephone, or as others do who use a VPN."""
    where = rng.random()
    ip = owner.home_ip if where < 0.7 else places.mobile_ip(rng, owner.country)
    if owner.uses_vpn and where > 0.8:
        ip = places.exit_ip(rng)
    device = owner.devices[0 if rng.random() < 0.8 else -1]
    return Visit(
        shop.journal, rng, arrive(rng, shop.journal.ids, device, ip, owner.country, owner.refuses_cookies), at_ms, fraud
    )


def buy(shop: Shop, rng: Random, owner: Customer, visit: Visit, basket: Basket) -> str:
    """Look around, pay with a card of one's own, have it sent home or where a parcel can be said to have got lost."""
    haste = blend(2.0, 1.0, shop.settings.difficulty)
    seen = 1 + int(rng.random() * 3)
    visit.wander([shop.catalogue.wanted(rng, owner.favourites, 0.8) for _ in range(seen)], haste)
    visit.check_out(haste)
    method: Method = "wallet" if rng.random() < 0.2 else "card"
    card, shipping = owner.cards[0 if rng.random() < 0.8 else -1], owner.addresses[0]
    if rng.random() < 0.15:
        shipping = rng.choice(shop.population.pickup_points[owner.country.code])
    visit.pay(owner.customer_id, card, basket, approved=True)
    return visit.order(
        Purchase(
            customer_id=owner.customer_id,
            account_id=owner.account_id,
            contact=owner.contact,
            basket=basket,
            billing=owner.addresses[0],
            shipping=shipping,
            method=method,
            card=card,
            promo_code=shop.promo(rng),
        )
    )
