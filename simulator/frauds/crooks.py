"""What fraudsters of every kind use: false names, other people's cards, connections that are not their own."""

from random import Random

import msgspec

from events.types import Address, Contact
from simulator import names, places
from simulator.people import Card, Device, a_card, a_device
from simulator.places import Country
from simulator.settings import blend
from simulator.shopping import Shop
from simulator.visits import Checks, Visitor, arrive

STOLEN = Checks((26, 12, 9, 53), (87, 6, 7), (44, 21, 5, 30))


class Alias(msgspec.Struct, frozen=True):
    """A guest or an account that a fraudster made up; a `fresh` one must first be registered, others lay in wait."""

    customer_id: str
    account_id: str | None
    contact: Contact
    fresh: bool


class Loot(msgspec.Struct, frozen=True):
    """A stolen card and where its holder lives."""

    card: Card
    billing: Address


def an_alias(shop: Shop, rng: Random, country: Country, phone: str | None = None) -> Alias:
    ids, difficulty = shop.journal.ids, shop.settings.difficulty
    contact = names.contact(
        rng, country, nameless=blend(0.7, 0.25, difficulty), disposable=blend(0.3, 0.02, difficulty)
    )
    if phone:
        contact = msgspec.structs.replace(contact, phone=phone)
    account_id = None if rng.random() < 0.12 else ids.mint("a")
    fresh = account_id is not None and rng.random() < blend(1.0, 0.3, difficulty)
    return Alias(ids.mint("c"), account_id, contact, fresh)


def some_loot(shop: Shop, rng: Random, country: Country) -> Loot:
    """One card in six belongs to a customer of the store, the others to strangers."""
    if rng.random() < 1 / 6:
        victim = shop.population.customer(rng)
        return Loot(victim.cards[0], victim.addresses[0])
    home = country if rng.random() < 0.85 else places.a_country(rng)
    return Loot(a_card(rng, shop.journal.ids, home), names.address(rng, home))


def a_connection(shop: Shop, rng: Random, country: Country) -> str:
    """A VPN exit that customers use too, a carrier's gateway, or a hired line in somebody's home."""
    difficulty = shop.settings.difficulty
    if rng.random() < blend(0.3, 0.55, difficulty):
        return places.home_ip(rng, country)
    on_exit = rng.random() < blend(0.8, 0.2, difficulty)
    return places.exit_ip(rng) if on_exit else places.mobile_ip(rng, country)


def a_burner(shop: Shop, rng: Random) -> Device:
    return a_device(rng, shop.journal.ids, on_phone=blend(0.45, 0.66, shop.settings.difficulty))


def a_drop(shop: Shop, rng: Random, country: Country) -> Address:
    """Where to send the goods: an empty flat, or a pick-up point in the middle of everybody's parcels."""
    if rng.random() < blend(0.0, 0.5, shop.settings.difficulty):
        return rng.choice(shop.population.pickup_points[country.code])
    return names.address(rng, country)


def a_mask(shop: Shop, rng: Random, device: Device, ip: str, country: Country) -> Visitor:
    """Frauds refuse cookies a little more often than customers do."""
    refuses = rng.random() < shop.settings.refusing_cookies * blend(1.6, 1.05, shop.settings.difficulty)
    return arrive(rng, shop.journal.ids, device, ip, country, refuses)
