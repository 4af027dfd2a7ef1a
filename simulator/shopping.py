"""What genuine customers do, oddities included: gifts, moves, journeys, forgotten passwords, declined cards."""

from random import Random

import msgspec

from events.types import Address
from simulator import names, places
from simulator.catalogue import Basket, Catalogue, Product
from simulator.clock import DAY_MS, MINUTE_MS
from simulator.journal import Journal
from simulator.people import Customer, Office, Population, a_card, a_device
from simulator.settings import Settings
from simulator.visits import Method, Purchase, Visit, Visitor, arrive

NEWCOMERS = 0.18
GROUPS = 0.06  # of orders are made in groups
GROUP = (2, 6)
AGAIN = 0.05  # of orders are followed by another in the same visit
PROMOTED = 0.4  # of orders carry one of the codes that the store gives out freely
_ENTERING = 0.05  # of visits with a name enter the draw of the week
_PROMOS = ("WELCOME10", "RAMADAN15", "FREESHIP")


class Shop(msgspec.Struct, frozen=True):
    """All that a story needs: where to write, what is sold, who there is, and how hard frauds are to see."""

    journal: Journal
    catalogue: Catalogue
    population: Population
    settings: Settings

    def promo(self, rng: Random, share: float = PROMOTED) -> str | None:
        """A code that the store has given out, in that share of orders."""
        return _PROMOS[int(rng.random() * len(_PROMOS))] if rng.random() < share else None


def window_shopping(shop: Shop, rng: Random, at_ms: int) -> None:
    """A visit that leads to nothing, now and then from the cart or before signing in."""
    customer = shop.population.customer(rng)
    visit = Visit(shop.journal, rng, _at_the_keyboard(shop, rng, customer), at_ms)
    if customer.account_id and rng.random() < 0.25:
        visit.customer_id = customer.customer_id
        if rng.random() < 2 * _ENTERING:
            visit.enter_contest(customer.customer_id)
    visit.wander(_looked_at(shop, rng, customer, 1 + int(rng.random() * 3)))
    if rng.random() < 0.15:
        visit.page("/cart", visit.wait(), method="POST")


def order(
    shop: Shop, rng: Random, customer: Customer, at_ms: int, *, newcomer: bool = False, office: Office | None = None
) -> None:
    """A visit that ends in an order, rarely two or three; later perhaps a refund or a review."""
    visitor = _at_the_keyboard(shop, rng, customer)
    if office:
        visitor = msgspec.structs.replace(visitor, ip=office.ip)
    visit = Visit(shop.journal, rng, visitor, at_ms)
    _identify(visit, rng, customer, newcomer)
    while True:
        basket = _fill(shop, rng, customer, visit)
        shipping = office.address if office else _destination(shop, rng, customer, visit)
        purchase = _pay(shop, rng, customer, visit, basket, shipping)
        order_id = visit.order(purchase)
        if rng.random() < _ENTERING:
            visit.enter_contest(customer.customer_id)
        _afterwards(shop, rng, customer, visit, order_id, basket)
        if rng.random() > AGAIN:
            return
        visit.at_ms += int(rng.random() * 12 * MINUTE_MS)


def group_order(shop: Shop, rng: Random, at_ms: int) -> None:
    """Colleagues who see one another buy: the same hour, the same connection, delivered to the office."""
    organiser = shop.population.customer(rng)
    while organiser.office is None:
        organiser = shop.population.customer(rng)
    office, staff = organiser.office, organiser.office.staff
    for _ in range(rng.randint(*GROUP)):
        order(shop, rng, staff[int(rng.random() * len(staff))], at_ms, office=office)
        at_ms += int(rng.random() * 25 * MINUTE_MS)


def _at_the_keyboard(shop: Shop, rng: Random, customer: Customer) -> Visitor:
    if rng.random() < 0.09:  # bought, borrowed, or its cookies were cleared
        customer.devices.append(a_device(rng, shop.journal.ids))
    first = rng.random() < 0.75
    device = customer.devices[0 if first else int(rng.random() * len(customer.devices))]
    country, where = customer.country, rng.random()
    if where < 0.03:
        country = places.a_country(rng)
        ip = places.home_ip(rng, country)
    elif customer.uses_vpn and where < 0.5:
        ip = places.exit_ip(rng)
    elif customer.office and where < 0.65:
        ip = customer.office.ip
    else:
        ip = customer.home_ip if where < 0.8 else places.mobile_ip(rng, country)
    return arrive(rng, shop.journal.ids, device, ip, country, customer.refuses_cookies)


