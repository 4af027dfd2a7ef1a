"""Customers and their habits: what they like, when they buy, from which devices and addresses, with which cards."""

from bisect import bisect
from itertools import accumulate
from random import Random

import msgspec

from events.types import Address, Contact
from simulator import names, places
from simulator.catalogue import CATEGORIES
from simulator.ids import Ids
from simulator.places import Country
from simulator.settings import Settings

_CHROME = "Mozilla/5.0 ({}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 {}Safari/537.36"
_SAFARI = "Mozilla/5.0 ({}) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{} {}Safari/{}"
_PHONES = (
    _SAFARI.format("iPhone; CPU iPhone OS 18_5 like Mac OS X", "18.5", "Mobile/15E148 ", "604.1"),
    _SAFARI.format("iPhone; CPU iPhone OS 17_6 like Mac OS X", "17.6", "Mobile/15E148 ", "604.1"),
    _CHROME.format("Linux; Android 10; K", 138, "Mobile "),
    _CHROME.format("Linux; Android 10; K", 131, "Mobile "),
    _CHROME.format("Linux; Android 14; SM-S911B", 125, "Mobile ").replace("Chrome", "SamsungBrowser/27.0 Chrome"),
)
_COMPUTERS = (
    _CHROME.format("Windows NT 10.0; Win64; x64", 138, ""),
    _CHROME.format("Windows NT 10.0; Win64; x64", 134, ""),
    _CHROME.format("Windows NT 10.0; Win64; x64", 138, "") + " Edg/138.0.0.0",
    _CHROME.format("Macintosh; Intel Mac OS X 10_15_7", 138, ""),
    _SAFARI.format("Macintosh; Intel Mac OS X 10_15_7", "18.5", "", "605.1.15"),
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
)
_CARD_BINS = ("400012", "411175", "455708", "512345", "524130", "540083", "588845", "428671", "968201")


class Device(msgspec.Struct, frozen=True):
    device_id: str
    user_agent: str


class Card(msgspec.Struct, frozen=True):
    psp_token: str
    last4: str
    bin: str
    issuer_country: str


class Office(msgspec.Struct, frozen=True, eq=False):
    ip: str
    address: Address
    staff: list["Customer"]


class Customer(msgspec.Struct, eq=False, kw_only=True):
    """Grows as it lives: new devices, cards and addresses are appended; the first of each is the favourite."""

    customer_id: str
    account_id: str | None
    country: Country
    contact: Contact
    addresses: list[Address]
    devices: list[Device]
    cards: list[Card]
    home_ip: str
    office: Office | None
    favourites: tuple[str, ...]
    level: float
    night_owl: float
    takes_cash: bool
    uses_vpn: bool
    refuses_cookies: bool


def a_device(rng: Random, ids: Ids, on_phone: float = 0.68) -> Device:
    return Device(ids.mint("d"), rng.choice(_PHONES if rng.random() < on_phone else _COMPUTERS))


def a_card(rng: Random, ids: Ids, country: Country) -> Card:
    """A card from its holder's country, one in twelve from abroad."""
    issuer = country if rng.random() < 11 / 12 else places.a_country(rng)
    return Card(ids.mint("pm_"), f"{rng.randrange(10_000):04}", rng.choice(_CARD_BINS), issuer.code)


class Population:
    """Some live in households (sharing cards, address, connection), some work in offices (sharing a connection)."""

    def __init__(self, rng: Random, ids: Ids, settings: Settings) -> None:
        self._ids, self._refusing = ids, settings.refusing_cookies
        self._offices = {
            c.code: [Office(places.home_ip(rng, c), names.address(rng, c), []) for _ in range(8)]
            for c in places.COUNTRIES
        }
        self.pickup_points = {c.code: [names.address(rng, c) for _ in range(4)] for c in places.COUNTRIES}
        self.customers = [self.person(rng) for _ in range(settings.customers)]
        for _ in range(settings.customers // 8):
            self._share_a_household(rng)
        # Grocery buyers come weekly, most others rarely: a heavy tail of rates.
        self._rates = list(accumulate(rng.lognormvariate(0, 0.9) for _ in self.customers))

    def person(self, rng: Random, *, guest: float = 0.1) -> Customer:
        """Somebody new to the store, not yet among its customers."""
        country = places.a_country(rng)
        minted = self._ids.mint
        customer = Customer(
            customer_id=minted("c"),
            account_id=None if rng.random() < guest else minted("a"),
            country=country,
            contact=names.contact(rng, country),
            addresses=[names.address(rng, country)],
            devices=[a_device(rng, self._ids) for _ in range(1 + (rng.random() < 0.35))],
            cards=[a_card(rng, self._ids, country) for _ in range(1 + (rng.random() < 0.25))],
            home_ip=places.home_ip(rng, country),
            office=rng.choice(self._offices[country.code]) if rng.random() < 0.35 else None,
            favourites=tuple(rng.choice(_NAMES) for _ in range(3)),
            level=rng.random(),
            night_owl=rng.random() ** 2,
            takes_cash=country.arabic and rng.random() < 0.2,
            uses_vpn=rng.random() < 0.25,
            refuses_cookies=rng.random() < self._refusing,
        )
        if customer.office:
            customer.office.staff.append(customer)
        return customer

    def customer(self, rng: Random) -> Customer:
        """A customer, drawn by how often each buys."""
        return self.customers[bisect(self._rates, rng.random() * self._rates[-1])]

    def welcome(self, rng: Random, customer: Customer) -> None:
        """A newcomer may come back, as often as others do."""
        self.customers.append(customer)
        self._rates.append(self._rates[-1] + rng.lognormvariate(0, 0.9))

    def _share_a_household(self, rng: Random) -> None:
        one, other = rng.choice(self.customers), rng.choice(self.customers)
        other.country, other.addresses, other.home_ip = one.country, list(one.addresses), one.home_ip
        other.contact = msgspec.structs.replace(other.contact, phone=names.phone(rng, one.country))
        if rng.random() < 0.5:
            other.cards = list(one.cards)
        if rng.random() < 0.3:
            other.devices = [*other.devices, one.devices[0]]


_NAMES = tuple(CATEGORIES)