def _identify(visit: Visit, rng: Random, customer: Customer, newcomer: bool) -> None:
    name = customer.customer_id
    if customer.account_id is None:
        return
    if newcomer:
        visit.register(name, customer.contact)
    elif rng.random() < 0.6:
        forgot = rng.random() < 0.09
        visit.sign_in(name, failures=1 + int(rng.random() * 4) if forgot else 0)
        if (forgot and rng.random() < 0.4) or rng.random() < 0.01:
            visit.change_credentials(name, "password" if rng.random() < 0.8 else "phone")
    visit.customer_id = name


def _fill(shop: Shop, rng: Random, customer: Customer, visit: Visit) -> Basket:
    """One in eight knows what to buy and is quick about it."""
    basket = shop.catalogue.basket(rng, customer.favourites, customer.level, customer.country.currency)
    quick = rng.random() < 0.12
    seen = 1 if quick else 1 + int(rng.random() * 3)
    haste = 5.0 if quick else 1.0
    visit.wander(_looked_at(shop, rng, customer, seen), haste)
    visit.check_out(haste)
    return basket


def _looked_at(shop: Shop, rng: Random, customer: Customer, products: int) -> list[Product]:
    return [shop.catalogue.wanted(rng, customer.favourites, customer.level) for _ in range(products)]


def _destination(shop: Shop, rng: Random, customer: Customer, visit: Visit) -> Address:
    """Mostly home; else a pick-up point or an office that many share, a friend's, or a new home."""
    choice = rng.random()
    if choice < 0.06:
        return rng.choice(shop.population.pickup_points[customer.country.code])
    if choice < 0.12 and customer.office:
        return customer.office.address
    if choice < 0.21:
        friend = shop.population.customer(rng)
        return friend.addresses[0] if rng.random() < 0.4 else names.address(rng, customer.country)
    if choice < 0.26:
        customer.addresses.insert(0 if rng.random() < 0.3 else 1, names.address(rng, customer.country))
        if customer.account_id:
            visit.add_address(customer.customer_id, customer.addresses[-1])
        return customer.addresses[-1]
    return customer.addresses[0]


def _pay(shop: Shop, rng: Random, customer: Customer, visit: Visit, basket: Basket, shipping: Address) -> Purchase:
    method: Method = "wallet" if rng.random() < 0.2 else "card"
    if rng.random() < (0.75 if customer.takes_cash else 0.03):
        method = "cash_on_delivery"
    if rng.random() < 0.05:
        customer.cards.insert(0 if rng.random() < 0.5 else 1, a_card(rng, shop.journal.ids, customer.country))
    card = customer.cards[0 if rng.random() < 0.8 else int(rng.random() * len(customer.cards))]
    if method != "cash_on_delivery":
        trouble = 0.6 if rng.random() < 0.02 else 0.07
        while rng.random() < trouble:
            visit.pay(customer.customer_id, card, basket, approved=False)
            visit.at_ms += visit.wait()
            if rng.random() < 0.4:
                customer.cards.append(a_card(rng, shop.journal.ids, customer.country))
            card = customer.cards[-1 if rng.random() < 0.5 else 0]
        visit.pay(customer.customer_id, card, basket, approved=True)
    return Purchase(
        customer_id=customer.customer_id,
        account_id=customer.account_id,
        contact=customer.contact,
        basket=basket,
        billing=customer.addresses[0],
        shipping=shipping,
        method=method,
        card=None if method == "cash_on_delivery" else card,
        promo_code=shop.promo(rng),
        is_gift=shipping is not customer.addresses[0] and rng.random() < 0.5,
    )


def _afterwards(shop: Shop, rng: Random, customer: Customer, visit: Visit, order_id: str, basket: Basket) -> None:
    fate = rng.random()
    if fate > 0.13:
        return
    session_id = shop.journal.ids.mint("v") if visit.visitor.session_id else None
    visitor = msgspec.structs.replace(visit.visitor, session_id=session_id)
    later = Visit(shop.journal, rng, visitor, visit.at_ms + int((2 + rng.random() * 12) * DAY_MS))
    if fate < 0.03:
        later.refund(customer.customer_id, order_id, basket)
    else:
        later.review(customer.customer_id, basket.items[0].sku, 1 + int(rng.random() ** 0.4 * 5))
